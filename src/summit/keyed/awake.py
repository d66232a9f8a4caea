"""Which lanes have something to do behind a batch, so that the others need not be asked.

A lane that was given nothing since it was last asked changes only with time, at its next timer.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

from summit.keyed.lane import Corrects, Lane

_NEVER: Final = float("inf")


class Awake:
    """The lanes to be asked.

    Args:
        lanes: All of them; in the beginning each is asked. Those with exact timers, which fire on
            their own, and those that correct are asked always.
    """

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._lanes = list(lanes)
        self._number_of = {id(lane): number for number, lane in enumerate(self._lanes)}
        self._awake = set(range(len(self._lanes)))
        self._sleeping: list[tuple[float, int]] = []  # a heap; the first of a lane counts
        self._until = [_NEVER] * len(self._lanes)

    def touch(self, number: int) -> None:
        """A lane, by its number, was given something."""
        self._awake.add(number)

    def touch_lane(self, lane: Lane) -> None:
        """The same, by the lane itself."""
        self._awake.add(self._number_of[id(lane)])

    def touch_all(self) -> None:
        """Every lane may have changed."""
        self._awake.update(range(len(self._lanes)))

    def due(self, now_ms: float) -> list[Lane]:
        """The lanes to be asked at this frontier, in the order of their rules."""
        sleeping = self._sleeping
        while sleeping and sleeping[0][0] <= now_ms:
            until_ms, number = heappop(sleeping)
            if until_ms == self._until[number]:
                self._until[number] = _NEVER
                self._awake.add(number)
        return [self._lanes[number] for number in sorted(self._awake)]

    def rest(self, *, asked: bool) -> None:
        """What was due has been done.

        Args:
            asked: Also what is due by time; else those lanes stay awake.
        """
        if not asked:
            return
        still = set()
        for number in self._awake:
            lane = self._lanes[number]
            if lane.is_exact or isinstance(lane, Corrects):
                still.add(number)
                continue
            next_ms = lane.next_timer_ms
            if next_ms < self._until[number]:
                self._until[number] = next_ms
                heappush(self._sleeping, (next_ms, number))
        self._awake = still
