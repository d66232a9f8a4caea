"""What a worker counts, and rates over a sliding window."""

from __future__ import annotations

from collections import deque
from typing import Any

from summit.base.clock import Clock
from summit.base.limits import RATE_WINDOW_MS


class WorkerMetrics:
    """Counters since the worker was started.

    Attributes:
        events: Records processed.
        restored_records: Read from the state's changelog.
        restarts: How often everything was begun anew from what was committed.
        state_bytes: Written to the state's changelog.
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
        self.restored_records = 0
        self.restarts = 0
        self.state_bytes = 0
        self._restoring = (0, 0)
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

    def restoring(self, done: int, total: int) -> None:
        """So many offsets of the changelog are read, of so many."""
        self._restoring = (done, total)

    def restore_progress(self) -> float:
        """The part of the last restoring that is done, 0 to 1."""
        done, total = self._restoring
        return 1.0 if done >= total else round(done / total, 3)

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
            "restoredRecords": self.restored_records,
            "restoring": self.restore_progress(),
            "restarts": self.restarts,
            "stateBytesPerEvent": round(self.state_bytes / self.events, 1) if self.events else 0.0,
            "undeliverable": self.undeliverable,
            "lag": self.lag,
        }
