"""`analyze_points`: trend, seasonality and outliers of a time series in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from summit.base.config import Config
from summit.kernels.arrays import Floats, np
from summit.kernels.detectors.anomalies import Anomaly, find_anomalies
from summit.kernels.points import Points, TimeSeriesPoint
from summit.kernels.series.robust_trend import robust_trend
from summit.kernels.series.seasonality import POINTS_MIN, seasonality

_GRID_MAX = 10


class SeasonalPattern(Config, frozen=True, kw_only=True):
    """After how long a series repeats itself (ms), and the share of variation that explains."""

    period: float
    strength: float


class TimeSeriesAnalysis(Config, frozen=True, kw_only=True):
    """What can be said of a time series.

    Args:
        trend: `stable` unless a trend is significant at 5 % (Mann-Kendall).
        slope: Theil-Sen, per millisecond; `slope_low`..`slope_high` holds it with 95 %.
        p_value: Of the trend.
        seasonality: None where the series shows none.
        outliers: Values more than 3.5 robust standard deviations from the median, once the trend,
            if there is one, is taken away.
        reason: Why no trend could be told: fewer than four values.
        skipped: Values that are no finite numbers.
    """

    trend: Literal["increasing", "decreasing", "stable"]
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    p_value: float | None
    seasonality: SeasonalPattern | None
    outliers: list[Anomaly]
    reason: str | None
    skipped: int


def analyze_points(points: Iterable[TimeSeriesPoint | Mapping[str, Any]]) -> TimeSeriesAnalysis:
    """Trend, seasonality and outliers; the points may come in any order of time.

    Raises: Invalid("config.invalid"), ("config.unknown_key").

    Example:
        >>> points = [{"timestamp": at, "value": 5 + 2 * at} for at in range(20)]
        >>> analysis = analyze_points(points)
        >>> analysis.trend, analysis.slope, analysis.outliers
        ('increasing', 2.0, [])
    """
    series = Points(points)
    trend = robust_trend(series.values, series.times)
    line = np.zeros(len(series.values))
    if trend.direction != "stable" and trend.slope is not None and trend.intercept is not None:
        line = trend.intercept + trend.slope * series.times
    return TimeSeriesAnalysis(
        trend=trend.direction,  # type: ignore[arg-type]
        slope=trend.slope, slope_low=trend.slope_low, slope_high=trend.slope_high,
        p_value=trend.p_value, seasonality=_seasonal_pattern(series),
        outliers=_outliers(series, line), reason=trend.reason, skipped=series.skipped,
    )  # fmt: skip


def _outliers(series: Points, line: Floats) -> list[Anomaly]:
    """Those of the values less the line, told in the values' own terms."""
    moved = [
        {"timestamp": place, "value": None if np.isnan(value) else float(value)}
        for place, value in enumerate(series.values - line)
    ]
    outliers = []
    for found in find_anomalies(moved, {"method": "mad"}):
        place = int(found.timestamp)
        point = series.given[place]
        outliers.append(
            found.replace(
                timestamp=point.timestamp, value=point.value, event=point.metadata,
                expected=found.expected + float(line[place]),
            )
        )  # fmt: skip
    return outliers


def _seasonal_pattern(series: Points) -> SeasonalPattern | None:
    """The season of the values at even steps, the usual distance between two of them."""
    known = ~np.isnan(series.values)
    times, values = series.times[known], series.values[known]
    if len(times) < POINTS_MIN:
        return None
    steps = np.diff(times)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if not step or (times[-1] - times[0]) / step > _GRID_MAX * len(times):
        return None
    even = np.arange(times[0], times[-1] + step / 2, step)
    found = seasonality(np.interp(even, times, values))
    if found is None:
        return None
    return SeasonalPattern(period=found.period * step, strength=found.strength)
