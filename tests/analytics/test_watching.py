"""Anomalies and trends of a query's own results: every method, across a dump, and forgotten."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.analytics.queries import Row, moved, plan_of, run

from summit.analytics.found import Found
from summit.analytics.runner import QueryRunner
from summit.documents.anomaly import METHODS

WINDOW = {"type": "tumbling", "size": 10}


def metric(method: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "sum", "field": "v", "function": "sum", "trend": {"results": 8},
        "anomaly": {"method": method, **more},
    }  # fmt: skip


def rows(seed: int, count: int) -> list[Row]:
    rng = random.Random(seed)
    values = [100 + rng.gauss(0, 2) for _ in range(count)]
    values[count - 10 :] = [value + 60 for value in values[count - 10 :]]
    return [(n * 10, key, value) for n, value in enumerate(values) for key in ("a", "b")]


def said(found: list[Found]) -> list[dict[str, Any]]:
    return [one.watched["sum"]["anomaly"] for one in found if one.key == "a"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on_after_a_dump(method: str) -> None:
    plan = plan_of(WINDOW, metric(method))
    count = 1_200 if method in ("spot", "dspot", "half-space-trees") else 160  # they learn for long
    events = rows(3, count)
    whole = run(QueryRunner(plan), events)
    runner = QueryRunner(plan)
    half = run(runner, events[:count], end=False)
    runner = moved(runner, plan)
    assert [*half, *run(runner, events[count:])] == whole
    flagged = [place for place, anomaly in enumerate(said(whole)) if anomaly["flagged"]]
    assert any(place >= count - 10 for place in flagged), f"{method} does not see the step"
    first = next(one for one in said(whole)[count - 10 :] if one["flagged"])
    assert first["severity"] in ("low", "medium", "high", "critical")
    assert "expected" in first["explanation"]


def test_a_trend_is_that_of_the_last_results() -> None:
    plan = plan_of(WINDOW, metric("mad"))
    falling = [(n * 10, "a", 500 - n) for n in range(30)]
    rising = [(300 + n * 10, "a", 2 * n) for n in range(30)]
    found = run(QueryRunner(plan), [*falling, *rising])
    trends = [one.watched["sum"]["trend"] for one in found]
    assert trends[0]["direction"] == "stable"
    assert trends[25]["direction"] == "decreasing"
    assert trends[-1]["direction"] == "increasing"
    assert trends[-1]["slope"] == pytest.approx(0.2)


def test_what_was_learned_of_a_silent_group_is_forgotten() -> None:
    plan = plan_of(WINDOW, metric("mad"), limits={"idle": 1_000})
    runner = QueryRunner(plan)
    run(runner, [(n * 10, "a", 1) for n in range(5)], end=False)
    runner.advance(60)
    assert (len(runner.keeper.states), len(runner.keeper.watches)) == (0, 1)
    assert runner.keeper.all_keys() == ["a"]
    runner.keeper.dirty.clear()
    runner.advance(1_060)
    assert runner.keeper.all_keys() == []
    assert runner.keeper.dirty == {"a"}
    assert runner.keeper.dump("a") is None
