"""Points in time as events write them: epoch milliseconds, or RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

TIME_MS_MAX: Final = 253_402_300_799_999  # the last millisecond of the year 9999
TIME_MS_MIN: Final = -62_135_596_800_000  # the first of the year 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?"
    r"(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def epoch_ms(value: object) -> int | None:
    """Milliseconds since 1970 UTC of a time, or None when it is not one.

    A number counts as milliseconds (fractions are cut); a text must be RFC 3339, with its
    offset from UTC.

    >>> epoch_ms("2024-02-29T12:00:00.5+01:00"), epoch_ms(1_700_000_000_000), epoch_ms("noon")
    (1709204400500, 1700000000000, None)
    """
    kind = type(value)
    if kind is int or kind is float:
        assert isinstance(value, (int, float))
        if TIME_MS_MIN <= value <= TIME_MS_MAX:
            return int(value // 1)
        return None
    if kind is str:
        assert isinstance(value, str)
        return _text_ms(value)
    return None


def _text_ms(text: str) -> int | None:
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    second = int(found[6])
    try:
        at = datetime(
            int(found[1]), int(found[2]), int(found[3]), int(found[4]), int(found[5]),
            min(second, 59), tzinfo=_zone(found),
        )  # fmt: skip
    except ValueError:
        return None
    if second > 60:
        return None
    whole = (at - _EPOCH) // timedelta(milliseconds=1)
    fraction = int((found[7] or "0")[:3].ljust(3, "0"))
    leap = 1_000 if second == 60 else 0  # a leap second is the same instant as the next second
    return whole + fraction + leap


def _zone(found: re.Match[str]) -> timezone:
    if found[8]:
        return UTC
    minutes = int(found[10]) * 60 + int(found[11])
    if int(found[11]) > 59:
        raise ValueError("minutes of an offset go from 0 to 59")
    return timezone(timedelta(minutes=minutes if found[9] == "+" else -minutes))
