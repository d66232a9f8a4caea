"""Robust z-score: distance from the median in robust standard deviations (MAD)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from summit.kernels.arrays import DEVIATION_MAX, as_series, np, spread_or_floor
from summit.kernels.detectors.judged import Judged, nothing_judged
from summit.kernels.detectors.sorted_detector import SortedDetector
from summit.kernels.order_statistics import MAD_TO_SIGMA, SortedWindow
from summit.kernels.settings import positive

POINTS_MIN = 4


def robust_zscore(values: Iterable[Any], *, threshold: float = 3.5) -> Judged:
    """(v - median) / (1.4826 * MAD) of the whole series; outliers do not hide each other.

    It needs 4 values.

    Shape: (n,) in, arrays (n,) out.
    Raises: Invalid("config.invalid").
    Source: Iglewicz and Hoaglin 1993.

    Example:
        >>> robust_zscore([100, 105, 98, 1000, 1000, 102, 99]).flagged.tolist()
        [False, False, False, True, True, False, False]
    """
    positive("threshold", threshold)
    series = as_series(values)
    known = series[~np.isnan(series)]
    if len(known) < POINTS_MIN:
        return nothing_judged(len(series), threshold, "not enough data")
    centre = float(np.median(known))
    spread = spread_or_floor(MAD_TO_SIGMA * float(np.median(np.abs(known - centre))), centre)
    deviation = np.clip((series - centre) / spread, -DEVIATION_MAX, DEVIATION_MAX)
    expected = np.where(np.isnan(series), np.nan, centre)
    ratio = np.abs(deviation) / threshold
    return Judged(ratio > 1, expected, deviation, ratio, threshold)


class RobustZScore(SortedDetector):
    """Robust z-score of a stream: each value against the last `window` before it.

    Cost: O(log n) and a memory move a value; two times `window` floats.
    """

    __slots__ = ()

    def __init__(self, *, threshold: float = 3.5, window: int = 100, points_min: int = 10) -> None:
        super().__init__(positive("threshold", threshold), window, points_min)

    @staticmethod
    def centre_and_spread(window: SortedWindow) -> tuple[float, float]:
        """The median and the robust standard deviation."""
        return window.percentile(50), MAD_TO_SIGMA * window.mad()
