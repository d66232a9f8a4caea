"""Count, mean and variance in one pass: of all that came, and of the last few values."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, np


class Moments:
    """Count, mean, variance, smallest and largest; stable, mergeable, constant in size.

    Source: Welford 1962; merging by Chan, Golub and LeVeque 1983.

    Example:
        >>> left, right = Moments(), Moments()
        >>> for value in (1.0, 2.0): left.add(value)
        >>> right.add(6.0)
        >>> left.merge(right)
        >>> left.mean, left.variance(ddof=1)
        (3.0, 7.0)
    """

    __slots__ = ("count", "largest", "m2", "mean", "smallest")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.m2 = 0.0
        self.smallest = math.inf
        self.largest = -math.inf

    def add(self, value: float) -> None:
        """Take one finite value."""
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.m2 += delta * (value - self.mean)
        self.smallest = min(self.smallest, value)
        self.largest = max(self.largest, value)

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Those of an array; NaN is passed over. Shape: (n,)."""
        known = values[~np.isnan(values)]
        moments = cls()
        if len(known):
            moments.count = len(known)
            moments.mean = float(known.mean())
            moments.m2 = float(((known - moments.mean) ** 2).sum())
            moments.smallest, moments.largest = float(known.min()), float(known.max())
        return moments

    def merge(self, other: Moments) -> None:
        """Take all that another has taken."""
        if not other.count:
            return
        count = self.count + other.count
        delta = other.mean - self.mean
        self.m2 += other.m2 + delta * delta * self.count * other.count / count
        self.mean += delta * other.count / count
        self.count = count
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)

    def variance(self, *, ddof: int = 0) -> float | None:
        """That of the population, with `ddof=1` of the sample; None with too few values."""
        return self.m2 / (self.count - ddof) if self.count > ddof else None

    def stddev(self, *, ddof: int = 0) -> float | None:
        """The root of `variance`."""
        variance = self.variance(ddof=ddof)
        return None if variance is None else math.sqrt(variance)

    def dump(self) -> list[Any]:
        """The state as plain values."""
        if not self.count:
            return [0, 0.0, 0.0, None, None]
        return [self.count, self.mean, self.m2, self.smallest, self.largest]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        moments = cls()
        if state[0]:
            moments.count, moments.mean, moments.m2 = state[:3]
            moments.smallest, moments.largest = state[3:]
        return moments


class RollingMoments:
    """Mean and variance of the last `window` values, O(1) a value on average.

    What has gone is subtracted; the sums are made anew after each `window` values, and at once when
    so much has gone that what is left could be rounding.
    """

    __slots__ = ("age", "m2", "mean", "peak", "values")

    def __init__(self, window: int) -> None:
        if window < 1:
            raise Invalid("config.invalid", reason=f"window {window} is below 1", pointer="")
        self.values: deque[float] = deque(maxlen=window)
        self.mean = 0.0
        self.m2 = self.peak = 0.0
        self.age = 0

    def add(self, value: float) -> None:
        """Take one finite value, and let the oldest go when there are `window`."""
        values = self.values
        size = len(values)
        if size == values.maxlen:
            gone = values[0]
            values.append(value)
            before = self.mean
            self.mean += (value - gone) / size
            self.m2 += (value - gone) * (value - self.mean + gone - before)
            self.age += 1
            if self.age >= size or self.m2 <= 1e-6 * self.peak:
                self._anew()
                return
        else:
            values.append(value)
            delta = value - self.mean
            self.mean += delta / (size + 1)
            self.m2 += delta * (value - self.mean)
        self.peak = max(self.peak, self.m2)

    def _anew(self) -> None:
        values = self.values
        first = values[0]
        self.mean = mean = first + math.fsum(value - first for value in values) / len(values)
        self.m2 = self.peak = math.fsum((value - mean) ** 2 for value in values)
        self.age = 0

    def stddev(self, *, ddof: int = 0) -> float:
        """The standard deviation; 0 with too few values."""
        freedom = len(self.values) - ddof
        return math.sqrt(self.m2 / freedom) if freedom > 0 and self.m2 > 0 else 0.0

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [self.values.maxlen, list(self.values), self.mean, self.m2, self.peak, self.age]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        moments = cls(state[0])
        moments.values.extend(state[1])
        moments.mean, moments.m2, moments.peak, moments.age = state[2:]
        return moments
