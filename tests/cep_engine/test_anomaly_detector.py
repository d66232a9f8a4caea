"""`AnomalyDetector`: values of a field against the others, held to the statistics module."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.cep_engine import AnomalyDetector


def detect(detector: AnomalyDetector, values: list[Any], field: str = "bytes") -> Any:
    events = [{"eventType": "x", "n": n, "bytes": value} for n, value in enumerate(values)]
    return asyncio.run(detector.detect_anomalies(events, field))


def listened(detector: AnomalyDetector, name: str = "anomaly:detected") -> list[Any]:
    told: list[Any] = []
    detector.on(name, told.append)
    return told


def test_each_value_is_judged_by_the_others() -> None:
    chance = random.Random(5)
    for _ in range(20):
        values = [chance.gauss(100, 10) for _ in range(chance.randint(10, 60))]
        values[chance.randrange(len(values))] = chance.choice([30.0, 300.0])
        detector = AnomalyDetector(threshold=2.5)
        told = listened(detector)
        found = detect(detector, values)
        expected = {}
        for n, value in enumerate(values):
            others = values[:n] + values[n + 1 :]
            spread = statistics.stdev(others) * math.sqrt(1 + 1 / len(others))
            score = (value - statistics.mean(others)) / spread
            if abs(score) > 2.5:
                expected[n] = score
        assert [event["n"] for event in found] == list(expected)
        assert [one.z_score for one in told] == pytest.approx(list(expected.values()))
        assert all(one.event["bytes"] == one.value and one.field == "bytes" for one in told)


def test_the_baseline_stays_from_call_to_call() -> None:
    detector = AnomalyDetector()
    told = listened(detector)
    assert detect(detector, [10, 11, 9, 10, 12, 10, 11, 9, 10, 11]) == []
    assert [event["bytes"] for event in detect(detector, [90])] == [90]
    assert told[0].z_score > 3
    assert 10 < told[0].expected < 11
    assert [event["bytes"] for event in detect(detector, [90])] == [90]  # it was not learnt
    assert detect(detector, [10]) == []
    assert detector.stats["anomalies"] == 2
    learning = AnomalyDetector(learn_anomalies=True)
    detect(learning, [10, 11, 9, 10, 12, 10, 11, 9, 10, 11])
    rounds = [bool(detect(learning, [90])) for _ in range(12)]
    assert rounds[0]
    assert not rounds[-1]


def test_too_few_values_are_said_to_be_too_few() -> None:
    detector = AnomalyDetector()
    told = listened(detector, "anomaly:not_enough_data")
    found = detect(detector, [1, 1, 1, 1, 1, 1, 1, 1, 999])
    assert (found, found.reason, found.unjudged) == ([], "not enough data", 9)
    assert [(one.field, one.count, one.needed) for one in told] == [("bytes", 9, 10)]
    assert detector.stats["unjudged"] == 9
    assert detect(detector, [1]).reason is None


def test_a_jump_in_a_constant_series_has_a_finite_score() -> None:
    detector = AnomalyDetector()
    told = listened(detector)
    assert [event["n"] for event in detect(detector, [5] * 20 + [6])] == [20]
    assert math.isfinite(told[0].z_score)
    assert told[0].severity == "critical"


def test_what_is_no_number_is_skipped_and_what_is_no_event_is_told() -> None:
    detector = AnomalyDetector()
    rejected = listened(detector, "event:rejected")
    values = [1.0, 2.0, "3", None, True, math.pi, 1e300, 2, 1, 2, 1, 2, 1, 2, 500]
    found = detect(detector, values)
    assert [event["n"] for event in found] == [14]
    assert found.skipped == 4
    bad = asyncio.run(detector.detect_anomalies([b"{", "[1]", 7], "bytes"))
    assert (bad, len(rejected)) == ([], 3)
    with pytest.raises(Invalid):
        asyncio.run(detector.detect_anomalies([], "a..b"))


def test_groups_have_baselines_of_their_own_and_the_oldest_leaves() -> None:
    detector = AnomalyDetector(group_by=["host"], groups_max=2)
    told = listened(detector)

    def send(host: str, values: list[int]) -> Any:
        events = [{"host": host, "data": {"bytes": value}} for value in values]
        return asyncio.run(detector.detect_anomalies(events, "bytes"))

    send("a", [10, 11, 9, 10, 12, 10, 11, 9, 10, 11])
    send("b", [1010, 1011, 1009, 1010, 1012, 1010, 1011, 1009, 1010, 1011])
    assert send("b", [1012]) == []
    assert len(send("a", [1012])) == 1
    assert told[0].key == ["a"]
    assert send("c", [1]).reason is not None
    assert detector.stats["evicted"] == 1
    assert send("b", [1012]).reason is not None  # it was the oldest


def test_what_it_cannot_do_is_refused() -> None:
    settings: dict[str, Any]
    for settings in ({"threshold": 0}, {"window": 3}, {"groups_max": 0}):
        with pytest.raises(Invalid):
            AnomalyDetector(**settings)


def test_the_window_bounds_the_baseline() -> None:
    detector = AnomalyDetector(window=10)
    detect(detector, [0, 1] * 500)
    detect(detector, [100 + n % 2 for n in range(10)])  # all others of their call are like them
    assert detector.stats["baselines"] == 1
    ((name, baseline),) = detector._baselines.items()
    assert (name[0], len(baseline)) == ("bytes", 10)
