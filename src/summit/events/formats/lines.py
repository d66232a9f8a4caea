"""Lines of one source, in order, to complete events."""

from __future__ import annotations

from typing import Any, Literal

from summit.events.formats.calendar import YearOf
from summit.events.formats.sshd import parse_sshd
from summit.events.formats.syslog import LINE, parse_syslog

TextFormat = Literal["line", "syslog", "sshd"]


class LineParser:
    """Gives every line's events a type, a time and a message.

    A line without a time gets the time of the line before it (`start_ms` when there is none), not
    the reader's: a stray line of an old file must not move event time to today.

    Args:
        year_of: Gives the year of a month and day; see `calendar`.
        start_ms: The time of lines before the first one with a time of its own.
        event_type: The type of lines that the format does not know, and of format `line`.
    """

    def __init__(
        self,
        text_format: TextFormat,
        year_of: YearOf,
        *,
        start_ms: int,
        utc_offset_minutes: int = 0,
        event_type: str = LINE,
    ) -> None:
        self._format = text_format
        self._year_of = year_of
        self._last_ms = start_ms
        self._utc_offset_minutes = utc_offset_minutes
        self._event_type = event_type

    def parse(self, line: str) -> list[dict[str, Any]]:
        """The events of one line, at least one; none for a blank line."""
        text = line.rstrip("\r\n")
        if not text or text.isspace():
            return []
        events = self._events(text)
        for event in events:
            if event["eventType"] == LINE:
                event["eventType"] = self._event_type
            self._last_ms = event.setdefault("timestamp", self._last_ms)
        return events

    def _events(self, text: str) -> list[dict[str, Any]]:
        zone = self._utc_offset_minutes
        if self._format == "sshd":
            return parse_sshd(text, self._year_of, utc_offset_minutes=zone)
        if self._format == "syslog":
            return parse_syslog(text, self._year_of, utc_offset_minutes=zone)
        return [{"eventType": LINE, "message": text}]
