"""Syslog lines to events: RFC 3164 (also as files hold it), RFC 5424, and RFC 3339 times.

    Mar  7 04:05:06 web1 sshd[811]: Connection closed by 192.0.2.7
    <38>Mar  7 04:05:06 web1 sshd[811]: …
    2024-03-07T04:05:06.123456+01:00 web1 sshd[811]: …
    <165>1 2024-03-07T04:05:06.003Z web1 app 811 ID47 [origin ip="192.0.2.1"] …

Members of the event: `eventType` (`syslog.message`), `timestamp`, `host`, `program`, `module`,
`pid`, `message`, and with a priority `facility`, `level`, `severity`. A line that is none of these
becomes `log.line` with the whole line as its message. Nothing of a line is dropped.
"""

from __future__ import annotations

import re
from typing import Any, Final

from summit.base import limits
from summit.events.formats.calendar import MONTHS, YearOf, day_start_ms
from summit.events.times import epoch_ms

MESSAGE: Final = "syslog.message"
REPEATED: Final = "syslog.repeated"
LINE: Final = "log.line"

FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
)  # fmt: skip
LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_SEVERITY_OF_LEVEL: Final = (
    "critical", "critical", "critical", "high", "medium", "low", "info", "info",
)  # fmt: skip

_PRIORITY: Final = re.compile(r"<(\d{1,3})>", re.ASCII)
_OLD_TIME: Final = re.compile(
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([ \d]?\d) (?:(\d{4}) )?"
    r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? ",
    re.ASCII,
)
_NEW_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\S{9,32}) ", re.ASCII)
_HOST: Final = re.compile(r"(\S+) ")
_TAG: Final = re.compile(r"([^\s:\[\]()]{1,64})(?:\(([^)\s]{0,64})\))?(?:\[(\d{1,10})\])?:(?: |$)")
_RFC5424: Final = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) (.*)", re.DOTALL)
_NEARLY_NEW: Final = re.compile(r"1 (?:-|\d{4}-\d\d-\S*) ", re.ASCII)
_PARAMETER: Final = re.compile(r' ([^\s="\]]+)="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ELEMENT_ID: Final = re.compile(r"\[([^\s=\]\"]+)")
_ESCAPED: Final = re.compile(r'\\(["\\\]])')
_REPEATED: Final = re.compile(
    r"message repeated (\d{1,9}) times: \[ ?(.*?)\]?", re.ASCII | re.DOTALL
)
_LAST_REPEATED: Final = re.compile(r"last message repeated (\d{1,9}) times?", re.ASCII)


def parse_syslog(
    line: str, year_of: YearOf, *, utc_offset_minutes: int = 0, is_timed: bool = True
) -> list[dict[str, Any]]:
    """The events of one line, without `timestamp` when the line has no time.

    One line is one event, but `message repeated N times: [ … ]` stands for N events (`repeat`
    counts them from 1), up to `REPEATED_EVENTS_MAX`; the last one then says in `repeatsLeftOut`
    how many are missing.

    Args:
        line: Without its newline.
        year_of: Gives the year of a month and day; see `calendar`.
        utc_offset_minutes: The zone of times that name none.
        is_timed: Whether a line needs a time; False: what has a priority and no time is a message,
            as senders of the network make them (RFC 3164, section 4.3.2).

    Cost: linear in the line's length, whatever it holds, and in N.
    """
    event = _parse_one(line, year_of, utc_offset_minutes, is_timed)
    message: str = event["message"]
    if message.startswith("message repeated"):
        repeated = _REPEATED.fullmatch(message)
        if repeated is not None:
            event["message"] = repeated[2]
            return _repeats(event, int(repeated[1]))
    return [event]


def _parse_one(
    line: str, year_of: YearOf, utc_offset_minutes: int, is_timed: bool
) -> dict[str, Any]:
    event: dict[str, Any] = {"eventType": MESSAGE}
    start = _read_priority(line, event)
    if start:
        modern = _RFC5424.fullmatch(line, start)
        if modern is not None and _read_rfc5424(modern, event):
            return event
    at = _read_time(line, start, event, year_of, utc_offset_minutes)
    if at < 0 and start and not is_timed and _NEARLY_NEW.match(line, start) is None:
        _read_content(line, start, event)
        return event
    if at < 0:
        return {**event, "eventType": LINE, "message": line}
    _read_rest(line, at, event)
    return event


def _repeats(event: dict[str, Any], count: int) -> list[dict[str, Any]]:
    shown = min(max(count, 1), limits.REPEATED_EVENTS_MAX)
    events = [{**event, "repeat": number} for number in range(1, shown + 1)]
    if count > shown:
        events[-1]["repeatsLeftOut"] = count - shown
    return events


def _read_priority(line: str, event: dict[str, Any]) -> int:
    found = _PRIORITY.match(line)
    if found is None or int(found[1]) >= len(FACILITIES) * 8:
        return 0
    facility, level = divmod(int(found[1]), 8)
    event["facility"] = FACILITIES[facility]
    event["level"] = LEVELS[level]
    event["severity"] = _SEVERITY_OF_LEVEL[level]
    return found.end()


def _read_time(
    line: str, start: int, event: dict[str, Any], year_of: YearOf, utc_offset_minutes: int
) -> int:
    """Read the time; the position behind it, or -1 when there is none."""
    old = _OLD_TIME.match(line, start)
    if old is None:
        new = _NEW_TIME.match(line, start)
        found = epoch_ms(new[1]) if new is not None else None
        if new is None or found is None:
            return -1
        event["timestamp"] = found
        return new.end()
    month, day = MONTHS[old[1]], int(old[2])
    day_ms = day_start_ms(int(old[3]) if old[3] else year_of(month, day), month, day)
    hour, minute, second = int(old[4]), int(old[5]), int(old[6])
    if day_ms is None or hour > 23 or minute > 59 or second > 60:
        return -1
    fraction = int(old[7][:3].ljust(3, "0")) if old[7] else 0
    seconds = (hour * 60 + minute - utc_offset_minutes) * 60 + second
    event["timestamp"] = day_ms + seconds * 1_000 + fraction
    return old.end()


def _read_rest(line: str, start: int, event: dict[str, Any]) -> None:
    """Host, program and message."""
    host = _HOST.match(line, start)
    if host is not None and not host[1].endswith(":"):
        event["host"] = host[1]
        start = host.end()
    _read_content(line, start, event)


def _read_content(line: str, start: int, event: dict[str, Any]) -> None:
    """Program and message."""
    tag = _TAG.match(line, start)
    if tag is not None:
        event["program"] = tag[1]
        if tag[2]:
            event["module"] = tag[2]
        if tag[3]:
            event["pid"] = int(tag[3])
        start = tag.end()
    event["message"] = line[start:]
    if tag is None:
        repeated = _LAST_REPEATED.fullmatch(event["message"])
        if repeated is not None:
            event["eventType"] = REPEATED
            event["count"] = int(repeated[1])


def _read_rfc5424(found: re.Match[str], event: dict[str, Any]) -> bool:
    time, host, program, process, message_id, rest = found.groups()
    if time != "-":
        at = epoch_ms(time)
        if at is None:
            return False
        event["timestamp"] = at
    structured, message = _structured_data(rest)
    if structured is None:
        return False
    for name, value in (("host", host), ("program", program), ("messageId", message_id)):
        if value != "-":
            event[name] = value
    if process != "-":
        numeric = process.isascii() and process.isdigit() and len(process) <= 10
        event["pid"] = int(process) if numeric else process
    if structured:
        event["structuredData"] = structured
    event["message"] = message.removeprefix("\ufeff")
    return True


def _structured_data(text: str) -> tuple[dict[str, dict[str, str]] | None, str]:
    """The elements at the beginning of the text, and the message behind them."""
    if text == "-" or text.startswith("- "):
        return {}, text[2:]
    elements: dict[str, dict[str, str]] = {}
    position = 0
    while text.startswith("[", position):
        head = _ELEMENT_ID.match(text, position)
        if head is None:
            return None, ""
        members = elements.setdefault(head[1], {})
        position = head.end()
        while (parameter := _PARAMETER.match(text, position)) is not None:
            members[parameter[1]] = _ESCAPED.sub(r"\1", parameter[2])
            position = parameter.end()
        if not text.startswith("]", position):
            return None, ""
        position += 1
    if not elements or text[position : position + 1] not in ("", " "):
        return None, ""
    return elements, text[position + 1 :]
