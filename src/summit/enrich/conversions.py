"""Operations that change a value's type: convert, timestamp."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.documents.transform_plan import ConvertPlan, TimestampPlan
from summit.enrich.effects import NOTHING, Effect, Operation, Refusal, change_each
from summit.enrich.places import Value, compile_find, put
from summit.events.event import decode_value
from summit.events.times import TIME_MS_MAX, TIME_MS_MIN, epoch_ms
from summit.events.values import as_number, as_text

# A number below this counts as seconds: in milliseconds it would be before March 1973, and in
# seconds it is before the year 5138.
_SECONDS_BELOW: Final = 100_000_000_000
_FALSE: Final = frozenset(("false", "0", "no", "", "off", "n", "f"))
_TRUE: Final = frozenset(("true", "1", "yes", "on", "y", "t"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS_PER: Final = {"seconds": 1_000.0, "ms": 1.0, "micros": 1e-3, "nanos": 1e-6}
_NO_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,18})?)?", re.ASCII)
_SHORT_ZONE: Final = re.compile(r"(.*[+-]\d\d)(\d\d)", re.ASCII)


def compile_convert(plan: ConvertPlan) -> Operation:
    """Makes the value one of another type; what cannot be stays and is told."""
    return change_each(compile_find(plan.field), _CONVERSIONS[plan.type])


def compile_timestamp(plan: TimestampPlan) -> Operation:
    """Reads a time in the first of some formats that fits, and writes it in one form."""
    zone_minutes = plan.utc_offset_minutes

    def change(found: Any) -> Any:
        if not plan.formats:
            at_ms = time_ms(found, zone_minutes)
        else:
            times = (_read_time(found, form, zone_minutes) for form in plan.formats)
            at_ms = next((at for at in times if at is not None), None)
        if at_ms is None:
            raise Refusal("it is no time in one of the formats")
        if plan.form == "ms":
            return at_ms
        if plan.form == "seconds":
            return at_ms / 1_000 if at_ms % 1_000 else at_ms // 1_000
        at = _EPOCH + timedelta(milliseconds=at_ms)
        return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    return in_place_or_target(plan.field, plan.target, change)


def in_place_or_target(
    field: tuple[str, ...], target: tuple[str, ...] | None, change: Callable[[Any], Any]
) -> Operation:
    """An operation that puts `change(value)` in the value's place, or at a target."""
    find = compile_find(field)
    if target is None:
        return change_each(find, change)

    def to_target(value: Value) -> Effect:
        places = find(value)
        if not places:
            return NOTHING
        found = places[0].value
        try:
            new = change(found)
        except Refusal as refusal:
            return Effect(0, str(refusal))
        if new is found:  # nothing to extract: there is nothing to put there
            return NOTHING
        reason = put(value, target, new)
        return Effect(int(reason is None), reason)

    return to_target


def time_ms(value: Any, zone_minutes: int = 0) -> int | None:
    """Milliseconds since 1970 UTC of ISO text, seconds or milliseconds; None when it is none.

    A text without a zone is of the given one. A number below 100,000,000,000 is in seconds.
    """
    if type(value) is str:
        text = value.strip()
        found = _iso_ms(text, zone_minutes)
        if found is not None:
            return found
        value = _number(text)
    if type(value) not in (int, float) or not math.isfinite(value):
        return None
    return _bounded(value * 1_000 if abs(value) < _SECONDS_BELOW else value)


def _iso_ms(text: str, zone_minutes: int) -> int | None:
    if _NO_ZONE.fullmatch(text):
        whole = text if len(text) > 10 else f"{text}T00:00:00"
        found = epoch_ms(f"{whole}Z")
        return None if found is None else found - zone_minutes * 60_000
    short = _SHORT_ZONE.fullmatch(text)
    return epoch_ms(f"{short[1]}:{short[2]}" if short else text)


def _read_time(value: Any, form: str, zone_minutes: int) -> int | None:
    if form == "iso":
        return _iso_ms(value.strip(), zone_minutes) if type(value) is str else None
    if form in _MS_PER:
        number: Any = _number(value.strip()) if type(value) is str else value
        if type(number) not in (int, float) or not math.isfinite(number):
            return None
        if type(number) is int and form in ("micros", "nanos"):  # exact, also beyond 2**53
            return _bounded(number // (1_000 if form == "micros" else 1_000_000))
        return _bounded(number * _MS_PER[form])
    if type(value) is not str:
        return None
    try:
        at = datetime.strptime(value, form)  # noqa: DTZ007 - the zone is set below
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone(timedelta(minutes=zone_minutes)))
    return _bounded((at - _EPOCH) // timedelta(milliseconds=1))


def _bounded(ms: float) -> int | None:
    return int(ms // 1) if TIME_MS_MIN <= ms <= TIME_MS_MAX else None


def _number(text: str) -> int | float | None:
    """A number as JSON could hold it."""
    found = as_number(text)
    return None if type(found) is int and abs(found) >= 1 << 63 else found


def _to_string(value: Any) -> str:
    if type(value) in (dict, list):
        return msgspec.json.encode(value).decode()
    text = as_text(value)
    if text is None:
        raise Refusal("it is no number that can be written")
    return text


def _to_number(value: Any) -> int | float:
    found: int | float | None = None
    if type(value) is bool:
        found = int(value)
    elif type(value) is str:
        found = _number(value.strip())
    elif type(value) in (int, float):
        found = value
    if found is None:
        raise Refusal("it is no number")
    return found


def _to_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) in (int, float):
        return bool(value)
    word = value.strip().lower() if type(value) is str else None
    if word in _FALSE:
        return False
    if word in _TRUE:
        return True
    raise Refusal("it is neither true nor false")


def to_json(value: Any) -> Any:
    """The JSON value that a text holds; other values are it already."""
    if type(value) is not str:
        return value
    try:
        return decode_value(value.encode())
    except (Invalid, UnicodeEncodeError):
        raise Refusal("it is no JSON text") from None


def _to_timestamp(value: Any) -> int:
    found = time_ms(value)
    if found is None:
        raise Refusal("it is no time")
    return found


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "string": _to_string,
    "number": _to_number,
    "boolean": _to_boolean,
    "json": to_json,
    "timestamp": _to_timestamp,
}
