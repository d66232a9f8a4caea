"""Interquartile range: values outside Tukey's fences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import (
    DEVIATION_MAX,
    as_series,
    np,
    spread_or_floor,
)
from summit.kernels.detectors.judged import Judged, nothing_judged
from summit.kernels.detectors.sorted_detector import SortedDetector
from summit.kernels.order_statistics import SortedWindow
from summit.kernels.settings import positive

POINTS_MIN = 4


def iqr(values: Iterable[Any], *, sensitivity: float = 1.5) -> Judged:
    """Values outside q1 - s * IQR .. q3 + s * IQR of the whole series.

    Expected is the middle of the two quartiles; the deviation is the distance from it in IQRs, so
    its limit is s + 0.5. It needs 4 values.

    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").
    Source: Tukey 1977.

    Example:
        >>> iqr([100, 101, 102, 103, 104, 1000]).flagged.tolist()
        [False, False, False, False, False, True]
    """
    limit = positive("sensitivity", sensitivity) + 0.5
    series = as_series(values)
    known = series[~np.isnan(series)]
    if len(known) < POINTS_MIN:
        return nothing_judged(len(series), limit, "not enough data")
    first, third = (float(quartile) for quartile in np.percentile(known, [25, 75]))
    middle = first + (third - first) / 2
    spread = spread_or_floor(third - first, middle)
    deviation = np.clip((series - middle) / spread, -DEVIATION_MAX, DEVIATION_MAX)
    expected = np.where(np.isnan(series), np.nan, middle)
    fence = sensitivity * spread
    flagged = (series < first - fence) | (series > third + fence)
    return Judged(flagged, expected, deviation, np.abs(deviation) / limit, limit)


class Iqr(SortedDetector):
    """Tukey's fences of a stream: each value against the quartiles of the last `window` before it.

    Cost: O(log n) and a memory move a value; two times `window` floats.
    """

    __slots__ = ()

    def __init__(
        self, *, sensitivity: float = 1.5, window: int = 100, points_min: int = 10
    ) -> None:
        super().__init__(positive("sensitivity", sensitivity) + 0.5, window, points_min)

    @staticmethod
    def centre_and_spread(window: SortedWindow) -> tuple[float, float]:
        """The middle of the quartiles and their distance."""
        first, third = window.percentile(25), window.percentile(75)
        return first + (third - first) / 2, third - first
