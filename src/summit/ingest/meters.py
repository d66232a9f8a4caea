"""How fast something goes: a count per second over the last ten seconds."""

from __future__ import annotations

from collections import deque
from typing import Final

from summit.base.clock import Clock

SPAN_S: Final = 10


class Meter:
    """Counts in buckets of one second; what is older than `SPAN_S` is forgotten."""

    __slots__ = ("_buckets", "_clock", "_since_ms", "total")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: deque[list[int]] = deque()
        self._since_ms = clock.monotonic_ms()
        self.total = 0

    def add(self, count: int) -> None:
        """Count `count` more."""
        self.total += count
        second = int(self._clock.monotonic_ms()) // 1000
        if self._buckets and self._buckets[-1][0] == second:
            self._buckets[-1][1] += count
            return
        self._buckets.append([second, count])
        self._forget(second)

    def per_s(self) -> float:
        """The mean of the last ten seconds, or of the time since it began where that is less."""
        now_ms = self._clock.monotonic_ms()
        self._forget(int(now_ms) // 1000)
        span_s = min(float(SPAN_S), max(1.0, (now_ms - self._since_ms) / 1000))
        return sum(count for _, count in self._buckets) / span_s

    def _forget(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - SPAN_S:
            self._buckets.popleft()
