"""Averages, trends and seasons: worked examples, and slow obvious versions as oracles."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.kernels import (
    Dema,
    Ema,
    LinearTrend,
    Sma,
    Wma,
    dema,
    ema,
    linear_trend,
    robust_trend,
    seasonality,
    sma,
    wma,
)  # fmt: skip
from summit.kernels.distributions import student_two_sided

SERIES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50)
SMALL = st.lists(st.integers(-5, 5), min_size=4, max_size=25)


def test_averages_of_the_design() -> None:
    assert ema([1, 2, 3, 4], alpha=0.5)[-1] == 3.125
    assert wma([1, 2, 3, 4], 4)[-1] == 3.0
    assert dema([1, 2, 3, 4], alpha=0.5)[-1] == pytest.approx(2 * 3.125 - 2.4375)


@settings(deadline=None)
@given(SERIES, st.integers(1, 8))
def test_averages_are_their_definitions(values: list[float], window: int) -> None:
    array = np.array(values)
    simple, weighted = sma(values, window), wma(values, window)
    weights = np.arange(1, window + 1)
    for end in range(1, len(values) + 1):
        part = array[max(0, end - window) : end]
        if len(part) < window:
            assert math.isnan(simple[end - 1])
            assert math.isnan(weighted[end - 1])
        else:
            assert simple[end - 1] == pytest.approx(part.mean(), abs=1e-6)
            assert weighted[end - 1] == pytest.approx(np.average(part, weights=weights), abs=1e-6)
    alpha = 2 / (window + 1)
    assert ema(values, window) == pytest.approx(_ema(array, alpha), abs=1e-6)
    twice = 2 * _ema(array, alpha) - _ema(_ema(array, alpha), alpha)
    assert dema(values, window) == pytest.approx(twice, abs=1e-6)


def _ema(values: Any, alpha: float) -> Any:
    """In closed form: the first value keeps the weight that is left."""
    answers = []
    for end in range(len(values)):
        weights = [alpha * (1 - alpha) ** (end - place) for place in range(end + 1)]
        weights[0] = (1 - alpha) ** end
        answers.append(sum(w * v for w, v in zip(weights, values, strict=False)))
    return np.array(answers)


@pytest.mark.parametrize("make", [Sma, Wma, Ema, Dema])
def test_averages_pass_over_what_is_missing_and_can_be_stored(make: Any) -> None:
    average = make(3)
    assert average.update(None) is None
    answers = [average.update(value) for value in (1, 2, math.nan, 4)]
    assert answers[2] == answers[1]
    loaded = make.load(json.loads(json.dumps(average.dump())))
    after = [5, None, 2.5, 7]
    assert [loaded.update(v) for v in after] == [average.update(v) for v in after]


@pytest.mark.parametrize(
    "make", [lambda: Sma(0), Ema, lambda: Ema(3, alpha=0.5), lambda: Ema(alpha=1.5)]
)
def test_averages_refuse_what_makes_no_sense(make: Any) -> None:
    with pytest.raises(Invalid):
        make()


@pytest.mark.parametrize(
    ("values", "s", "z", "slope", "direction"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], 28, 3.340, 1.0, "increasing"),
        ([1, 2, 3, 100, 5, 6, 7, 8], 20, 2.351, 1.0, "increasing"),
        ([8, 7, 6, 5, 4, 3, 2, 1], -28, -3.340, -1.0, "decreasing"),
        ([5, 3, 6, 4, 5, 4], -1, 0.0, None, "stable"),
    ],
)
def test_robust_trends_of_the_design(
    values: list[int], s: int, z: float, slope: float | None, direction: str
) -> None:
    trend = robust_trend(values)
    assert (trend.s, trend.direction) == (s, direction)
    assert trend.statistic == pytest.approx(z, abs=5e-4)
    if slope is not None:
        assert trend.slope == slope
        assert trend.variance == pytest.approx(65.333, abs=1e-3)


@settings(deadline=None)
@given(SMALL, st.randoms(use_true_random=False))
def test_mann_kendall_and_theil_sen_are_their_definitions(values: list[int], draw: Any) -> None:
    times = [draw.randint(0, 12) for _ in values]
    if len(set(times)) == 1:
        assert robust_trend(values, times).reason == "not enough data"
        return
    trend = robust_trend(values, times)
    points = sorted(zip(times, values, strict=True))
    pairs = [(a, b) for a, b in combinations(points, 2) if a[0] < b[0]]
    assert trend.s == sum(np.sign(b[1] - a[1]) for a, b in pairs)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs]
    assert trend.slope == pytest.approx(np.median(slopes), abs=1e-9)
    assert trend.slope_low <= trend.slope <= trend.slope_high
    assert 0 <= trend.p_value <= 1


def test_the_variance_with_ties_is_that_of_all_orders() -> None:
    from itertools import permutations

    values, times = (1, 1, 2, 3, 3), [0, 1, 1, 2, 3]
    found = [robust_trend(order, times).s for order in permutations(values)]
    assert robust_trend(values, times).variance == pytest.approx(np.var(found))


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=4, max_size=40), st.integers(0, 2**31))
def test_the_line_is_that_of_least_squares(values: list[float], seed: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.5, 2, len(values)))
    trend = linear_trend(values, times)
    slope, intercept = np.polyfit(times, values, 1)
    assert trend.slope == pytest.approx(slope, abs=1e-6)
    assert trend.intercept == pytest.approx(intercept, abs=1e-5)
    correlation = np.corrcoef(times, values)[0, 1] if np.std(values) > 1e-3 else 0.0
    if 0.01 < abs(correlation) < 0.999:
        t = correlation * math.sqrt((len(values) - 2) / (1 - correlation**2))
        assert trend.statistic == pytest.approx(t, rel=1e-5)
        assert trend.p_value == pytest.approx(student_two_sided(t, len(values) - 2), rel=1e-4)
        # the interval ends where the slope would just not be told from it
        away = (trend.slope_high - trend.slope) / (trend.slope / trend.statistic)
        assert student_two_sided(away, len(values) - 2) == pytest.approx(0.05, rel=1e-6)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=40))
def test_the_line_of_a_stream_is_that_of_the_series(values: list[int | None]) -> None:
    stream = LinearTrend()
    for at, value in enumerate(values):
        stream.update(at, value)
        stream = LinearTrend.load(json.loads(json.dumps(stream.dump())))
    found, wanted = stream.trend(), linear_trend(values)
    assert stream.skipped == values.count(None)
    assert found.reason == wanted.reason
    if wanted.reason:
        return
    for name in ("slope", "intercept", "slope_low", "slope_high", "p_value"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("trend_of", [linear_trend, robust_trend])
def test_a_trend_among_missing_values_and_epoch_times(trend_of: Any) -> None:
    start, step = 1_760_000_000_000, 60_000
    values: list[Any] = [3.0 + 0.5 * place for place in range(40)]
    values[7], values[20] = None, math.nan
    trend = trend_of(values, [start + step * place for place in range(40)])
    assert trend.direction == "increasing"
    assert trend.slope == pytest.approx(0.5 / step)
    assert trend_of([4.2] * 30).direction == "stable"
    assert trend_of([4.2] * 30).slope == 0
    assert trend_of([1, None, 2, 3]).reason == "not enough data"
    with pytest.raises(Invalid):
        trend_of([1, 2, 3, 4], [1, 2])


@pytest.mark.parametrize("trend_of", [linear_trend, robust_trend])
def test_noise_has_a_trend_as_often_as_the_test_says(trend_of: Any) -> None:
    draw = np.random.default_rng(8)
    found = sum(trend_of(draw.normal(size=30)).direction != "stable" for _ in range(600))
    assert 0.025 < found / 600 < 0.08


def test_a_long_series_takes_part_of_the_pairs_and_says_so() -> None:
    draw = np.random.default_rng(9)
    values = 0.01 * np.arange(5000) + draw.normal(size=5000)
    trend = robust_trend(values)
    assert trend.sampled
    assert trend.slope == pytest.approx(0.01, rel=0.05)
    assert trend.slope_low < 0.01 < trend.slope_high


@pytest.mark.parametrize("period", [7, 12, 24, 60])
@pytest.mark.parametrize("shape", ["sine", "peak"])
def test_a_season_is_found_through_noise_and_trend(period: int, shape: str) -> None:
    place = np.arange(10 * period)
    wave = np.sin(2 * np.pi * place / period) if shape == "sine" else 3.0 * (place % period == 0)
    values = wave + 0.02 * place + np.random.default_rng(period).normal(0, 0.2, len(place))
    values[5] = np.nan
    found = seasonality(values)
    assert found is not None
    assert abs(found.period - period) <= 0.02 * period
    assert found.strength > 0.6


def test_where_nothing_repeats_there_is_no_season() -> None:
    draw = np.random.default_rng(10)
    found = [seasonality(draw.normal(size=200)) for _ in range(100)]
    assert sum(each is not None for each in found) <= 3
    for _ in range(100):  # random walks: whatever is said of them, it is said
        walk = seasonality(np.cumsum(draw.normal(size=200)))
        assert walk is None or (2 <= walk.period <= 67 and 0.2 <= walk.strength <= 1)
    for values in ([5.0] * 50, list(range(50)), [1.0, 2.0], [math.nan] * 40):
        assert seasonality(values) is None
