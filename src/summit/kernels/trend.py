"""Trends of a series: by least squares, and robust, each with its significance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from summit.base.errors import Invalid
from summit.kernels.arrays import DEVIATION_MAX, Floats, as_series, np
from summit.kernels.distributions import (
    normal_quantile,
    normal_two_sided,
    student_limit,
    student_two_sided,
)
from summit.kernels.settings import share

POINTS_MIN = 4
PAIRS_POINTS_MAX = 2000


@dataclass(frozen=True)
class Trend:
    """A straight line through a series and whether it is there.

    `direction` is `increasing`, `decreasing`, or `stable` when `p_value` is not below `alpha`.
    `slope` is per unit of time, `slope_low`..`slope_high` holds it with confidence 1 - alpha;
    all of them None where there are too few values (4), which `reason` then says. `statistic` is t
    of the line or z of Mann-Kendall, `s` and `variance` are the latter's. `sampled` says that pairs
    were taken of a part of the values only.
    """

    direction: str
    slope: float | None = None
    intercept: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    p_value: float | None = None
    statistic: float | None = None
    s: float | None = None
    variance: float | None = None
    sampled: bool = False
    reason: str | None = None


_TOO_FEW = Trend("stable", reason="not enough data")


def linear_trend(
    values: Iterable[Any], times: Iterable[Any] | None = None, *, alpha: float = 0.05
) -> Trend:
    """The line of least squares, tested by Student's t.

    Args:
        times: When the values were; 0, 1, 2, … when not given.
    Shape: (n,) each.
    Raises: Invalid("config.invalid") when there are not as many times as values.

    Example:
        >>> trend = linear_trend([1, 2.1, 2.9, 4, 5])
        >>> trend.direction, round(trend.slope, 2)
        ('increasing', 0.99)
    """
    share("alpha", alpha)
    y, t = _known(values, times)
    size = len(y)
    if size < POINTS_MIN or t.min() == t.max():
        return _TOO_FEW
    t_mean, y_mean = float(t.mean()), float(y.mean())
    moved, raised = t - t_mean, y - y_mean
    spread = float(moved @ moved)
    slope = float(moved @ raised) / spread
    left = raised - slope * moved
    rest = float(left @ left)
    total = float(raised @ raised)
    if rest <= 1e-24 * size * max(total, y_mean * y_mean):  # nothing but rounding
        rest = 0.0
    if total <= 1e-24 * size * y_mean * y_mean:
        slope = 0.0
    error = math.sqrt(rest / (size - 2) / spread)
    if error:
        statistic = min(max(slope / error, -DEVIATION_MAX), DEVIATION_MAX)
    else:
        statistic = math.copysign(DEVIATION_MAX, slope) if slope else 0.0
    p_value = student_two_sided(statistic, size - 2)
    reach = student_limit(alpha, size - 2) * error if alpha < 1 else 0.0
    return Trend(
        _direction(slope, p_value, alpha), slope, y_mean - slope * t_mean,
        slope - reach, slope + reach, p_value, statistic,
    )  # fmt: skip


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
    y, t = _known(values, times)
    if len(y) < POINTS_MIN or t.min() == t.max():
        return _TOO_FEW
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
        _direction(s, p_value, alpha), slope, float(np.median(y - slope * t)),
        float(ends[low]), float(ends[high]), p_value, z, float(s), variance, sampled,
    )  # fmt: skip


def _known(values: Iterable[Any], times: Iterable[Any] | None) -> tuple[Floats, Floats]:
    """Values and times where both are there; times from the first one on."""
    y = as_series(values)
    t = np.arange(len(y), dtype=np.float64) if times is None else as_series(times)
    if len(y) != len(t):
        reason = f"there are {len(t)} times for {len(y)} values"
        raise Invalid("config.invalid", reason=reason, pointer="")
    both = ~(np.isnan(y) | np.isnan(t))
    return y[both], t[both]


def _direction(slope: float, p_value: float, alpha: float) -> str:
    if p_value >= alpha or not slope:
        return "stable"
    return "increasing" if slope > 0 else "decreasing"


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
