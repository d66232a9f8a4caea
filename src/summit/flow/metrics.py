"""What a worker counts, and rates over a sliding window."""

from __future__ import annotations

from collections import deque
from typing import Any

from summit.base.clock import Clock
from summit.base.limits import RATE_WINDOW_MS


class WorkerMetrics:
    """Counters since the worker was started.

    Attributes:
        events: Records processed; those read again after a restart not.
        matches, alerts: Found; acknowledged by the broker.
        rejected: Records put into dead letters, by error code.
        skipped: Records counted only (no type, no key, deletions), by error code.
        lag: Records behind the end, as last looked at.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque([(clock.monotonic_ms(), 0)])
        self.events = 0
        self.matches = 0
        self.alerts = 0
        self.commits = 0
        self.read_back = 0
        self.undeliverable = 0
        self.lag = 0
        self.rejected: dict[str, int] = {}
        self.skipped: dict[str, int] = {}

    def count_events(self, count: int) -> None:
        """So many records more were processed."""
        self.events += count
        now = self._clock.monotonic_ms()
        if now - self._samples[-1][0] >= RATE_WINDOW_MS / 20:
            self._samples.append((now, self.events))
            while now - self._samples[0][0] > RATE_WINDOW_MS:
                self._samples.popleft()

    def events_per_s(self) -> float:
        """Events per second over the last seconds, whenever it is asked."""
        now = self._clock.monotonic_ms()
        recent = [sample for sample in self._samples if now - sample[0] <= RATE_WINDOW_MS]
        if not recent:
            return 0.0
        elapsed_ms = now - recent[0][0]
        return 1000 * (self.events - recent[0][1]) / elapsed_ms if elapsed_ms > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """By the names of the wire."""
        return {
            "events": self.events,
            "eventsPerSec": round(self.events_per_s(), 1),
            "matches": self.matches,
            "alerts": self.alerts,
            "rejected": sum(self.rejected.values()),
            "rejectedByReason": dict(self.rejected),
            "skipped": sum(self.skipped.values()),
            "skippedByReason": dict(self.skipped),
            "commits": self.commits,
            "readBack": self.read_back,
            "undeliverable": self.undeliverable,
            "lag": self.lag,
        }
