"""Windows and metrics against a recompute from scratch: any order, any batches, dumped half-way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.analytics import reference
from tests.analytics.queries import Row, moved, plan_of, run

from summit.analytics.found import Found
from summit.analytics.runner import QueryRunner
from summit.documents.query_plan import QueryPlan

FUNCTIONS = (
    "sum", "avg", "min", "max", "stddev", "variance", "percentile", "median", "distinct", "first",
    "last", "topK", "mode", "collect",
)  # fmt: skip
ALL = [
    {"name": "n", "function": "count"},
    {"name": "sample", "field": "v", "function": "stddev", "ddof": 1},
    {"name": "p95", "field": "v", "function": "percentile", "percentile": 95},
    {"name": "near", "field": "v", "function": "percentile", "percentile": 30,
     "interpolation": "nearest"},
    {"name": "share", "function": "ratio", "of": ["sum", "n"]},
    *({"name": name, "field": "v", "function": name} for name in FUNCTIONS),
]  # fmt: skip


def draw(rng: random.Random, count: int, *, disorder: int, step: int = 6) -> list[Row]:
    at = rng.randint(-50, 50)
    found: list[Row] = []
    for _ in range(count):
        at += rng.choice([0, 1, 1, 2, rng.randint(0, step), rng.choice([0, 0, 0, 40])])
        value: Any = rng.choice(
            [rng.randint(-5, 5), rng.randint(-5, 5), rng.uniform(-9, 9), 0.1, None, "x", True]
        )
        found.append((at - rng.randint(0, disorder), rng.choice(["a", "b", 1, None]), value))
    return found


def check_metrics(metrics: dict[str, Any], values: list[Any]) -> None:
    """The values in order of arrival; first, last and collect are looked at elsewhere."""
    numbers = [v for v in values if type(v) in (int, float)]
    there = [v for v in values if v is not None]
    assert metrics["n"] == len(values)
    assert metrics["sum"] == pytest.approx(sum(numbers), abs=1e-9)
    assert metrics["share"] == pytest.approx(sum(numbers) / len(values), abs=1e-9)
    apart = {(type(v) in (int, float) and "number") or type(v).__name__ for v in there}
    assert len(apart) <= metrics["distinct"] <= len(there)
    counts = Counter((type(v) in (int, float), type(v) is bool, v) for v in there)
    assert metrics["distinct"] == len(counts)
    assert sum(row["count"] for row in metrics["topK"]) <= len(there)
    if there:
        assert metrics["topK"][0]["count"] == max(counts.values())
        assert metrics["mode"] == metrics["topK"][0]["value"]
    if not numbers:
        none = ("avg", "min", "max", "stddev", "variance", "p95", "median", "near", "sample")
        assert all(metrics[name] is None for name in none)
        return
    array = np.array(numbers, float)
    assert metrics["avg"] == pytest.approx(array.mean(), abs=1e-12)
    assert (metrics["min"], metrics["max"]) == (array.min(), array.max())
    assert metrics["variance"] == pytest.approx(array.var(), abs=1e-12)
    assert metrics["stddev"] == pytest.approx(array.std(), abs=1e-7)
    if len(array) > 1:
        assert metrics["sample"] == pytest.approx(array.std(ddof=1), abs=1e-7)
    assert metrics["p95"] == pytest.approx(np.percentile(array, 95), abs=1e-12)
    assert metrics["median"] == pytest.approx(np.median(array), abs=1e-12)
    near = np.percentile(array, 30, method="inverted_cdf")
    assert metrics["near"] == near


def key_of(found: Found) -> Any:
    from summit.keyed.keys import key_values

    return key_values(found.key)[0]


def compare(found: list[Found], want: reference.Told) -> None:
    """The last telling of each window against what it should hold."""
    last: dict[tuple[Any, int, int], Found] = {}
    for one in found:
        name = (key_of(one), one.start_ms, one.end_ms)
        before = last.get(name)
        assert before is None or before.revision < one.revision
        last[name] = one
        for bounds in one.replaces:
            del last[name[0], *bounds]
    assert set(last) == set(want)
    for name, one in last.items():
        check_metrics(one.metrics, want[name])


Case = tuple[QueryPlan, int, Callable[[list[Row]], reference.Told]]


def case_of(rng: random.Random) -> Case:
    delay = rng.choice([0, 0, 3, 12])
    lateness = rng.choice([0, 0, 7, 25])
    kind = rng.choice(["tumbling", "hopping", "hopping", "sliding", "session"])
    if kind in ("tumbling", "hopping"):
        size = rng.choice([1, 5, 10, 24, 60])
        slide = size if kind == "tumbling" else rng.choice([1, 3, 4, 6, 10, 45])
        offset = rng.choice([0, 2]) % slide
        window = {"type": kind, "size": size, "slide": slide, "offset": offset}
        plan = plan_of(window, *ALL, allowedLateness=lateness)
        return (
            plan,
            delay,
            lambda rows: reference.aligned(rows, size, slide, offset, delay, lateness),
        )
    if kind == "sliding":
        size = rng.choice([1, 5, 20, 100])
        plan = plan_of({"type": kind, "size": size}, *ALL)
        return plan, delay, lambda rows: reference.trailing(rows, size, delay)
    gap, longest = rng.choice([1, 4, 12]), rng.choice([None, None, 30])
    window = {"type": kind, "gap": gap, **({"size": longest} if longest else {})}
    if longest:
        lateness = 0
    plan = plan_of(window, *ALL, allowedLateness=lateness)
    return plan, delay, lambda rows: reference.sessions(rows, gap, longest, delay, lateness)


@pytest.mark.parametrize("seed", range(90))
def test_windows_hold_what_a_recompute_from_scratch_finds(seed: int) -> None:
    rng = random.Random(seed)
    plan, delay, want = case_of(rng)
    rows = draw(rng, rng.choice([1, 10, 120]), disorder=rng.choice([0, 4, 30]))
    runner = QueryRunner(plan, delay_ms=delay)
    compare(run(runner, rows), want(rows))
    stats = runner.stats()
    assert stats["taken"] + stats["late"] + stats["unassigned"] == len(rows)
    assert stats["groups"] == 0


@pytest.mark.parametrize("seed", range(90))
def test_batches_and_dumping_half_way_change_nothing(seed: int) -> None:
    rng = random.Random(1_000 + seed)
    plan, delay, _ = case_of(rng)
    rows = draw(rng, 120, disorder=rng.choice([0, 4, 30]))
    whole = run(QueryRunner(plan, delay_ms=delay), rows)
    one_by_one = run(QueryRunner(plan, delay_ms=delay), rows, range(1, len(rows)))
    assert one_by_one == whole
    runner = QueryRunner(plan, delay_ms=delay)
    found: list[Found] = []
    done = 0
    while done < len(rows):
        stop = min(done + rng.randint(1, 40), len(rows))
        found += run(runner, rows[done:stop], end=False)
        runner = moved(runner, plan, delay)
        done = stop
    assert [*found, *runner.finish()] == whole


@pytest.mark.parametrize("seed", range(40))
def test_count_windows_hold_the_last_so_many(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 30)
    step = rng.randint(1, count)
    plan = plan_of({"type": "count", "count": count, "step": step}, *ALL)
    rows = draw(rng, 150, disorder=9)
    want = reference.counted(rows, count, step)
    for runs in (1, 2):
        runner = QueryRunner(plan)
        found = run(runner, rows[:70], end=False)
        if runs == 2:
            runner = moved(runner, plan)
        found += run(runner, rows[70:], end=False)
        # Events of one batch are taken in order, those of a moment too.
        assert [key_of(one) for one in found] == [key for key, _ in want]
        for one, (_, values) in zip(found, want, strict=True):
            check_metrics(one.metrics, values)


@pytest.mark.parametrize("seed", range(30))
def test_no_order_of_arrival_changes_a_bit(seed: int) -> None:
    """With a delay that waits for all, every result is the same float for float."""
    rng = random.Random(seed)
    window = rng.choice([
        {"type": "tumbling", "size": 40}, {"type": "hopping", "size": 40, "slide": 4},
        {"type": "session", "gap": 6}, {"type": "sliding", "size": 30},
    ])  # fmt: skip
    by_time = [metric for metric in ALL if metric["function"] not in ("first", "last", "collect")]
    plan = plan_of(window, *by_time)
    rows = draw(rng, 200, disorder=0)
    whole = run(QueryRunner(plan, delay_ms=10**6), rows)
    for _ in range(3):
        rng.shuffle(rows)
        assert run(QueryRunner(plan, delay_ms=10**6), rows) == whole


def test_first_last_and_collect_go_by_time_and_then_by_place() -> None:
    names = ("first", "last", "collect")
    metrics = [{"name": name, "field": "v", "function": name} for name in names]
    metrics[2]["limit"] = 3  # type: ignore[assignment]
    plan = plan_of({"type": "tumbling", "size": 100}, *metrics)
    rows = [(5, "a", 1), (3, "a", None), (3, "a", 2), (9, "a", 3), (3, "a", 4), (9, "a", 5)]
    (found,) = run(QueryRunner(plan, delay_ms=50), rows)
    assert found.metrics == {"first": 2, "last": 5, "collect": [2, 4, 1]}
    assert found.approximate == {"collect": {"leftOut": 2}}


def test_sketches_say_so_in_the_result() -> None:
    metrics = [
        {"name": "p", "field": "v", "function": "median"},
        {"name": "d", "field": "v", "function": "distinct"},
        {"name": "t", "field": "v", "function": "topK"},
        {"name": "s", "field": "v", "function": "sum"},
    ]
    rows = [(0, "a", n) for n in range(5_000)]
    (few,) = run(QueryRunner(plan_of({"type": "tumbling", "size": 10}, *metrics)), rows[:200])
    assert few.approximate == {}
    (many,) = run(QueryRunner(plan_of({"type": "tumbling", "size": 10}, *metrics)), rows)
    assert set(many.approximate) == {"p", "d", "t"}
    assert many.approximate["p"] == {"relativeError": 0.005}
    assert many.metrics["p"] == pytest.approx(2_499.5, rel=0.005)
    assert many.metrics["d"] == pytest.approx(5_000, rel=0.1)
    exact = [{**metric, "exact": True} for metric in metrics[:3]]
    (whole,) = run(QueryRunner(plan_of({"type": "tumbling", "size": 10}, *exact)), rows)
    assert whole.approximate == {}
    assert (whole.metrics["p"], whole.metrics["d"]) == (2_499.5, 5_000)
