"""Syslog messages into events, of the same shape as lines of a file with `format: syslog`.

{"eventId": "web:18c3…:7.0", "eventType": "syslog.message", "timestamp": …, "source": "192.0.2.7",
 "facility": "auth", "level": "crit", "severity": "critical", "host": "web1", "program": "sshd",
 "pid": 811, "message": "…", "raw": "<34>…"}

`source` is the address it came from, `host` what the message says. What names no time came now.
"""

from __future__ import annotations

from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.events.formats import parse_syslog
from summit.events.formats.syslog import LINE
from summit.ingest.log_lines import CurrentYear, LogLines
from summit.ingest.syslog.settings import SyslogOptions


class SyslogMessages:
    """Reads the messages of one run of a collector.

    Args:
        name: The collector's; event ids begin with it and the time of the start.
    """

    def __init__(self, options: SyslogOptions, name: str, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._year_of = CurrentYear(clock)
        self._lines = LogLines(self._parse, with_raw=True)
        self._prefix = f"{name}:{clock.now_ms():x}"
        self._count = 0

    def events(self, data: bytes, source: str) -> list[dict[str, Any]]:
        """The events of a message. Raises Invalid("syslog.malformed")."""
        self._count += 1
        number = self._count
        return list(self._lines.events(data, source, lambda sub: f"{self._prefix}:{number}.{sub}"))

    def _parse(self, text: str) -> list[dict[str, Any]]:
        zone = self._options.utc_offset_minutes
        events = parse_syslog(text, self._year_of, utc_offset_minutes=zone, is_timed=False)
        for event in events:
            if event["eventType"] == LINE and self._options.malformed == "deadLetter":
                raise Invalid("syslog.malformed", begins=text[:40])
            event.setdefault("timestamp", self._clock.now_ms())
        return events
