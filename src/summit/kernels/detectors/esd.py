"""Generalized ESD: outliers that hide each other, found by taking the worst away repeatedly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import DEVIATION_MAX, Floats, as_series, np, spread_or_floor
from summit.kernels.detectors.judged import Judged, nothing_judged
from summit.kernels.distributions import normal_two_sided, student_limit
from summit.kernels.settings import positive, whole

POINTS_MIN = 4
OUTLIERS_MAX = 500


def esd(
    values: Iterable[Any], *, threshold: float = 3.0, outliers_max: int = OUTLIERS_MAX
) -> Judged:
    """The generalized extreme Studentized deviate test.

    The value that is farthest from the mean is taken away, again and again; the longest such row
    whose last one was beyond its limit are the outliers. Expected and deviation are those against
    the values that are left. It needs 4 values.

    Args:
        threshold: Of a normal distribution; the limit has the same tail for each value by itself.
        outliers_max: At most so many are looked for, and never more than two or a quarter of the
            values, whichever is more: of two levels neither is made of outliers.
    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").
    Source: Rosner 1983, with the tail per value instead of per series.

    Example:
        >>> esd([100, 105, 98, 1000, 1000]).flagged.tolist()
        [False, False, False, True, True]
    """
    positive("threshold", threshold)
    whole("outliers_max", outliers_max, 1)
    series = as_series(values)
    seen = np.flatnonzero(~np.isnan(series))
    if len(seen) < POINTS_MIN:
        return nothing_judged(len(series), threshold, "not enough data")
    tail = normal_two_sided(threshold)
    order = seen[np.argsort(series[seen], kind="stable")]
    low, high = _kept(series[order], tail, min(outliers_max, _few(len(seen))))
    kept = series[order[low:high]]
    mean = float(kept.mean())
    spread = spread_or_floor(float(kept.std(ddof=1)), mean) * math.sqrt(1 + 1 / len(kept))
    limit = student_limit(tail, len(kept) - 1)
    flagged = np.zeros(len(series), bool)
    flagged[order[:low]] = flagged[order[high:]] = True
    deviation = np.clip((series - mean) / spread, -DEVIATION_MAX, DEVIATION_MAX)
    expected = np.where(np.isnan(series), np.nan, mean)
    return Judged(flagged, expected, deviation, np.abs(deviation) / limit, limit)


def _few(size: int) -> int:
    return min((size - 1) // 2, max(2, size // 4))


def _kept(ascending: Floats, tail: float, outliers_max: int) -> tuple[int, int]:
    """From where to where the sorted values are no outliers: the worst is always at one end."""
    low, high = 0, len(ascending)
    kept = (low, high)
    for _ in range(outliers_max):
        part = ascending[low:high]
        size, mean = len(part), float(part.mean())
        spread = float(part.std(ddof=1))
        if spread <= 1e-12 * abs(mean):  # nothing but rounding differs
            break
        below, above = mean - float(part[0]), float(part[-1]) - mean
        t = student_limit(tail, size - 2)
        limit = (size - 1) * t / math.sqrt((size - 2 + t * t) * size)
        low, high = (low, high - 1) if above >= below else (low + 1, high)
        if max(below, above) / spread > limit:
            kept = (low, high)
    return kept
