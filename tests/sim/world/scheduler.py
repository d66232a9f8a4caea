"""Simulated time: what happens next, and nothing in between.

Everything of a simulation is an event of one `World`: turns of event loops, steps of threads,
bytes that arrive, faults. Time jumps from one event to the next. Chance comes from streams that
are drawn from the seed by name, so that one part's draws do not move another's. The trace is a
checksum over all that happened, in order: equal seeds must give equal traces.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from summit.base.rand import Rand

if TYPE_CHECKING:
    from tests.sim.world.threads import SimThread

START_MS = 1_700_000_000_000
_TRACE_TAIL = 4_000  # lines kept to be shown with a failure


class Violation(AssertionError):
    """The broker has broken a promise, or the simulation found that it hangs or crashed."""


class World:
    """One simulated universe.

    Attributes:
        now_us: Simulated time, microseconds since the start.
        running: The thread whose step runs; None while a loop's turn or anything else does.
        wall_skew_ms: What the wall clock is off by; it may go back, the monotonic one does not.
    """

    def __init__(self, seed: int, *, show: bool = False) -> None:
        self.seed = seed
        self.now_us = 0
        self.wall_skew_ms = 0
        self.running: SimThread | None = None
        self.event_count = 0
        self.trace = 0
        self.tail: deque[str] = deque(maxlen=_TRACE_TAIL)
        self._show = show
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0

    # ---- chance ----

    def chance(self, name: str) -> random.Random:
        """A stream of chance of its own."""
        return random.Random(f"{self.seed}/{name}")

    def rand(self, name: str) -> Rand:
        """The same as the product wants it."""
        return Rand(f"{self.seed}/{name}")

    # ---- time ----

    def after(self, delay_us: float, act: Callable[..., None], *args: Any) -> None:
        """Let something happen `delay_us` from now; ties in the order of the calls."""
        self._number += 1
        due_us = self.now_us + max(0, int(delay_us))
        heapq.heappush(self._events, (due_us, self._number, act, args))

    def step(self) -> bool:
        """Let the next event happen. Returns: whether there was one."""
        if not self._events:
            return False
        due_us, _, act, args = heapq.heappop(self._events)
        self.now_us = max(self.now_us, due_us)
        self.event_count += 1
        act(*args)
        return True

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Go on until a condition holds. Returns: False if time ran out or nothing was left."""
        limit_us = self.now_us + int(limit_s * 1e6)
        while not until():
            if self.now_us > limit_us or not self.step():
                return False
        return True

    # ---- the trace ----

    def note(self, what: str) -> None:
        """Add to the trace."""
        self.trace = zlib.crc32(f"{self.now_us} {what}".encode(), self.trace)
        line = f"{self.now_us / 1e6:10.6f} {what}"
        self.tail.append(line)
        if self._show:
            print(line)


class SimClock:
    """A machine's clocks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ms(self) -> int:
        return START_MS + self._world.now_us // 1000 + self._world.wall_skew_ms

    def monotonic_ms(self) -> float:
        return self._world.now_us / 1000
