"""Figures over the values of a field: one function of a list per figure.

Values are as JSON has them, without null. Only numbers enter sum, avg, min, max, stddev, variance
and percentile; true and false are none. With nothing to compute, count, sum and distinct are 0, the
others None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec


def _numbers(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if type(value) in (int, float)]


def _sum(values: Sequence[Any]) -> Any:
    return sum(_numbers(values))


def _average(values: Sequence[Any]) -> float | None:
    numbers = _numbers(values)
    return sum(numbers) / len(numbers) if numbers else None


def _least(values: Sequence[Any]) -> Any:
    return min(_numbers(values), default=None)


def _most(values: Sequence[Any]) -> Any:
    return max(_numbers(values), default=None)


def _distinct(values: Sequence[Any]) -> int:
    whole = [int(v) if type(v) is float and v.is_integer() else v for v in values]
    return len({msgspec.json.encode(value) for value in whole})


def _variance(values: Sequence[Any]) -> float | None:
    """The variance of the population, not of a sample."""
    numbers = _numbers(values)
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    return math.fsum((value - mean) ** 2 for value in numbers) / len(numbers)


def _deviation(values: Sequence[Any]) -> float | None:
    variance = _variance(values)
    return None if variance is None else math.sqrt(variance)


def percentile(values: Sequence[Any], percent: float) -> float | None:
    """The percentile, linear between the neighbours of place (n - 1) * percent / 100.

    >>> percentile([4, 1, 3, 2], 50), percentile([], 50)
    (2.5, None)
    """
    numbers = sorted(_numbers(values))
    if not numbers:
        return None
    place = (len(numbers) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(numbers) - 1)
    found: float = numbers[low] + (numbers[high] - numbers[low]) * (place - low)
    return found


FOLDS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "count": len,
    "sum": _sum,
    "min": _least,
    "max": _most,
    "avg": _average,
    "distinct": _distinct,
    "variance": _variance,
    "stddev": _deviation,
}
