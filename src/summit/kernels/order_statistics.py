"""Percentiles, median and median absolute deviation: of an array, and of the last few values."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, np

MAD_TO_SIGMA = 1.4826
"""The standard deviation of a normal distribution in units of its MAD."""


def of_sorted(values: Sequence[float], percent: float) -> float:
    """The percentile of values in ascending order, linear between neighbours. O(1)."""
    place = (len(values) - 1) * percent / 100
    below = int(place)
    if below + 1 >= len(values):
        return values[-1]
    low, high = values[below], values[below + 1]
    return low + (high - low) * (place - below)


def percentile(values: Floats, percent: float, *, interpolation: str = "linear") -> float | None:
    """The percentile of an array; NaN is passed over; None of nothing.

    Args:
        percent: 0 (the smallest) to 100 (the largest).
        interpolation: `linear`, between the neighbours of place (n - 1) * percent / 100, or
            `nearest`, the value of rank ceil(n * percent / 100).
    Shape: (n,)
    Raises: Invalid("config.invalid").

    Example:
        >>> values = np.arange(1.0, 11.0)
        >>> round(percentile(values, 95), 2), percentile(values, 95, interpolation="nearest")
        (9.55, 10.0)
    """
    if not 0 <= percent <= 100:
        raise Invalid("config.invalid", reason=f"percentile {percent} is not in 0..100", pointer="")
    if interpolation not in {"linear", "nearest"}:
        reason = f"interpolation '{interpolation}' is neither 'linear' nor 'nearest'"
        raise Invalid("config.invalid", reason=reason, pointer="")
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return None
    if interpolation == "linear":
        return of_sorted(known.tolist(), percent) if len(known) < 64 else float(
            np.percentile(known, percent)
        )  # fmt: skip
    rank = int(np.ceil(len(known) * percent / 100))
    return float(known[max(rank, 1) - 1])


def median(values: Floats) -> float | None:
    """The median of an array; NaN is passed over; None of nothing."""
    return percentile(values, 50)


def mad(values: Floats) -> float | None:
    """The median absolute deviation from the median; times 1.4826 a robust standard deviation.

    Source: Hampel 1974.
    """
    centre = median(values)
    return None if centre is None else median(np.abs(values - centre))


class SortedWindow:
    """The last `window` values, also in ascending order. O(log n) and a memory move a value."""

    __slots__ = ("ascending", "values")

    def __init__(self, window: int) -> None:
        if window < 1:
            raise Invalid("config.invalid", reason=f"window {window} is below 1", pointer="")
        self.values: deque[float] = deque(maxlen=window)
        self.ascending: list[float] = []

    def add(self, value: float) -> None:
        """Take one finite value, and let the oldest go when there are `window`."""
        if len(self.values) == self.values.maxlen:
            del self.ascending[bisect_left(self.ascending, self.values[0])]
        self.values.append(value)
        insort(self.ascending, value)

    def percentile(self, percent: float) -> float:
        """The percentile, linear; there must be a value."""
        return of_sorted(self.ascending, percent)

    def mad(self) -> float:
        """The median absolute deviation; there must be a value.

        The deviations below the median and those above ascend outwards, so the middle of the two
        lists together is found by halving. O(log n).
        """
        ascending = self.ascending
        size, centre = len(ascending), of_sorted(ascending, 50)
        lower = _nearest_to(ascending, centre, (size - 1) // 2)
        if size % 2:
            return lower
        return (lower + _nearest_to(ascending, centre, size // 2)) / 2

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [self.values.maxlen, list(self.values)]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        window = cls(state[0])
        window.values.extend(state[1])
        window.ascending = sorted(state[1])
        return window


def _nearest_to(ascending: list[float], centre: float, rank: int) -> float:
    """The distance from `centre` that has `rank` nearer ones: the ends of the run around it."""
    first, last = 0, len(ascending) - rank - 1
    while first < last:
        middle = (first + last) // 2
        if centre - ascending[middle] > ascending[middle + rank + 1] - centre:
            first = middle + 1
        else:
            last = middle
    return max(centre - ascending[first], ascending[first + rank] - centre)
