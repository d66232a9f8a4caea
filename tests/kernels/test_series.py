"""Change points, forecasts, resampling, live series: oracles by brute force, and known cases."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.kernels import LiveSeries, analyze_points, change_points, forecast, resample
from summit.kernels.series.change_points import noise_of


def draws(size: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=size)


# ---- change points ----


def test_levels_are_told_apart_and_noise_is_not() -> None:
    for seed in range(10):
        values = draws(600, seed)
        assert change_points(values) == []
        values[200:] += 2
        values[400:] -= 4
        first, second = change_points(values)
        assert abs(first - 200) < 5
        assert abs(second - 400) < 5


def _cheapest(z: Any, cost: float, size_min: int) -> list[int]:
    """Every division tried, by dynamic programming without pruning."""
    best: dict[int, tuple[float, list[int]]] = {0: (-cost, [])}
    for end in range(size_min, len(z) + 1):
        options = []
        for begin, (before, cuts) in best.items():
            if end - begin >= size_min:
                part = z[begin:end]
                within = float(((part - part.mean()) ** 2).sum())
                options.append((before + cost + within, [*cuts, begin] if begin else cuts))
        best[end] = min(options, key=lambda option: option[0])
    return best[len(z)][1]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-6, 6), min_size=10, max_size=30), st.integers(2, 5))
def test_change_points_are_the_cheapest_division(values: list[int], size_min: int) -> None:
    known = np.array(values, float) + draws(len(values)) / 10
    z = (known - np.median(known)) / noise_of(known)
    wanted = _cheapest(z, 4 * math.log(len(z)), size_min)
    assert change_points(known, size_min=size_min) == wanted


def test_change_points_keep_their_place_beside_missing_values_and_in_long_series() -> None:
    values = [*draws(50, 1).tolist(), None, math.nan, *(draws(50, 2) + 9).tolist()]
    assert change_points(values) == [52]
    long = draws(20_000)
    long[12_000:] += 3
    [place] = change_points(long)
    assert abs(place - 12_000) <= 8
    assert change_points([1.0] * 300) == []
    assert change_points([]) == []
    assert change_points([5.0] * 40 + [7.0] * 40) == [40]


# ---- forecast ----


def test_a_season_is_continued_and_a_walk_is_not() -> None:
    places = np.arange(300)
    wave = 10 * np.sin(places * 2 * np.pi / 24) + 0.05 * places + draws(300) / 2
    found = forecast(wave[:276], 24, period=24)
    assert found is not None
    assert np.abs(found.values - wave[276:]).mean() < 1
    assert ((wave[276:] > found.lower) & (wave[276:] < found.upper)).mean() > 0.9
    walk = np.cumsum(draws(300))
    ahead = forecast(walk, 10)
    assert ahead is not None
    assert abs(ahead.values[-1] - walk[-1]) < 3
    width = ahead.upper - ahead.lower
    assert (np.diff(width) > 0).all()


@pytest.mark.parametrize("is_walk", [False, True])
def test_intervals_hold_about_as_often_as_they_say(is_walk: bool) -> None:
    held = []
    for seed in range(60):
        values = draws(120, seed)
        values = np.cumsum(values) if is_walk else 5 + values
        found = forecast(values[:110], 10)
        assert found is not None
        held.append(((values[110:] > found.lower) & (values[110:] < found.upper)).mean())
    assert 0.88 < np.mean(held) <= 0.995


def test_the_seasonal_naive_way_wins_where_a_season_merely_comes_again() -> None:
    pattern = np.tile(np.random.default_rng(1).integers(0, 100, 7), 20).astype(float)
    found = forecast(pattern, 14, period=7)
    assert found is not None
    assert np.allclose(found.values, pattern[:14], atol=1e-6)
    assert found.error < 0.01


@pytest.mark.parametrize("values", [[], [1.0] * 7, [None] * 50])
def test_of_too_little_there_is_no_forecast(values: list[Any]) -> None:
    assert forecast(values, 3) is None


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.none()), min_size=8, max_size=60),
    st.sampled_from([None, 2, 5, 40]),
)
def test_every_forecast_is_finite(values: list[Any], period: int | None) -> None:
    found = forecast(values, 5, period=period)
    if found is not None:
        assert np.isfinite([found.values, found.lower, found.upper]).all()
        assert (found.lower <= found.upper).all()


# ---- resampling ----

POINTS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-9, 9)), min_size=1, max_size=40)


@settings(deadline=None)
@given(POINTS, st.integers(1, 20))
def test_steps_hold_what_falls_into_them(points: list[tuple[int, int]], step: int) -> None:
    by_step: dict[int, list[int]] = {}
    for at, value in sorted(points, key=lambda point: point[0]):
        by_step.setdefault(at // step * step, []).append(value)
    times, values = zip(*points, strict=True)
    functions = {
        "mean": np.mean, "sum": sum, "min": min, "max": max, "median": np.median, "count": len,
        "first": lambda part: part[0], "last": lambda part: part[-1],
    }  # fmt: skip
    for name, function in functions.items():
        starts, made = resample(times, values, step, function=name, fill="none")
        assert starts.tolist() == sorted(by_step)
        assert made.tolist() == pytest.approx([function(by_step[at]) for at in sorted(by_step)])
    starts, zeros = resample(times, values, step, function="sum", fill="zero")
    assert (np.diff(starts) == step).all()
    assert zeros.sum() == pytest.approx(sum(values))


def test_gaps_are_filled_as_asked_and_no_longer_ones() -> None:
    times, values = [0, 1000, 4000, 9000], [1, 2, 8, 3]
    nan = math.nan
    for fill, gap, wanted in [
        ("null", None, [1, 2, nan, nan, 8, nan, nan, nan, nan, 3]),
        ("last", None, [1, 2, 2, 2, 8, 8, 8, 8, 8, 3]),
        ("linear", None, [1, 2, 4, 6, 8, 7, 6, 5, 4, 3]),
        ("linear", 3000, [1, 2, 4, 6, 8, nan, nan, nan, nan, 3]),
        ("last", 4000, [1, 2, 2, 2, 8, nan, nan, nan, nan, 3]),
        ("zero", None, [1, 2, 0, 0, 8, 0, 0, 0, 0, 3]),
    ]:
        _, made = resample(times, values, 1000, fill=fill, gap_max_ms=gap)
        assert np.allclose(made, wanted, equal_nan=True), fill


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: resample([0], [1], 0), lambda: resample([0], [1, 2], 5),
        lambda: resample([0, 1e12], [1, 2], 1), lambda: resample([0], [1], 5, function="mode"),
        lambda: resample([0], [1], 5, fill="guess"), lambda: forecast([1] * 9, 0),
        lambda: forecast([1] * 9, 2, level=1), lambda: change_points([1] * 9, penalty=0),
        lambda: LiveSeries(1),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid):
        wrong()


# ---- all in one ----


def test_an_analysis_tells_changes_and_what_comes_next() -> None:
    wave = 10 * np.sin(np.arange(288) * 2 * np.pi / 24) + draws(288) / 2
    wave[150:] += 20
    points = [{"timestamp": 60_000 * n, "value": v} for n, v in enumerate(wave.tolist())]
    analysis = analyze_points(points, horizon=24)
    [change] = analysis.change_points
    assert abs(change.timestamp / 60_000 - 150) <= 2
    assert change.after - change.before == pytest.approx(20, abs=2)
    assert [p.timestamp for p in analysis.forecast] == [60_000 * n for n in range(288, 312)]
    assert analysis.forecast_method is not None
    assert analysis.forecast_error is not None
    coming = 20 + 10 * np.sin(np.arange(288, 312) * 2 * np.pi / 24)
    assert np.abs(np.array([p.value for p in analysis.forecast]) - coming).mean() < 3
    assert analyze_points(points, horizon=0).forecast == []


def test_a_slope_is_no_row_of_changes() -> None:
    values = np.arange(200) * 0.5 + draws(200)
    points = [{"timestamp": n, "value": v} for n, v in enumerate(values.tolist())]
    analysis = analyze_points(points)
    assert (analysis.trend, analysis.change_points) == ("increasing", [])


def test_a_live_series_says_the_same_after_dump_and_load() -> None:
    series = LiveSeries(points_max=50)
    for n, value in enumerate(draws(80).tolist()):
        series.add(n * 1000, value)
    loaded = LiveSeries.load(json.loads(json.dumps(series.dump())))
    assert len(loaded) == 50
    assert loaded.analyze() == series.analyze()
    loaded.add(80_000, None)
    assert loaded.analyze().skipped == 1
    with pytest.raises(Invalid):
        series.add(math.inf, 1)
