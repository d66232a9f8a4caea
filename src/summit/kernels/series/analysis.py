"""`analyze_points`: trend, season, changes, outliers and forecast of a series in one answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from summit.base.config import Config
from summit.kernels.arrays import Floats, np
from summit.kernels.detectors.anomalies import Anomaly, find_anomalies
from summit.kernels.points import Points, TimeSeriesPoint
from summit.kernels.series.change_points import PENALTY, change_points, noise_of
from summit.kernels.series.forecast import forecast
from summit.kernels.series.robust_trend import robust_trend
from summit.kernels.series.seasonality import seasonality

HORIZON = 10
_GRID_MAX = 10


class SeasonalPattern(Config, frozen=True, kw_only=True):
    """After how long a series repeats itself (ms), and the share of variation that explains."""

    period: float
    strength: float


class ChangePoint(Config, frozen=True, kw_only=True):
    """A time from which on the values are on another level: the means before and after it."""

    timestamp: int | float
    before: float
    after: float


class Prediction(Config, frozen=True, kw_only=True):
    """A value to come; `lower`..`upper` holds it with 95 %, if the noise is normal."""

    timestamp: float
    value: float
    lower: float
    upper: float


class TimeSeriesAnalysis(Config, frozen=True, kw_only=True):
    """What can be said of a time series.

    Args:
        trend: `stable` unless a trend is significant at 5 % (Mann-Kendall).
        slope: Theil-Sen, per millisecond; `slope_low`..`slope_high` holds it with 95 %.
        p_value: Of the trend.
        seasonality: None where the series shows none.
        outliers: Values more than 3.5 robust standard deviations from the median, once the trend,
            if there is one, is taken away.
        change_points: Where the level changes, the season taken away; none where a straight line
            says as much.
        forecast: What comes next at the usual step, with `forecast_method` (`naive`,
            `seasonal-naive`, `holt-winters`), chosen by `forecast_error`: the mean absolute error
            over steps it had not seen, in mean steps between neighbours. Empty where there are
            fewer than eight values, or hardly any for the time they span.
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
    change_points: list[ChangePoint]
    forecast: list[Prediction]
    forecast_method: str | None
    forecast_error: float | None
    reason: str | None
    skipped: int


def analyze_points(
    points: Iterable[TimeSeriesPoint | Mapping[str, Any]], *, horizon: int = HORIZON
) -> TimeSeriesAnalysis:
    """Trend, season, changes, outliers, and `horizon` steps of forecast (0 for none).

    The points may come in any order of time.

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
    even = _even(series)
    found = None if even is None else seasonality(even.values)
    period = None if found is None else found.period
    pattern = None
    if even is not None and found is not None:
        pattern = SeasonalPattern(period=found.period * even.step, strength=found.strength)
    predictions, method, error = _predictions(even, period, horizon)
    return TimeSeriesAnalysis(
        trend=trend.direction,  # type: ignore[arg-type]
        slope=trend.slope, slope_low=trend.slope_low, slope_high=trend.slope_high,
        p_value=trend.p_value, seasonality=pattern,
        outliers=_outliers(series, line), change_points=_changes(even, period),
        forecast=predictions, forecast_method=method, forecast_error=error,
        reason=trend.reason, skipped=series.skipped,
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


class _Even(NamedTuple):
    """Values at even steps, the usual distance between two of them."""

    begin: float
    step: float
    values: Floats

    def at(self, place: int) -> float:
        return self.begin + place * self.step


def _even(series: Points) -> _Even | None:
    known = ~np.isnan(series.values)
    times, values = series.times[known], series.values[known]
    if len(times) < 2:
        return None
    steps = np.diff(times)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if not step or (times[-1] - times[0]) / step > _GRID_MAX * len(times):
        return None
    even = np.arange(times[0], times[-1] + step / 2, step)
    return _Even(float(times[0]), step, np.interp(even, times, values))


def _changes(even: _Even | None, period: int | None) -> list[ChangePoint]:
    """Those that say more of the values, the season taken away, than a straight line does."""
    if even is None:
        return []
    flat = even.values
    if period is not None:
        flat = _without_season(flat, period)
    cuts = change_points(flat)
    if not cuts:
        return []
    parts = np.split(flat, cuts)
    cost = PENALTY * math.log(len(flat)) * noise_of(flat) ** 2
    levels = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) + cost * len(cuts)
    places = np.arange(len(flat)) - (len(flat) - 1) / 2
    raised = flat - flat.mean()
    line = places * float(places @ raised) / float(places @ places)
    if levels >= float(((raised - line) ** 2).sum()) + cost:
        return []
    means = [float(part.mean()) for part in parts]
    return [
        ChangePoint(timestamp=even.at(cut), before=before, after=after)
        for cut, before, after in zip(cuts, means[:-1], means[1:], strict=True)
    ]


def _without_season(values: Floats, period: int) -> Floats:
    """The values less the median of each phase around the mean of a period: no level moves it."""
    means = np.lib.stride_tricks.sliding_window_view(values, period).mean(axis=1)
    before = (period - 1) // 2
    middle = np.clip(np.arange(len(values)) - before, 0, len(means) - 1)
    moved = values - means[middle]
    season = np.array([float(np.median(moved[phase::period])) for phase in range(period)])
    flat: Floats = values - season[np.arange(len(values)) % period]
    return flat


def _predictions(
    even: _Even | None, period: int | None, horizon: int
) -> tuple[list[Prediction], str | None, float | None]:
    found = forecast(even.values, horizon, period=period) if even is not None and horizon else None
    if even is None or found is None:
        return [], None, None
    rows = zip(found.values.tolist(), found.lower.tolist(), found.upper.tolist(), strict=True)
    ahead = [
        Prediction(timestamp=even.at(place), value=value, lower=lower, upper=upper)
        for place, (value, lower, upper) in enumerate(rows, len(even.values))
    ]
    return ahead, found.method, found.error
