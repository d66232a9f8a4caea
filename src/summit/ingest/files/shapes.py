"""How a line becomes events: one function per format.

A shape takes a line and gives its events, in order, as JSON bytes and decoded; the position in the
list is the event's `sub` (in formats of several lines: how many further lines it has). The event id
is the source coordinate, so that a line that is read twice has the same id.

    line          {"eventId", "eventType", "timestamp", "source", "message"}
    syslog, sshd  the same with what the line says, and the whole line as `raw`; a line
                  `message repeated N times: [ … ]` is N events
    csv, regex    the columns, or named groups, beside those; `types` and `timeField` read them
    jsonl         the object as it stands, byte for byte; parquet: a row as an object

`source` is the path. Where a line is not UTF-8, `rawBase64` holds its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.events.formats import LineParser, RunningYear, YearOf, latest_year, parse_json_line
from summit.ingest.files.coordinates import Coordinate
from summit.ingest.files.fields import Columns, Groups
from summit.ingest.files.lines import Line
from summit.ingest.files.settings import FileOptions
from summit.ingest.log_lines import CurrentYear, LogLines

_encode: Final = msgspec.json.Encoder().encode


class Shaped(NamedTuple):
    """One event of a line."""

    value: bytes
    event: dict[str, Any]


class Origin(NamedTuple):
    """The file that lines come from.

    Attributes:
        identity: The text of its identity.
        changed_ms: When it was last written, milliseconds since 1970 UTC.
    """

    path: str
    identity: str
    changed_ms: int


Shape = Callable[[Line], list[Shaped]]


def make_shape(
    options: FileOptions, origin: Origin, *, clock: Clock, first: Callable[[], bytes] = bytes
) -> Shape:
    """The shape of one file's lines, to be given them in order.

    Args:
        first: Reads the file's first line.

    Raises: Invalid("ingest.line_invalid") for a first line that names no columns.

    The shape raises Invalid("ingest.line_invalid") for a line that is no event; blank lines give
    none.
    """
    if options.format == "jsonl" or options.format == "parquet":  # noqa: PLR1714 - for the types
        return _jsonl(origin)
    if options.format == "line":
        return _Text(origin, _Plain(options.event_type, clock).parse)
    if options.format == "regex":
        return _Text(origin, Groups(options, clock).parse, with_raw=True)
    if options.format == "csv":
        names = options.columns
        return _Text(origin, Columns(options, clock, names or first()).parse)
    start_ms = clock.now_ms() if options.mode == "tail" else origin.changed_ms
    parser = LineParser(
        options.format,
        _year_of(options, origin, clock),
        start_ms=start_ms,
        utc_offset_minutes=options.utc_offset_minutes,
        event_type=options.event_type,
    )
    return _Text(origin, parser.parse, with_raw=True)


def needs_all_lines(options: FileOptions) -> bool:
    """Whether a line's events depend on all lines before it: reading then always begins at 0."""
    return options.year is not None and options.format in ("syslog", "sshd")


def check_length(line: Line, path: str, max_line_bytes: int) -> None:
    """Refuse an over-long line, of which only the beginning was read.

    Raises: Invalid("ingest.line_too_long").
    """
    if line.size_bytes > max_line_bytes:
        raise Invalid(
            "ingest.line_too_long",
            size_bytes=line.size_bytes,
            limit=max_line_bytes,
            path=path,
            offset=line.offset,
        )


def _jsonl(origin: Origin) -> Shape:
    def shape(line: Line) -> list[Shaped]:
        try:
            event = parse_json_line(line.data)
        except Invalid as error:
            raise Invalid(
                "ingest.line_invalid", path=origin.path, offset=line.offset, reason=str(error)
            ) from error
        if event is None:
            return []
        return [Shaped(line.data.strip(), event)]

    return shape


class _Text:
    """The shape of formats that are text."""

    def __init__(
        self,
        origin: Origin,
        parse: Callable[[str], list[dict[str, Any]]],
        *,
        with_raw: bool = False,
    ) -> None:
        self._origin = origin
        self._lines = LogLines(parse, with_raw=with_raw)

    def __call__(self, line: Line) -> list[Shaped]:
        def id_of(sub: int) -> str:
            return Coordinate(self._origin.identity, line.offset, sub + line.more).text

        try:
            return [
                Shaped(_encode(event), event)
                for event in self._lines.events(line.data, self._origin.path, id_of)
            ]
        except Invalid as error:
            raise Invalid(
                "ingest.line_invalid", path=self._origin.path, offset=line.offset,
                reason=error.details.get("reason", str(error)),
            ) from error  # fmt: skip


class _Plain:
    """Lines without any structure; their time is the time of reading."""

    def __init__(self, event_type: str, clock: Clock) -> None:
        self._event_type = event_type
        self._clock = clock

    def parse(self, text: str) -> list[dict[str, Any]]:
        """The event of a line, none of a blank one."""
        if not text or text.isspace():
            return []
        return [{"eventType": self._event_type, "timestamp": self._clock.now_ms(), "message": text}]


def _year_of(options: FileOptions, origin: Origin, clock: Clock) -> YearOf:
    if options.year is not None:
        return RunningYear(options.year)
    if options.mode == "batch":
        return latest_year(origin.changed_ms)
    return CurrentYear(clock)
