"""Lines with named parts: columns of CSV, and named groups of a regular expression.

Every part is text, unless `types` says what it is; `timeField` names the one that is the event's
time. A part that is not what `types` says makes the line a dead letter.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.events.regexes import compile_regex
from summit.events.times import epoch_ms
from summit.ingest.files.settings import FileOptions

_TRUE: Final = frozenset(("true", "t", "yes", "y", "1"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "0"))


def _boolean(text: str) -> bool:
    lower = text.strip().lower()
    if lower in _TRUE or lower in _FALSE:
        return lower in _TRUE
    raise ValueError(f"'{text[:40]}' is neither true nor false")


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": str,
    "int": int,
    "float": float,
    "boolean": _boolean,
    "json": lambda text: msgspec.json.decode(text.encode()),
}


class _Typed:
    """What becomes of the named parts of a line."""

    def __init__(self, options: FileOptions, clock: Clock) -> None:
        self._readers = {name: _READERS[kind] for name, kind in options.types.items()}
        self._time_field = options.time_field
        self._event_type = options.event_type
        self._clock = clock

    def event(self, parts: dict[str, Any]) -> dict[str, Any]:
        """The event of the parts. Raises Invalid("event.not_json") with a reason."""
        for name, read in self._readers.items():
            text = parts.get(name)
            if text is None:
                continue
            try:
                # An empty part of another type than text is none.
                parts[name] = read(text) if text or read is str else None
            except ValueError as error:
                raise _bad(f"'{name}' is not of its type: {error}") from error
        event = {"eventType": self._event_type, "timestamp": self._clock.now_ms(), **parts}
        if self._time_field is not None:
            found = parts.get(self._time_field)
            at = _time_of(found)
            if at is None:
                raise _bad(f"'{self._time_field}' is no time: {str(found)[:40]}")
            event["timestamp"] = at
        return event


class Groups:
    """Lines that a regular expression takes apart."""

    def __init__(self, options: FileOptions, clock: Clock) -> None:
        self._search = compile_regex(options.pattern or "").search
        self._typed = _Typed(options, clock)

    def parse(self, text: str) -> list[dict[str, Any]]:
        """The event of a line, none of a blank one. Raises Invalid where it does not fit."""
        if not text or text.isspace():
            return []
        found = self._search(text)
        if found is None:
            raise _bad("the pattern does not fit")
        parts = {name: part for name, part in found.groupdict().items() if part is not None}
        return [{"message": text, **self._typed.event(parts)}]


class Columns:
    """Lines of CSV.

    Args:
        names: Of the columns; or the first line, which holds them and is no event.
    Raises: Invalid("event.not_json").
    """

    def __init__(self, options: FileOptions, clock: Clock, names: Sequence[str] | bytes) -> None:
        self._delimiter, self._quote = options.delimiter, options.quote
        self._typed = _Typed(options, clock)
        self._header: str | None = None
        if isinstance(names, bytes):
            self._header = names.decode(errors="replace").removeprefix("\ufeff")
            names = self._cells(self._header)
        self._names = [name.strip() for name in names]
        if not all(self._names) or len(set(self._names)) != len(self._names):
            raise _bad("the first line does not name the columns, each once; or name them")

    def parse(self, text: str) -> list[dict[str, Any]]:
        """The event of a record, none of a blank line and the first one."""
        if not text or text.isspace():
            return []
        if self._header is not None and text.removeprefix("\ufeff") == self._header:
            return []
        cells = self._cells(text)
        if len(cells) != len(self._names):
            raise _bad(f"it has {len(cells)} columns, not {len(self._names)}")
        return [self._typed.event(dict(zip(self._names, cells, strict=True)))]

    def _cells(self, text: str) -> list[str]:
        try:
            rows = list(
                csv.reader(
                    text.splitlines(keepends=True), delimiter=self._delimiter,
                    quotechar=self._quote, strict=True,
                )
            )  # fmt: skip
        except csv.Error as error:
            raise _bad(f"it is no CSV: {error}") from error
        if len(rows) != 1:
            raise _bad(f"it holds {len(rows)} records")
        return rows[0]


def _time_of(found: Any) -> int | None:
    if isinstance(found, str) and (number := _number(found)) is not None:
        found = number
    return epoch_ms(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bad(reason: str) -> Invalid:
    return Invalid("event.not_json", reason=reason)
