"""How far a value is from what was forecast, in standard deviations of such distances before."""

from __future__ import annotations

import math
from typing import Any, Self

from summit.kernels.arrays import capped, rounded_off, spread_or_floor
from summit.kernels.settings import positive, whole

_WEIGHT = 0.01


class Residual:
    """Standardizes distances by their own past, and says what is to be learned of a value.

    A value beyond the limit is learned as if it were at the limit, so that one spike blinds
    nobody; after `relearn_after` of them in a row values are taken as they are. The spread is the
    root of a weighted mean of squares, of all values until there are a hundred.
    """

    __slots__ = ("beyond", "limit", "relearn_after", "seen", "square", "warmup")

    def __init__(self, limit: float, *, warmup: int = 10, relearn_after: int = 10) -> None:
        self.limit = positive("limit", limit)
        self.warmup = whole("warmup", warmup, 2)
        self.relearn_after = whole("relearn_after", relearn_after, 1)
        self.seen = self.beyond = 0
        self.square = 0.0

    def judge(self, value: float, expected: float) -> tuple[float | None, float]:
        """The deviation, None while fewer than `warmup` distances are known; the value to learn."""
        apart = rounded_off(value - expected, value)
        spread = spread_or_floor(math.sqrt(self.square), expected)
        deviation = None
        if self.seen >= self.warmup:
            deviation = capped(apart / spread)
            if abs(deviation) > self.limit:
                self.beyond += 1
                if self.beyond <= self.relearn_after:
                    apart = math.copysign(self.limit * spread, apart)
            else:
                self.beyond = 0
        self.seen += 1
        self.square += (apart * apart - self.square) * max(_WEIGHT, 1 / self.seen)
        return deviation, expected + apart

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [
            self.limit, self.warmup, self.relearn_after, self.seen, self.beyond, self.square,
        ]  # fmt: skip

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(state[0], warmup=state[1], relearn_after=state[2])
        made.seen, made.beyond, made.square = state[3:]
        return made
