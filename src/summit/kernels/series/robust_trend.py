"""A robust trend: Theil-Sen's slope, tested by Mann-Kendall."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import Floats, np
from summit.kernels.distributions import normal_quantile, normal_two_sided
from summit.kernels.series.trend import POINTS_MIN, TOO_FEW, Trend, direction_of, known_pairs
from summit.kernels.settings import share

PAIRS_POINTS_MAX = 2000


def robust_trend(
    values: Iterable[Any], times: Iterable[Any] | None = None, *, alpha: float = 0.05
) -> Trend:
    """The median of all slopes between two values (Theil-Sen), tested by Mann-Kendall.

    Up to 29 % of the values may be anything. Mann-Kendall takes all values; beyond 2,000 of them
    the slopes are those of 2,000 evenly spread ones. Values at equal times make no pair of slopes.

    Args:
        times: When the values were; 0, 1, 2, … when not given.
    Shape: (n,) each.
    Raises: Invalid("config.invalid") when there are not as many times as values.
    Cost: O(n log n) for the test, at most 2 million pairs for the slope.
    Source: Mann 1945, Kendall 1975 (ties, continuity);
        Theil 1950; Sen 1968.

    Example:
        >>> trend = robust_trend([1, 2, 3, 100, 5, 6, 7, 8])
        >>> trend.direction, trend.slope, trend.s, round(trend.statistic, 3)
        ('increasing', 1.0, 20.0, 2.351)
    """
    share("alpha", alpha)
    y, t = known_pairs(values, times)
    if len(y) < POINTS_MIN or t.min() == t.max():
        return TOO_FEW
    order = np.argsort(t, kind="stable")
    y, t = y[order], t[order]
    s, variance = _mann_kendall(y, t)
    z = (s - math.copysign(1, s)) / math.sqrt(variance) if s and variance > 0 else 0.0
    p_value = normal_two_sided(z)
    sampled = len(y) > PAIRS_POINTS_MAX
    if sampled:
        picked = np.linspace(0, len(y) - 1, PAIRS_POINTS_MAX).astype(np.int64)
        y, t = y[picked], t[picked]
    slopes = _slopes(y, t)
    slope = float(np.median(slopes))
    part_variance = _mann_kendall(y, t)[1] if sampled else variance
    reach = -normal_quantile(alpha / 2) * math.sqrt(part_variance) if alpha < 1 else 0.0
    last = len(slopes) - 1
    low = max(0, round((len(slopes) - reach) / 2 - 1))
    high = min(last, round((len(slopes) + reach) / 2))
    ends = np.partition(slopes, [low, high])
    return Trend(
        direction_of(s, p_value, alpha), slope, float(np.median(y - slope * t)),
        float(ends[low]), float(ends[high]), p_value, z, float(s), variance, sampled,
    )  # fmt: skip


def _mann_kendall(y: Floats, t: Floats) -> tuple[float, float]:
    """S and its variance, with ties of values and of times, for times in ascending order."""
    size = len(y)
    by_value = np.unique(y, return_inverse=True)[1].reshape(-1)
    by_time = np.unique(t, return_inverse=True)[1].reshape(-1)
    s = _pairs_rising(by_value, by_time) - _pairs_rising(-by_value + by_value.max(), by_time)
    n = float(size)
    u, v = (np.bincount(codes).astype(np.float64) for codes in (by_value, by_time))
    whole_term = n * (n - 1) * (2 * n + 5)
    ties = sum(float((g * (g - 1) * (2 * g + 5)).sum()) for g in (u, v))
    variance = (whole_term - ties) / 18
    if len(v) < size:  # Kendall 1975, (4.4): both have ties
        triples = [float((g * (g - 1) * (g - 2)).sum()) for g in (u, v)]
        twos = [float((g * (g - 1)).sum()) for g in (u, v)]
        variance += triples[0] * triples[1] / (9 * n * (n - 1) * (n - 2))
        variance += twos[0] * twos[1] / (2 * n * (n - 1))
    return float(s), variance


def _pairs_rising(codes: Any, groups: Any) -> int:
    """Pairs whose later value is larger; equal times make none. By a Fenwick tree, O(n log n)."""
    size = int(codes.max()) + 1
    tree = [0] * (size + 1)
    rising = 0
    pending: list[int] = []
    before = -1
    for code, group in zip(codes.tolist(), groups.tolist(), strict=True):
        if group != before:
            for each in pending:
                place = each + 1
                while place <= size:
                    tree[place] += 1
                    place += place & -place
            pending, before = [], group
        place = code
        while place:
            rising += tree[place]
            place -= place & -place
        pending.append(code)
    return rising


def _slopes(y: Floats, t: Floats) -> Floats:
    """The slopes between all pairs at different times."""
    first, second = np.triu_indices(len(y), 1)
    ways = t[second] - t[first]
    apart = ways > 0
    slopes: Floats = (y[second] - y[first])[apart] / ways[apart]
    return slopes
