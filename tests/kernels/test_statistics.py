"""Moments, percentiles and Student's tails against numpy and closed forms, on random series."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.kernels import Moments, RollingMoments, SortedWindow, mad, median, percentile
from summit.kernels.arrays import as_series, finite, spread_or_floor
from summit.kernels.distributions import normal_two_sided, student_limit, student_two_sided

NUMBERS = st.floats(-1e6, 1e6)
SERIES = st.lists(NUMBERS, min_size=1, max_size=200)


@settings(deadline=None)
@given(SERIES, st.integers(0, 200))
def test_moments_are_numpys_however_they_were_split(values: list[float], at: int) -> None:
    left, right = Moments(), Moments.of(np.array(values[at:]))
    for value in values[:at]:
        left.add(value)
    left.merge(Moments.load(json.loads(json.dumps(right.dump()))))
    assert left.count == len(values)
    assert left.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-7)
    assert left.variance() == pytest.approx(np.var(values), rel=1e-9, abs=1e-4)
    assert (left.smallest, left.largest) == (min(values), max(values))


def test_moments_far_from_zero_do_not_cancel() -> None:
    moments = Moments()
    for value in (1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16):
        moments.add(value)
    assert moments.variance(ddof=1) == pytest.approx(30)


def test_moments_of_nothing() -> None:
    moments = Moments.load(json.loads(json.dumps(Moments().dump())))
    assert (moments.variance(), moments.stddev(ddof=1)) == (None, None)
    moments.merge(Moments())
    moments.add(3)
    assert (moments.variance(), moments.variance(ddof=1), moments.smallest) == (0, None, 3)


@settings(deadline=None)
@given(SERIES, st.integers(1, 20))
def test_rolling_moments_are_those_of_the_window(values: list[float], window: int) -> None:
    moments = RollingMoments(window)
    for end, value in enumerate(values, 1):
        moments.add(value)
        last = values[max(0, end - window) : end]
        assert moments.mean == pytest.approx(np.mean(last), rel=1e-9, abs=1e-6)
        assert moments.stddev() == pytest.approx(np.std(last), rel=1e-6, abs=1e-2)


def test_a_spike_leaves_no_trace_in_the_window_behind_it() -> None:
    moments = RollingMoments(10)
    for value in [1.0, 2.0] * 10 + [1e12] + [1.0, 2.0] * 5:
        moments.add(value)
    assert moments.stddev() == pytest.approx(0.5)
    for _ in range(10):
        moments.add(0.1)
    assert (moments.mean, moments.stddev()) == (0.1, 0)


@settings(deadline=None)
@given(SERIES, st.floats(0, 100))
def test_percentile_is_numpys(values: list[float], percent: float) -> None:
    array = np.array([math.nan, *values])
    assert percentile(array, percent) == pytest.approx(np.percentile(values, percent), abs=1e-6)
    nearest = percentile(array, percent, interpolation="nearest")
    assert nearest == np.percentile(values, percent, method="inverted_cdf")


def test_percentiles_of_the_design() -> None:
    ten = np.arange(1.0, 11)
    assert percentile(ten, 95) == pytest.approx(9.55)
    assert percentile(ten, 95, interpolation="nearest") == 10
    assert (percentile(ten, 0), percentile(ten, 100)) == (1, 10)
    four = np.array([1.0, 2, 3, 4])
    assert (percentile(four, 50), percentile(four, 50, interpolation="nearest")) == (2.5, 2)
    assert (median(np.array([math.nan])), mad(np.array([]))) == (None, None)
    for wrong in ({"percent": 101.0}, {"percent": 5.0, "interpolation": "cubic"}):
        with pytest.raises(Invalid):
            percentile(four, **wrong)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.one_of(NUMBERS, st.integers(-3, 3).map(float)), min_size=1, max_size=60),
       st.integers(1, 15))  # fmt: skip
def test_the_sorted_window_is_that_of_an_array(values: list[float], window: int) -> None:
    kept = SortedWindow(window)
    for end, value in enumerate(values, 1):
        kept.add(value)
        last = np.array(values[max(0, end - window) : end])
        assert kept.ascending == sorted(last)
        assert kept.percentile(25) == pytest.approx(np.percentile(last, 25), abs=1e-6)
        assert kept.mad() == pytest.approx(np.median(np.abs(last - np.median(last))), abs=1e-6)


def test_student_tails_are_the_closed_forms() -> None:
    for t in (0.0, 0.3, 1.0, 2.5, 19.2, 400.0):
        assert student_two_sided(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t), rel=1e-9)
        assert student_two_sided(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=1e-12)
    assert student_two_sided(2, 1e6) == pytest.approx(normal_two_sided(2), rel=1e-4)


@pytest.mark.parametrize(
    ("size", "limit"), [(4, 19.2), (5, 9.22), (7, 5.51), (12, 3.96), (32, 3.27)]
)
def test_student_limits_of_the_design(size: int, limit: float) -> None:
    assert student_limit(normal_two_sided(3), size - 2) == pytest.approx(limit, abs=0.05)


def test_what_is_no_number_is_missing() -> None:
    given_ = [1, None, math.nan, math.inf, "3", True, np.float32(2), 10**400, object()]
    assert [finite(value) for value in given_] == [
        1, None, None, None, None, None, 2, 1e150, None,
    ]  # fmt: skip
    assert np.isnan(as_series(given_)).sum() == 6
    assert as_series(np.array([1, 2])).tolist() == [1, 2]
    assert np.isnan(as_series(np.array([np.inf, np.nan]))).all()


def test_the_floor_is_only_under_what_is_rounding() -> None:
    assert spread_or_floor(10.0, 1.7e12) == 10
    assert spread_or_floor(0.0, 100) == pytest.approx(1e-4)
    assert spread_or_floor(0.0, 0.0) > 0
