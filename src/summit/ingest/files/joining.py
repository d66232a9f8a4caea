"""Lines that belong together, as one line: stack traces, quoted fields over several lines.

A joined line begins where its first line does. Which of its lines it had is told by its `sub` (the
number of further lines), so that after a restart an event that a time-out had ended is ended there
again, and what came after it is an event of its own, as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from summit.base.limits import FILE_DEAD_LETTER_BYTES
from summit.events.regexes import compile_regex
from summit.ingest.files.lines import Line
from summit.ingest.files.settings import FileOptions

# Whether a line begins an event, given the line, the one before it, and how many the event has.
Begins = Callable[[bytes, bytes, int], bool]


class Joiner:
    """Joins the lines of one file, given in order.

    Args:
        begins: What ends an event.
        max_lines, max_bytes: A longer event is ended; what is over-long is cut, as a line is.
        known: Further lines of events that are in the log already, by their first byte.
        timeout_ms: How long an event waits for a further line; None: until the end.
    """

    def __init__(
        self,
        begins: Begins,
        *,
        max_lines: int,
        max_bytes: int,
        known: Mapping[int, int],
        timeout_ms: int | None,
    ) -> None:
        self._begins = begins
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._known = known
        self._timeout_ms = timeout_ms
        self._open: list[Line] = []
        self._bytes = 0
        self._since_ms = 0.0

    def join(self, lines: list[Line], now_ms: float, *, final: bool) -> list[Line]:
        """The events that are complete now."""
        joined: list[Line] = []
        for line in lines:
            if self._open and self._is_complete(line):
                joined.append(self._take())
            self._open.append(line)
            self._bytes += line.size_bytes + 1
        if lines:
            self._since_ms = now_ms
        waited = self._timeout_ms is not None and now_ms - self._since_ms >= self._timeout_ms
        if self._open and (final or waited):
            joined.append(self._take())
        return joined

    def _is_complete(self, line: Line) -> bool:
        first = self._open[0].offset
        count = len(self._open)
        if (known := self._known.get(first)) is not None:
            return count > known
        if count >= self._max_lines or self._bytes > self._max_bytes:
            return True
        return self._begins(line.data, self._open[-1].data, count)

    def _take(self) -> Line:
        lines, self._open = self._open, []
        size_bytes, self._bytes = self._bytes - 1, 0
        if len(lines) == 1:
            return lines[0]
        data = b"\n".join([line.data for line in lines])
        if size_bytes > self._max_bytes:
            data = data[:FILE_DEAD_LETTER_BYTES]
        return Line(lines[0].offset, lines[-1].end, data, size_bytes, len(lines) - 1)


def make_joiner(options: FileOptions, known: Mapping[int, int]) -> Joiner | None:
    """The joiner of a file; None where every line stands alone."""
    most = options.max_line_bytes
    if options.format == "csv":
        return Joiner(
            _Quotes(options.quote), max_lines=10_000, max_bytes=most, known={}, timeout_ms=None
        )
    rule = options.multiline
    if rule is None:
        return None
    return Joiner(
        _rule(rule.start, rule.more), max_lines=rule.max_lines, max_bytes=most, known=known,
        timeout_ms=rule.timeout_ms if options.mode == "tail" else None,
    )  # fmt: skip


def _rule(start: str | None, more: str | None) -> Begins:
    regex: Any = compile_regex(start or more or "")

    def begins(line: bytes, _: bytes, __: int) -> bool:
        found = regex.search(line.decode(errors="replace")) is not None
        return found if start is not None else not found

    return begins


class _Quotes:
    """A record of CSV goes on while a quote is open."""

    def __init__(self, quote: str) -> None:
        self._quote = quote.encode()
        self._is_open = False

    def __call__(self, line: bytes, before: bytes, count: int) -> bool:
        if count == 1:
            self._is_open = False
        if before.count(self._quote) % 2:
            self._is_open = not self._is_open
        return not self._is_open
