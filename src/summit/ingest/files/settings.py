"""Options of file collectors."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from summit.base import limits
from summit.base.config import Config
from summit.base.errors import Invalid
from summit.events.regexes import compile_regex
from summit.ingest.checks import at_least, bad_setting

ColumnType = Literal["string", "int", "float", "boolean", "json"]

_LINES: Final = ("line", "jsonl", "regex")  # formats whose events may have several lines
_FIELDS: Final = ("csv", "regex")  # formats that give names to parts of a line


class Multiline(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines belong together; one of `start` and `more` is named.

    Attributes:
        start: A regular expression that is found in the first line of an event.
        more: One that is found in every further line.
        max_lines: A longer event is ended.
        timeout_ms: Mode tail: how long an event waits for a further line.
    """

    start: str | None = None
    more: str | None = None
    max_lines: int = 500
    timeout_ms: int = 1_000

    def check(self) -> None:
        if (self.start is None) == (self.more is None):
            raise bad_setting("/start", "multiline names start or more, one of them")
        at_least(self, 2, "max_lines")
        at_least(self, 10, "timeout_ms")
        for name in ("start", "more"):
            if (pattern := getattr(self, name)) is not None:
                _check_regex(pattern, f"/{name}")


class FileOptions(Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a file collector.

    Attributes:
        paths: Files or glob patterns, beside the collector's `path`; `-` is standard input.
        exclude: Glob patterns of files to leave out.
        mode: `batch` reads what is there and completes; `tail` follows what is appended.
        format: How a line becomes an event; `parquet`: a row does.
        compression: `auto`: by the ends .gz, .bz2 and .zst of the name.
        max_unfolded_bytes: What one compressed file may unfold to.
        multiline: Which lines belong together.
        pattern: regex: one with named groups, `(?P<user>\\w+)`, which become fields.
        columns: csv: the names of the columns; default the first line of each file.
        delimiter, quote: csv: single characters.
        types: csv, regex: what fields become that are not to stay text.
        time_field: csv, regex: the field with the event's time, RFC 3339 or milliseconds since
            1970.
        event_type: The `eventType` of lines whose format gives them none.
        year: The year of the first line, for times that name none. Default: the latest year that
            is not after the file's last change (mode tail: not after today).
        utc_offset_minutes: The zone of times that name none.
        poll_interval_ms: How often `tail` looks for new data and new files.
        rotate_wait_ms: How long a file that was renamed or removed is still read after its
            last change.
        max_line_bytes: A longer line goes to the dead letters.
        spread: Records go to any partition, by their key, instead of one partition per file.
        after: What becomes of a file when all of it is written.
        move_to: The directory for `after: move`.
        done_after_ms: Mode tail, for `after`: a file that was not changed for so long is complete.
    """

    paths: list[str] = msgspec.field(default_factory=list)
    exclude: list[str] = msgspec.field(default_factory=list)
    mode: Literal["batch", "tail"] = "tail"
    format: Literal["line", "jsonl", "syslog", "sshd", "csv", "regex", "parquet"] = "line"
    compression: Literal["auto", "none", "gzip", "bzip2", "zstd"] = "auto"
    max_unfolded_bytes: int = limits.FILE_UNFOLDED_BYTES_MAX
    multiline: Multiline | None = None
    pattern: str | None = None
    columns: list[str] = msgspec.field(default_factory=list)
    delimiter: str = ","
    quote: str = '"'
    types: dict[str, ColumnType] = msgspec.field(default_factory=dict)
    time_field: str | None = None
    event_type: str = "log.line"
    year: int | None = None
    utc_offset_minutes: int = 0
    poll_interval_ms: int = limits.FILE_POLL_INTERVAL_MS
    rotate_wait_ms: int = limits.FILE_ROTATE_WAIT_MS
    max_line_bytes: int = limits.FILE_LINE_BYTES_MAX
    spread: bool = False
    after: Literal["keep", "move", "delete"] = "keep"
    move_to: str | None = None
    done_after_ms: int = limits.FILE_DONE_AFTER_MS

    def check(self) -> None:
        at_least(self, 10, "poll_interval_ms")
        at_least(self, 0, "rotate_wait_ms", "done_after_ms")
        at_least(self, 16, "max_line_bytes")
        at_least(self, 1, "max_unfolded_bytes")
        if self.year is not None and not 1970 <= self.year <= 9998:
            raise bad_setting("/year", "year goes from 1970 to 9998")
        if abs(self.utc_offset_minutes) >= 24 * 60:
            raise bad_setting("/utcOffsetMinutes", "utcOffsetMinutes is less than a day")
        if (self.after == "move") != (self.move_to is not None):
            raise bad_setting("/moveTo", "moveTo goes with after: move")
        if self.multiline is not None and self.format not in _LINES:
            raise bad_setting("/multiline", f"multiline goes with format {', '.join(_LINES)}")
        self._check_format()

    def _check_format(self) -> None:
        if (self.format == "regex") != (self.pattern is not None):
            raise bad_setting("/pattern", "pattern goes with format: regex")
        if self.pattern is not None and not _check_regex(self.pattern, "/pattern").groupindex:
            raise bad_setting("/pattern", "pattern needs named groups, (?P<user>[a-z]+)")
        if self.format != "csv" and (self.columns or self.delimiter != "," or self.quote != '"'):
            raise bad_setting("/columns", "columns, delimiter and quote go with format: csv")
        if self.format not in _FIELDS and (self.types or self.time_field is not None):
            raise bad_setting("/types", "types and timeField go with format csv or regex")
        for name in ("delimiter", "quote"):
            if len(getattr(self, name)) != 1 or getattr(self, name) in "\r\n":
                raise bad_setting(f"/{name}", f"{name} is a single character")
        if len(set(self.columns)) != len(self.columns):
            raise bad_setting("/columns", "a column is named twice")
        if self.format == "parquet" and self.compression not in ("auto", "none"):
            raise bad_setting("/compression", "a Parquet file has compression of its own")


def _check_regex(pattern: str, pointer: str) -> Any:
    try:
        return compile_regex(pattern)
    except Invalid as error:
        error.details.setdefault("pointer", pointer)
        raise
