"""How far time has come: per partition, and over those that some rules read.

W_p is the largest event time of a partition minus its delay: a pure function of the log. F, the
frontier, is the smallest W_p of the partitions that are read. A partition that is silent does not
hold F back for ever: the clock may say that time has come further there (`rest`), and one that is
idle counts only when all are. Neither changes its W_p.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

Place = tuple[str, int]

BEFORE_ALL_MS: Final = -(1 << 62)
_BEFORE: Final = float("-inf")
_NEVER: Final = float("inf")


class _Reach:
    """How far one partition has come.

    Attributes:
        reached: Its largest event time.
        clock_ms: How far time has come by the clock, without the delay; while it is silent.
    """

    __slots__ = ("clock_ms", "delay_ms", "is_idle", "reached")

    def __init__(self) -> None:
        self.reached = BEFORE_ALL_MS
        self.delay_ms = 0
        self.clock_ms = _BEFORE
        self.is_idle = False

    def by_events(self) -> float:
        """W_p."""
        return _BEFORE if self.reached == BEFORE_ALL_MS else self.reached - self.delay_ms

    def by_clock(self) -> float:
        """W_p, or what the clock says where that is more."""
        events = self.by_events()
        return events if events == _BEFORE else max(events, self.clock_ms - self.delay_ms)


class Frontier:
    """Largest event time per partition.

    F may fall when a partition is read for the first time or speaks again: its events are as old
    as they are.

    Attributes:
        partitions: The partitions that are read.
        changes: Grows when `partitions` gets others.
    """

    def __init__(self) -> None:
        self.partitions: dict[Place, _Reach] = {}
        self.changes = 0

    @property
    def now(self) -> float:
        """F by events alone; idle partitions do not count. Minus infinity while nothing is read."""
        return self.others(None, default=_BEFORE)

    def others(self, place: Place | None, *, default: float = _NEVER) -> float:
        """F by events alone without a partition; `default` when no other one counts."""
        counted = (
            reach.by_events()
            for other, reach in self.partitions.items()
            if other != place and not reach.is_idle
        )
        return min(counted, default=default)

    def open(self, place: Place, delay_ms: int) -> None:
        """Begin to read a partition, or go on with another delay."""
        if place not in self.partitions:
            self.partitions[place] = _Reach()
            self.changes += 1
        self.partitions[place].delay_ms = delay_ms

    def close(self, place: Place) -> None:
        """Stop reading a partition."""
        if self.partitions.pop(place, None) is not None:
            self.changes += 1

    def reached(self, place: Place) -> int:
        """The largest event time of a partition."""
        return self.partitions[place].reached

    def reach(self, place: Place, time_ms: int) -> None:
        """Events of the partition have come up to `time_ms`; it never goes back."""
        reach = self.partitions[place]
        reach.reached = max(reach.reached, time_ms)

    def raise_to(self, frontier_ms: int) -> None:
        """Every partition has come so far that F is at least this."""
        for place, reach in self.partitions.items():
            self.reach(place, frontier_ms + reach.delay_ms)

    def rest(self, place: Place, clock_ms: int, *, idle: bool) -> None:
        """The partition is read to its end and silent.

        Args:
            clock_ms: How far the clock says that event time has come there.
            idle: It is silent for so long that it holds nothing back.
        """
        reach = self.partitions.get(place)
        if reach is not None:
            reach.clock_ms, reach.is_idle = clock_ms, idle

    def wake(self, place: Place) -> None:
        """The partition speaks again."""
        reach = self.partitions.get(place)
        if reach is not None:
            reach.clock_ms, reach.is_idle = _BEFORE, False

    def all(self) -> dict[Place, int]:
        """Largest event time by partition; partitions without an event are left out."""
        return {
            place: reach.reached
            for place, reach in self.partitions.items()
            if reach.reached != BEFORE_ALL_MS
        }


class View:
    """F for those who read some topics; the clock counts here.

    Args:
        sees: Which topics are read.
    """

    def __init__(self, frontier: Frontier, sees: Callable[[str], bool]) -> None:
        self._frontier = frontier
        self._sees = sees
        self._partitions: dict[Place, _Reach] = {}
        self._changes = -1

    @property
    def now(self) -> float:
        """F; minus infinity while nothing is read."""
        reaches = self._seen().values()
        if all(reach.is_idle for reach in reaches):
            return max((reach.by_clock() for reach in reaches), default=_BEFORE)
        return _lowest(reaches)

    def others(self, place: Place) -> float:
        """How far F may come without a partition; infinite when no other one holds it back."""
        return _lowest(reach for other, reach in self._seen().items() if other != place)

    def _seen(self) -> dict[Place, _Reach]:
        frontier = self._frontier
        if self._changes != frontier.changes:
            self._changes = frontier.changes
            self._partitions = {
                place: reach for place, reach in frontier.partitions.items() if self._sees(place[0])
            }
        return self._partitions


def _lowest(reaches: Iterable[_Reach]) -> float:
    return min((reach.by_clock() for reach in reaches if not reach.is_idle), default=_NEVER)
