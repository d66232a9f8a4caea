"""Time as an argument. Only this file reads the machine's clocks."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a room may know of time."""

    def now_ms(self) -> int:
        """Wall-clock time, milliseconds since 1970 UTC."""
        ...

    def monotonic_ms(self) -> float:
        """Time that never goes back, milliseconds from an arbitrary start."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6


class ManualClock:
    """A clock that moves only when told to, for tests and replays."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._start_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> float:
        return float(self._now_ms - self._start_ms)

    def advance(self, ms: int) -> None:
        """Move time forward by `ms` milliseconds."""
        if ms < 0:
            raise ValueError("time does not go back")
        self._now_ms += ms
