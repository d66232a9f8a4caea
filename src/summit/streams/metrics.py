"""Figures of one process of an app."""

from __future__ import annotations

from collections import deque
from typing import Any

from summit.base.clock import Clock
from summit.base.limits import RATE_WINDOW_MS


class StreamFigures:
    """Counters since the start.

    Attributes:
        unreadable: Records that went to dead letters.
        restarts: How often what was not committed was dropped.
        lag: Records that are there and not processed yet, as last looked at.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_ms = clock.monotonic_ms()
        self._samples: deque[tuple[float, int]] = deque()
        self.records = 0
        self.outputs = 0
        self.commits = 0
        self.unreadable = 0
        self.restarts = 0
        self.lag = 0
        self.state_bytes = 0
        self.restored_records = 0

    def count(self, records: int) -> None:
        """So many records were processed."""
        if not records:
            return
        now_ms = self._clock.monotonic_ms()
        self.records += records
        self._samples.append((now_ms, records))
        while self._samples and now_ms - self._samples[0][0] > RATE_WINDOW_MS:
            self._samples.popleft()

    def committed(self, outputs: int, state_bytes: int) -> None:
        """A transaction is committed."""
        self.commits += 1
        self.outputs += outputs
        self.state_bytes += state_bytes

    def restoring(self, records: int, total: int) -> None:
        """Records of the changelog were read, of at most so many."""
        del total
        self.restored_records += records

    def records_per_s(self) -> float:
        """Records per second over the last seconds."""
        now_ms = self._clock.monotonic_ms()
        recent = [count for at, count in self._samples if now_ms - at <= RATE_WINDOW_MS]
        span_ms = max(1.0, min(RATE_WINDOW_MS, now_ms - self._started_ms))
        return round(1000 * sum(recent) / span_ms, 1)

    def as_dict(self) -> dict[str, Any]:
        """By the names of the wire."""
        return {
            "records": self.records,
            "recordsPerSecond": self.records_per_s(),
            "outputs": self.outputs,
            "commits": self.commits,
            "unreadable": self.unreadable,
            "restarts": self.restarts,
            "lag": self.lag,
            "stateBytes": self.state_bytes,
            "restoredRecords": self.restored_records,
        }
