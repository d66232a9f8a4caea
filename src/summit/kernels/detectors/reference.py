"""The level and spread that control charts measure by: given, or learned from the first values."""

from __future__ import annotations

import math
from typing import Any, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import capped, spread_or_floor
from summit.kernels.moments import Moments
from summit.kernels.settings import positive, whole


class Reference:
    """Mean and standard deviation of a process in order.

    Learned from `warmup` values unless both are given; after `relearn` from as many new ones, while
    the old ones stay in force.
    """

    __slots__ = ("given", "learning", "mean", "std", "warmup")

    def __init__(self, mean: float | None, std: float | None, warmup: int) -> None:
        if (mean is None) != (std is None):
            raise Invalid("config.invalid", reason="give both mean and std, or none", pointer="")
        self.given = std is not None
        self.mean = 0.0 if mean is None else float(mean)
        self.std = 0.0 if std is None else positive("std", std)
        self.warmup = whole("warmup", warmup, 2)
        self.learning: Moments | None = None if self.given else Moments()

    def standardized(self, value: float) -> float | None:
        """The distance from the mean in standard deviations; None while none is known.

        Learns from the value afterwards when it is learning.
        """
        z = capped((value - self.mean) / self.std) if self.std else None
        learning = self.learning
        if learning is not None:
            learning.add(value)
            if learning.count >= self.warmup:
                self.mean = learning.mean
                spread = math.sqrt(learning.m2 / (learning.count - 1))
                self.std = spread_or_floor(spread, self.mean)
                self.learning = None
        return z

    @property
    def is_learning(self) -> bool:
        """Whether new values are being taken into a new reference."""
        return self.learning is not None

    def relearn(self) -> None:
        """Learn anew from the next values on, unless mean and std were given."""
        if not self.given and self.learning is None:
            self.learning = Moments()

    def dump(self) -> list[Any]:
        """The state as plain values."""
        learning = None if self.learning is None else self.learning.dump()
        return [self.given, self.mean, self.std, self.warmup, learning]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        given, mean, std, warmup, learning = state
        made = cls(mean if given else None, std if given else None, warmup)
        made.mean, made.std = mean, std
        made.learning = None if learning is None else Moments.load(learning)
        return made
