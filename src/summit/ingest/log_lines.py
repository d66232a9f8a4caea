"""Lines of logs into events: what the collectors of files and of syslog have in common.

    {"eventId", "eventType", "timestamp", "source", …what the line says…, "raw"}

Where a line is not UTF-8, its text has replacement characters and `rawBase64` holds its bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from summit.base.clock import Clock
from summit.events.formats import YearOf, latest_year

_DAY_MS: Final = 86_400_000


class LogLines:
    """Makes the events of lines.

    Args:
        parse: The members of a line's events, from its text.
        with_raw: Whether events have the whole line as `raw`.
    """

    def __init__(self, parse: Callable[[str], list[dict[str, Any]]], *, with_raw: bool) -> None:
        self._parse = parse
        self._with_raw = with_raw

    def events(
        self, data: bytes, source: str, id_of: Callable[[int], str]
    ) -> Iterator[dict[str, Any]]:
        """The events of a line; `id_of` names each by its place among them."""
        lossless = True
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text, lossless = data.decode(errors="replace"), False
        for sub, parsed in enumerate(self._parse(text)):
            event = {
                "eventId": id_of(sub), "eventType": "", "timestamp": 0, "source": source, **parsed,
            }  # fmt: skip
            if self._with_raw:
                event["raw"] = text
            if not lossless:
                event["rawBase64"] = base64.b64encode(data).decode()
            yield event


class CurrentYear:
    """The year of lines that are written now, also after New Year's Eve."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day = -1
        self._year_of: YearOf = latest_year(0)

    def __call__(self, month: int, day: int) -> int:
        now_ms = self._clock.now_ms()
        if now_ms // _DAY_MS != self._day:
            self._day = now_ms // _DAY_MS
            self._year_of = latest_year(now_ms)
        return self._year_of(month, day)
