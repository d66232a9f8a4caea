"""Forecasts with intervals: the simplest ways and Holt-Winters, chosen by errors out of sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from summit.base.errors import Invalid
from summit.kernels.arrays import Floats, as_series, np
from summit.kernels.distributions import normal_quantile
from summit.kernels.settings import whole

POINTS_MIN = 8
_POINTS_MAX = 2000
_ORIGINS = 3
_DAMPING = 0.95
_ALPHAS, _BETAS, _GAMMAS = (0.1, 0.3, 0.6, 0.9), (0.0, 0.1), (0.05, 0.3)


@dataclass(frozen=True)
class Forecast:
    """What comes next, step by step.

    `method` is `naive` (the last value stays), `seasonal-naive` (the last season comes again) or
    `holt-winters` (damped trend, additive season): the one with the smallest mean absolute error
    over steps that it had not seen. `error` is that error in units of the mean step between
    neighbours (MASE: below 1 is better than naive one step ahead). `lower`..`upper` holds a value
    with chance `level`, if the noise is normal.

    Shape: `values`, `lower`, `upper` (horizon,).
    """

    method: str
    values: Floats
    lower: Floats
    upper: Floats
    level: float
    error: float


def forecast(
    values: Iterable[Any], horizon: int, *, period: int | None = None, level: float = 0.95
) -> Forecast | None:
    """The next values of a series at even steps; None of fewer than eight values.

    Missing values are filled along straight lines; of more than 2,000 the last ones count.

    Args:
        horizon: Steps ahead.
        period: Of the season in values, if there is one.
        level: Of the intervals.
    Shape: (n,)
    Raises: Invalid("config.invalid").
    Source: intervals by Hyndman, Koehler, Ord and Snyder 2005, class 1.
    """
    whole("horizon", horizon, 1)
    if not 0 < level < 1:
        reason = f"level {level!r} is not between 0 and 1"
        raise Invalid("config.invalid", reason=reason, pointer="")
    series = as_series(values)[-_POINTS_MAX:]
    known = np.flatnonzero(~np.isnan(series))
    if len(known) < POINTS_MIN:
        return None
    places = np.arange(known[0], known[-1] + 1)
    y = np.interp(places, known, series[known])
    m = whole("period", period, 2) if period is not None else 1
    ways = ["naive", "holt-winters"]
    if m > 1 and len(y) >= 2 * m + 2:
        ways.append("seasonal-naive")
    else:
        m = 1
    errors = {way: _error(y, way, m, horizon) for way in ways}
    way = min(ways, key=lambda each: errors[each])
    ahead, spread = _ahead(y, way, m, horizon)
    reach = normal_quantile((1 + level) / 2) * spread
    step = float(np.abs(np.diff(y)).mean()) or 1.0
    return Forecast(way, ahead, ahead - reach, ahead + reach, level, errors[way] / step)


def _error(y: Floats, way: str, m: int, horizon: int) -> float:
    """The mean absolute error over the last steps, from up to three places before them."""
    reach = max(1, min(horizon, len(y) // 4, max(m, 12)))
    errors = []
    for origin in range(_ORIGINS):
        end = len(y) - reach * (origin + 1)
        if end < max(POINTS_MIN // 2, 2 * m + 1 if m > 1 else 4):
            break
        ahead, _ = _ahead(y[:end], way, m, reach)
        errors.append(float(np.abs(y[end : end + reach] - ahead).mean()))
    return sum(errors) / len(errors) if errors else math.inf


def _ahead(y: Floats, way: str, m: int, horizon: int) -> tuple[Floats, Floats]:
    """The forecasts, and the standard deviation of each."""
    steps = np.arange(1, horizon + 1)
    if way == "naive":
        sigma = float(np.sqrt(np.mean(np.diff(y) ** 2)))
        return np.full(horizon, y[-1]), sigma * np.sqrt(steps)
    if way == "seasonal-naive":
        sigma = float(np.sqrt(np.mean((y[m:] - y[:-m]) ** 2)))
        return y[len(y) - m + (steps - 1) % m], sigma * np.sqrt((steps - 1) // m + 1)
    return _holt_winters(y, m, horizon)


def _holt_winters(y: Floats, m: int, horizon: int) -> tuple[Floats, Floats]:
    listed = y.tolist()
    gammas = _GAMMAS if m > 1 else (0.0,)
    fits = (_smoothed(listed, m, a, b, g) for a, b, g in product(_ALPHAS, _BETAS, gammas))
    square, level, trend, season, (alpha, beta, gamma) = min(fits, key=lambda fit: fit[0])
    steps = np.arange(1, horizon + 1)
    damped = np.cumsum(_DAMPING**steps)
    place = (len(y) + steps - 1) % m
    ahead = level + damped * trend + np.array(season)[place]
    grows = alpha * (1 + beta * damped) + gamma * (1 - alpha) * (steps % m == 0) * (m > 1)
    variance = square * np.concatenate([[1.0], 1 + np.cumsum(grows[:-1] ** 2)])
    return ahead, np.sqrt(variance)


def _smoothed(
    y: list[float], m: int, alpha: float, beta: float, gamma: float
) -> tuple[float, float, float, list[float], tuple[float, float, float]]:
    """Mean square of the one-step errors, and level, trend and season at the end."""
    first = min(2 * m, len(y)) if m > 1 else 1
    level = sum(y[:first]) / first
    season = [0.0] * m
    if m > 1:
        halves = [sum(y[:m]) / m, sum(y[m : 2 * m]) / m]
        season = [(y[n] - halves[0] + y[n + m] - halves[1]) / 2 for n in range(m)]
        level = halves[1]
    trend, total, damping = 0.0, 0.0, _DAMPING
    for n in range(first, len(y)):
        place = n % m
        before = level + damping * trend
        error = y[n] - before - season[place]
        total += error * error
        level = before + alpha * error
        trend = damping * trend + alpha * beta * error
        season[place] += gamma * (1 - alpha) * error
    return total / max(len(y) - first, 1), level, trend, season, (alpha, beta, gamma)
