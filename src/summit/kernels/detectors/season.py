"""Where a value stands in its season: by the time of day, by a period given, or by one learned."""

from __future__ import annotations

from collections import deque
from typing import Any, Self

from summit.kernels.arrays import np
from summit.kernels.series.seasonality import seasonality
from summit.kernels.settings import whole

DAY_MS = 86_400_000
SLOTS_MAX = 48
_LEARNED_FROM = 1024
_LEARNED_FIRST = 64
_CLOCK_STEP_MAX = DAY_MS / 4


class Season:
    """Says in which slot of its season the next value is.

    With times that lie at most six hours apart the season is the day, in half hours. Otherwise it
    is `period` values, given or learned: from the last 1,024 values, looked at when there are 64,
    128, … and then after each 1,024; 1 as long as none is found. A period of more than `slots`
    values is cut into so many parts. Missing values and gaps in time keep their place.
    """

    __slots__ = ("at", "by_clock", "count", "given", "period", "recent", "slots")

    def __init__(self, period: int | None = None, *, slots: int = SLOTS_MAX) -> None:
        self.given = period is not None
        self.period = 1 if period is None else whole("period", period, 2)
        self.slots = slots
        self.count = 0
        self.at: float | None = None
        self.by_clock: bool | None = False if self.given else None
        self.recent: deque[float] = deque(maxlen=_LEARNED_FROM)

    @property
    def size(self) -> int:
        """How many slots there are at most."""
        return self.slots if self.by_clock is not False else min(self.period, self.slots)

    def step(self, at: float | None) -> tuple[int, float]:
        """Go to the next value, which may have a time; its slot, and its share of a slot."""
        before, self.at = self.at, at
        self.count += 1
        if at is None:
            self.by_clock = False
        elif self.by_clock is None and before is not None and at > before:
            self.by_clock = at - before <= _CLOCK_STEP_MAX
        if at is not None and self.by_clock is not False:
            slot = int(at % DAY_MS * self.slots // DAY_MS)
            step = max(at - before, 0.0) if before is not None else DAY_MS
            return slot, min(step * self.slots / DAY_MS, 1.0)
        period = self.period
        size = min(period, self.slots)
        return (self.count - 1) % period * size // period, size / period

    def learn(self, value: float | None) -> list[float] | None:
        """Take the value of the slot; the means of the slots if a new period was found by it."""
        if self.given or (self.by_clock is not False and self.at is not None):
            return None
        recent = self.recent
        recent.append(value if value is not None else (recent[-1] if recent else 0.0))
        count = self.count
        if count % _LEARNED_FROM and (
            count > _LEARNED_FROM or count < _LEARNED_FIRST or count & (count - 1)
        ):
            return None
        found = seasonality(np.array(recent))
        if found is None or found.period == self.period:
            return None
        self.period = period = found.period
        size = min(period, self.slots)
        sums, counts = [0.0] * size, [0] * size
        for place, each in enumerate(recent, count - len(recent)):
            slot = place % period * size // period
            sums[slot] += each
            counts[slot] += 1
        return [total / many for total, many in zip(sums, counts, strict=True)]

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [
            self.given, self.period, self.slots, self.count, self.at, self.by_clock,
            list(self.recent),
        ]  # fmt: skip

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(state[1] if state[0] else None, slots=state[2])
        made.period, made.count, made.at, made.by_clock = state[1], *state[3:6]
        made.recent.extend(state[6])
        return made
