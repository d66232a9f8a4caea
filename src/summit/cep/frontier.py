"""How far time has come: per partition, and over all of them."""

from __future__ import annotations

from typing import Final

Place = tuple[str, int]

BEFORE_ALL_MS: Final = -(1 << 62)


class Frontier:
    """Largest event time per partition, and the frontier F = smallest of them minus the delay.

    F may fall when a partition is read for the first time: its events are as old as they are.
    """

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._reached: dict[Place, int] = {}

    @property
    def now(self) -> float:
        """F; minus infinity while nothing is read."""
        lowest = min(self._reached.values(), default=BEFORE_ALL_MS)
        return float("-inf") if lowest == BEFORE_ALL_MS else lowest - self._delay_ms

    def others(self, place: Place) -> float:
        """The smallest of the other partitions' largest times; infinite when there is none."""
        return min((t for p, t in self._reached.items() if p != place), default=float("inf"))

    def open(self, place: Place) -> None:
        """Begin to read a partition."""
        self._reached.setdefault(place, BEFORE_ALL_MS)

    def close(self, place: Place) -> None:
        """Stop reading a partition."""
        self._reached.pop(place, None)

    def reached(self, place: Place) -> int:
        """The largest event time of a partition."""
        return self._reached[place]

    def reach(self, place: Place, time_ms: int) -> None:
        """Events of the partition have come up to `time_ms`; it never goes back."""
        self._reached[place] = max(self._reached[place], time_ms)

    def raise_to(self, frontier_ms: int) -> None:
        """Every partition has come so far that F is at least this."""
        for place in self._reached:
            self.reach(place, frontier_ms + self._delay_ms)

    def all(self) -> dict[Place, int]:
        """Largest event time by partition; partitions without an event are left out."""
        return {p: time for p, time in self._reached.items() if time != BEFORE_ALL_MS}
