"""Plays a scenario into a running system: a growing sshd log, and events over HTTP.

Runs on a thread of its own, paced by the wall clock; event time runs faster than that. Within a
channel, items leave in order, one request at a time, so each key's events stay in order.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from summit.base.clock import Clock
from summit.cli.demo.traffic import LOGINS, SSH, WEB, Item, Scenario
from summit.cli.rest import Rest

_TICK_MS = 50
_ITEMS_MAX = 5_000  # at a time: a request of the collector holds twice as many


class Feeder:
    """Feeds one scenario after the other.

    Args:
        log_path: The sshd log to append to.
        urls: For each HTTP channel the collector's address.
        clock: For the pace.
    """

    def __init__(self, log_path: Path, urls: dict[str, tuple[str, str]], clock: Clock) -> None:
        self._log_path = log_path
        self._rest = {channel: (Rest(url), path) for channel, (url, path) in urls.items()}
        self._clock = clock
        self._stop = threading.Event()
        self.sent = {SSH: 0, LOGINS: 0, WEB: 0}
        self.log_bytes = 0
        self.error: Exception | None = None

    @property
    def events(self) -> int:
        """Lines and events handed over so far."""
        return sum(self.sent.values())

    def stop(self) -> None:
        """End the playing at the next tick."""
        self._stop.set()

    def play(self, scenario: Scenario, seconds: float) -> None:
        """Play `scenario` within about `seconds` of wall time; stores what fails in `error`."""
        items = scenario.items
        start_ms = self._clock.monotonic_ms()
        sent = 0
        try:
            with self._log_path.open("ab", buffering=0) as log:
                while sent < len(items) and not self._stop.is_set():
                    share = (self._clock.monotonic_ms() - start_ms) / (seconds * 1000)
                    due = min(len(items), int(len(items) * share) + 1, sent + _ITEMS_MAX)
                    if due > sent:
                        self._send(items[sent:due], log)
                        sent = due
                    self._stop.wait(_TICK_MS / 1000)
        except Exception as error:  # noqa: BLE001 - told to the thread that waits for this one
            self.error = error
        finally:
            for rest, _ in self._rest.values():
                rest.close()

    def _send(self, items: list[Item], log: object) -> None:
        lines = [item.payload for item in items if item.channel == SSH]
        if lines:
            text = ("\n".join(lines) + "\n").encode()
            log.write(text)  # type: ignore[attr-defined]
            self.log_bytes += len(text)
            self.sent[SSH] += len(lines)
        for channel, (rest, path) in self._rest.items():
            events = [item.payload for item in items if item.channel == channel]
            if events:
                rest.post_lines(path, b"\n".join(map(msgspec.json.encode, events)))
                self.sent[channel] += len(events)
