"""Sums without rounding: the sum of any numbers, in any order, any split, is the same number.

A sum is a whole number and an expansion: a few floats whose exact sum is meant. So sums may be
merged, and what has gone may be subtracted, without drift; only `ratio` rounds, once.

Source: Shewchuk 1997; `math.fsum` gives each float of an expansion.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum
from typing import Any, Self

_SPLIT = 134_217_729.0  # 2^27 + 1: cuts a float into two halves (Dekker 1971)


class ExactSum:
    """A sum of numbers no larger than 1e300, exact.

    >>> total = ExactSum()
    >>> total.add_floats([0.1] * 10); total.add_whole(10**18); total.add_whole(-(10**18))
    >>> total.value()
    1.0
    """

    __slots__ = ("is_real", "parts", "whole")

    def __init__(self) -> None:
        self.whole = 0
        self.parts: list[float] = []
        self.is_real = False

    def add_whole(self, number: int) -> None:
        """Add a whole number."""
        self.whole += number

    def add_floats(self, numbers: list[float]) -> None:
        """Add floats. Cost: about three passes of `fsum`."""
        self.is_real = True
        self.parts = expansion([*self.parts, *numbers])

    def add(self, other: ExactSum) -> None:
        """Add another sum."""
        self.whole += other.whole
        self.is_real |= other.is_real
        if other.parts:
            self.parts = expansion([*self.parts, *other.parts])

    def subtract(self, other: ExactSum) -> None:
        """Take another sum away; whether there were floats is no longer known (`is_real`)."""
        self.whole -= other.whole
        if other.parts:
            self.parts = expansion([*self.parts, *(-part for part in other.parts)])

    def fraction(self) -> tuple[int, int]:
        """(n, s): the sum is n / 2^s."""
        if not self.parts:
            return self.whole, 0
        ratios = [part.as_integer_ratio() for part in self.parts]
        shift = max(bottom.bit_length() for _, bottom in ratios) - 1
        number = self.whole << shift
        for top, bottom in ratios:
            number += top << (shift - bottom.bit_length() + 1)
        return number, shift

    def value(self) -> int | float:
        """The sum: a whole number if all were, else the nearest float."""
        if not self.is_real:
            return self.whole
        number, shift = self.fraction()
        return number / (1 << shift)

    def over(self, count: int) -> float:
        """The nearest float to the sum divided by a count."""
        number, shift = self.fraction()
        return number / (count << shift)

    def dump(self) -> list[Any]:
        """The sum as plain values; a whole number may be long, so it is text."""
        return [str(self.whole), self.parts, self.is_real]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls()
        made.whole, made.parts, made.is_real = int(state[0]), list(state[1]), state[2]
        return made


def expansion(numbers: list[float]) -> list[float]:
    """A few floats with exactly the same sum, largest first. Takes the list."""
    found: list[float] = []
    while part := fsum(numbers):
        found.append(part)
        numbers.append(-part)
    return found


def squares(numbers: Iterable[float]) -> list[float]:
    """The squares as pairs of floats that are exactly them (but for what is below 1e-320)."""
    found: list[float] = []
    for x in numbers:
        square = x * x
        cut = _SPLIT * x
        high = cut - (cut - x)
        low = x - high
        found += (square, ((high * high - square) + 2 * high * low) + low * low)
    return found


def variance(count: int, total: ExactSum, total_squares: ExactSum, freedom: int) -> float:
    """The nearest float to (sum of squares - sum² / count) / freedom."""
    top, shift = total_squares.fraction()
    number, half = total.fraction()
    up = max(shift, 2 * half)
    spread = count * (top << (up - shift)) - ((number * number) << (up - 2 * half))
    return max(spread, 0) / ((count * freedom) << up)
