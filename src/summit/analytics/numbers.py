"""`Numbers`: count, sum, squares, smallest and largest of a field's numbers. All exact."""

from __future__ import annotations

import math
from operator import mul
from typing import Any, Self

from summit.analytics.columns import Column
from summit.analytics.exact import ExactSum, squares, variance


class Numbers:
    """What count, sum, avg, min, max, variance and stddev of a field are read from."""

    __slots__ = ("count", "largest", "smallest", "squares", "total")

    def __init__(self, *, squares: bool) -> None:
        self.count = 0
        self.total = ExactSum()
        self.squares = ExactSum() if squares else None
        self.smallest: int | float | None = None
        self.largest: int | float | None = None

    def add(self, column: Column) -> None:
        """Take the numbers of a column."""
        numbers = column.numbers
        if not numbers:
            return
        self.count += len(numbers)
        wholes, floats = column.wholes, column.floats
        if wholes:
            self.total.add_whole(sum(wholes))
        if floats:
            self.total.add_floats(floats)
        if self.squares is not None:
            if wholes:
                self.squares.add_whole(sum(map(mul, wholes, wholes)))
            if floats:
                self.squares.add_floats(squares(floats))
        self._reach(min(numbers), max(numbers))

    def merge(self, other: Numbers) -> None:
        """Take all that another has taken."""
        if not other.count:
            return
        self.count += other.count
        self.total.add(other.total)
        if self.squares is not None and other.squares is not None:
            self.squares.add(other.squares)
        assert other.smallest is not None
        assert other.largest is not None
        self._reach(other.smallest, other.largest)

    def _reach(self, low: int | float, high: int | float) -> None:
        if self.smallest is None or low < self.smallest:
            self.smallest = low
        if self.largest is None or high > self.largest:
            self.largest = high

    def mean(self) -> float | None:
        """The mean; None of nothing."""
        return self.total.over(self.count) if self.count else None

    def variance(self, *, sample: bool) -> float | None:
        """That of the population or of the sample; None with too few numbers."""
        freedom = self.count - sample
        if freedom < 1:
            return None
        assert self.squares is not None
        return variance(self.count, self.total, self.squares, freedom)

    def stddev(self, *, sample: bool) -> float | None:
        """The root of `variance`."""
        found = self.variance(sample=sample)
        return None if found is None else math.sqrt(found)

    def dump(self) -> list[Any]:
        """The state as plain values."""
        more = None if self.squares is None else self.squares.dump()
        return [self.count, self.total.dump(), more, self.smallest, self.largest]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(squares=state[2] is not None)
        made.count, made.total = state[0], ExactSum.load(state[1])
        if state[2] is not None:
            made.squares = ExactSum.load(state[2])
        made.smallest, made.largest = state[3:]
        return made
