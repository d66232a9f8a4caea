"""Exact sums: numbers may come and go in any order, and what is left is what a new sum would be.

A float is a whole number over a power of two, so a sum of floats is kept as one whole number and
one power; nothing is ever rounded before the result is.
"""

from __future__ import annotations

from math import isqrt, sqrt
from typing import Any

Number = int | float


class Moments:
    """Count, sum and, if asked for, sum of squares.

    Attributes:
        total: The sum, times 2 ** `shift`.
        squares: The sum of squares, times 4 ** `shift`; None = not kept.
    """

    __slots__ = ("count", "shift", "squares", "total")

    def __init__(self, squares: bool = False) -> None:
        self.count = 0
        self.total = 0
        self.shift = 0
        self.squares: int | None = 0 if squares else None

    def add(self, value: Number) -> None:
        """Take a number in."""
        self.count += 1
        scaled = self._scaled(value)
        self.total += scaled
        if self.squares is not None:
            self.squares += scaled * scaled

    def remove(self, value: Number) -> None:
        """Take a number out that was taken in."""
        self.count -= 1
        scaled = self._scaled(value)
        self.total -= scaled
        if self.squares is not None:
            self.squares -= scaled * scaled
        if not self.count:
            self.shift = 0

    def merge(self, other: Moments) -> None:
        """Take in what another one has."""
        self.count += other.count
        self._widen(other.shift)
        up = self.shift - other.shift
        self.total += other.total << up
        if self.squares is not None and other.squares is not None:
            self.squares += other.squares << 2 * up

    def _scaled(self, value: Number) -> int:
        if type(value) is int:
            return value << self.shift
        top, bottom = value.as_integer_ratio()
        shift = bottom.bit_length() - 1
        self._widen(shift)
        return top << self.shift - shift

    def _widen(self, shift: int) -> None:
        up = shift - self.shift
        if up > 0:
            self.total <<= up
            if self.squares is not None:
                self.squares <<= 2 * up
            self.shift = shift

    @property
    def sum(self) -> Number | None:
        """Whole when it is; None when no float is that large."""
        return _ratio(self.total, 1 << self.shift)

    @property
    def mean(self) -> Number | None:
        """None of nothing."""
        return _ratio(self.total, self.count << self.shift) if self.count else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the population; None of nothing."""
        assert self.squares is not None
        if not self.count:
            return None
        top = self.count * self.squares - self.total * self.total
        bottom = self.count << self.shift
        return _root_ratio(top, bottom)

    def plain(self) -> list[Any]:
        """For `load`; integers of any size are texts."""
        squares = None if self.squares is None else str(self.squares)
        return [self.count, str(self.total), self.shift, squares]

    @classmethod
    def load(cls, plain: list[Any]) -> Moments:
        """What `plain` gave. Raises: ValueError, TypeError."""
        count, total, shift, squares = plain
        made = cls(squares is not None)
        made.count, made.total, made.shift = int(count), int(total), int(shift)
        made.squares = None if squares is None else int(squares)
        return made


def _ratio(top: int, bottom: int) -> Number | None:
    whole, rest = divmod(top, bottom)
    if not rest:
        return whole
    try:
        return top / bottom  # of integers: correctly rounded
    except OverflowError:
        return None


def _root_ratio(top: int, bottom: int) -> float | None:
    """The square root of `top`, divided by `bottom`."""
    if not top:
        return 0.0
    try:
        return sqrt(top / (bottom * bottom))
    except OverflowError:
        try:
            return isqrt(top) / bottom
        except OverflowError:
            return None
