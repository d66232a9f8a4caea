"""What users call: anomalies and analyses of points, as the contract has them."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from summit.base.errors import Invalid
from summit.real_time_analytics import (
    AnomalyDetectionConfig,
    TimeSeriesPoint,
    analyze_points,
    find_anomalies,
)  # fmt: skip

NOW = 1_760_000_000_000


def points(values: Any, *, step: int = 1000) -> list[dict[str, Any]]:
    return [{"timestamp": NOW + step * at, "value": value} for at, value in enumerate(values)]


def test_the_guides_example_flags_the_thousand_and_only_it() -> None:
    config = AnomalyDetectionConfig(method="zscore", sensitivity=3, threshold=3)
    (anomaly,) = find_anomalies(points([100, 105, 98, 1000]), config)
    assert (anomaly.timestamp, anomaly.value) == (NOW + 3000, 1000)
    assert anomaly.expected == pytest.approx(101)
    assert anomaly.deviation == pytest.approx(216, abs=0.5)
    assert anomaly.severity == "critical"
    assert anomaly.to_dict()["severity"] == "critical"


def test_the_accepted_tests_of_the_contract() -> None:
    draw = np.random.default_rng(1)
    calm = points([*draw.uniform(95, 105, 50), 500.0])
    first, *_ = find_anomalies(calm, {"method": "zscore", "sensitivity": 3, "threshold": 3})
    assert first.value == 500
    cycling = points([*(100 + at % 10 for at in range(50)), 1000])
    assert [a.value for a in find_anomalies(cycling, {"method": "iqr", "sensitivity": 1.5})] == [
        1000
    ]
    flat = points([100] * 20 + [500])
    config = {"method": "moving-average", "sensitivity": 2, "windowSize": 5}
    assert [a.value for a in find_anomalies(flat, config)] == [500]


@pytest.mark.parametrize(
    "method", ["zscore", "iqr", "moving-average", "isolation-forest", "mad", "esd", "ewma", "cusum"]
)
def test_every_method_flags_a_spike_with_its_defaults(method: str) -> None:
    values = 50 + np.random.default_rng(2).normal(size=200)
    values[150] = 120
    found = find_anomalies(points(values), {"method": method})
    assert NOW + 150_000 in [anomaly.timestamp for anomaly in found]
    assert found.method_used == method
    assert all(math.isfinite(a.deviation) and math.isfinite(a.expected) for a in found)


@pytest.mark.parametrize("method", ["zscore", "iqr", "mad"])
def test_a_window_judges_by_the_past_only(method: str) -> None:
    values = [
        *np.random.default_rng(3).normal(50, 1, 100),
        *np.random.default_rng(4).normal(90, 1, 100),
    ]
    found = find_anomalies(points(values), {"method": method, "windowSize": 20})
    assert NOW + 100_000 in [anomaly.timestamp for anomaly in found]
    assert found == [
        anomaly
        for anomaly in find_anomalies(points([*values, 1e9]), {"method": method, "windowSize": 20})
        if anomaly.value != 1e9
    ]


def test_order_metadata_and_what_is_missing() -> None:
    given = [TimeSeriesPoint(timestamp=at, value=at % 3) for at in range(20)]
    given.append(TimeSeriesPoint(timestamp=7.5, value=900, metadata={"host": "a"}))
    given.append(TimeSeriesPoint(timestamp=30))
    found = find_anomalies(reversed(given), {"method": "mad"})
    assert [(a.timestamp, a.event) for a in found] == [(7.5, {"host": "a"})]
    assert (found.skipped, found.reason) == (1, None)


def test_times_may_be_text() -> None:
    texts = [f"2026-01-01T00:00:0{second}Z" for second in range(5)]
    given = [{"timestamp": t, "value": v} for t, v in zip(texts, [1, 2, 1, 900, 2], strict=True)]
    (found,) = find_anomalies(given, {"method": "zscore"})
    assert found.timestamp == 1_767_225_603_000


def test_too_few_points_are_said_and_a_short_forest_is_a_zscore() -> None:
    few = find_anomalies(points([1, 2, 300]), {"method": "zscore"})
    assert (few, few.reason) == ([], "not enough data")
    short = find_anomalies(points([100, 105, 98, 1000]), {"method": "isolation-forest"})
    assert (short.method_used, [a.value for a in short]) == ("zscore", [1000])


@pytest.mark.parametrize(
    "config",
    [
        {"method": "guess"}, {"method": "zscore", "sensitivity": -1},
        {"method": "isolation-forest", "sensitivity": 3}, {"method": "zscore", "windowsize": 3},
        {"method": "isolation-forest", "threshold": 1.5}, {"method": "iqr", "windowSize": 2},
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_honoured_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        find_anomalies(points([1, 2, 3, 4]), config)


@pytest.mark.parametrize(
    "point",
    [
        {"value": 3},
        {"timestamp": "noon"},
        {"timestamp": 10**400},
        {"timestamp": math.nan},
        {"timestamp": 1, "value": "x"},
        (1, 2),
    ],
)
def test_a_point_that_is_none_is_refused(point: Any) -> None:
    with pytest.raises(Invalid):
        find_anomalies([point], {"method": "zscore"})


def test_an_analysis_tells_trend_season_and_outliers() -> None:
    at = np.arange(240)
    values = (
        0.1 * at + 5 * np.sin(2 * np.pi * at / 24) + np.random.default_rng(5).normal(0, 0.3, 240)
    )
    values[100] += 200
    analysis = analyze_points(points(values, step=3_600_000))
    assert analysis.trend == "increasing"
    assert analysis.slope == pytest.approx(0.1 / 3_600_000, rel=0.1)
    assert analysis.slope_low is not None
    assert analysis.slope_low < 0.1 / 3_600_000
    (outlier,) = analysis.outliers
    assert (outlier.timestamp, outlier.value) == (NOW + 100 * 3_600_000, values[100])
    assert outlier.expected == pytest.approx(10, abs=6)
    del values
    calm = 0.1 * at + 5 * np.sin(2 * np.pi * at / 24)
    season = analyze_points(points(calm, step=3_600_000)).seasonality
    assert season is not None
    assert season.period == 24 * 3_600_000
    assert season.strength > 0.9


def test_an_analysis_of_little() -> None:
    empty = analyze_points([])
    assert (empty.trend, empty.slope, empty.reason) == ("stable", None, "not enough data")
    flat = analyze_points(points([3, 3, None, 3, 3, 3]))
    assert (flat.trend, flat.slope, flat.seasonality, flat.outliers, flat.skipped) == (
        "stable", 0, None, [], 1,
    )  # fmt: skip
    falling = analyze_points(points(range(30, 0, -1)))
    assert falling.trend == "decreasing"


def test_without_numpy_the_error_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "import summit.stream_processing\n"
        "try:\n    import summit.real_time_analytics\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.startswith("Invalid")
    assert "pip install 'summit-streams[analytics]'" in done.stdout
