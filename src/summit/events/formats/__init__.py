"""Lines of text to events: syslog, OpenSSH, JSON lines. Pure functions, no files."""

from __future__ import annotations

from summit.events.formats.calendar import RunningYear, YearOf, latest_year
from summit.events.formats.jsonl import parse_json_line
from summit.events.formats.lines import LineParser, TextFormat
from summit.events.formats.sshd import parse_sshd
from summit.events.formats.syslog import parse_syslog

__all__ = [
    "LineParser",
    "RunningYear",
    "TextFormat",
    "YearOf",
    "latest_year",
    "parse_json_line",
    "parse_sshd",
    "parse_syslog",
]
