"""Queries in the simulated cluster: crashes, handed-over key groups, frames; results exactly once.

What is committed in the end must be what one query finds that reads every event in order: the same
numbers of the same groups in the same windows, none lost, none twice, bit for bit.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tests.sim.runtime_cluster import RESULTS, T0, Rules
from tests.sim.test_runtime_sim import BY_TIME, PLANS, SEEDS, Play

from summit.analytics.runner import QueryRunner
from summit.documents import validate_query
from summit.documents.query_plan import QueryPlan
from summit.keyed.keys import key_values

METRICS = [
    {"name": "n", "function": "count"},
    {"name": "sum", "field": "timestamp", "function": "sum"},
    {"name": "spread", "field": "timestamp", "function": "stddev"},
    {"name": "p95", "field": "timestamp", "function": "percentile", "percentile": 95},
    {"name": "types", "field": "eventType", "function": "distinct"},
    {"name": "top", "field": "eventType", "function": "topK"},
    {"name": "r", "function": "rate"},
]


def query(name: str, window: dict[str, Any], **more: Any) -> QueryPlan:
    document = {"id": name, "groupBy": ["user"], "window": window, "metrics": METRICS, **more}
    return validate_query(document).plan


QUERIES = (
    query("tumbling", {"type": "tumbling", "size": "1m"}),
    query("hopping", {"type": "hopping", "size": "2m", "slide": "15s"}, topics=["u"]),
    query("session", {"type": "session", "gap": "20s"}, where="eventType == 'a'"),
    query("sliding", {"type": "sliding", "size": "30s"}, groupBy=["ip", "eventType"]),
    query("all", {"type": "tumbling", "size": "5m"}, groupBy=[]),
)


def told(cluster_results: list[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for value in cluster_results:
        result = json.loads(value)
        assert result["final"]
        assert not result["late"]
        for group in result["groups"]:
            name = [result["queryId"], result["window"], list(group["keys"].values())]
            found[json.dumps([name, group["metrics"], group["count"]])] += 1
    return found


def expected(play: Play) -> Counter[str]:
    """By runners of their own; a group's metrics do not depend on others."""
    found: Counter[str] = Counter()
    for plan in QUERIES:
        runner = QueryRunner(plan)
        events = [
            value for place, value in play.produced if place[0] in (plan.topics or ("t", "u"))
        ]
        events.sort(key=lambda value: json.loads(value)["timestamp"])
        results = [*runner.take(events, [T0 + 10**9] * len(events)), *runner.finish()]
        for one in results:
            window = {"start": one.start_ms, "end": one.end_ms}
            name = [plan.id, window, list(key_values(one.key))]
            found[json.dumps([name, one.metrics, one.count])] += 1
    return found


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_ordered", [False, True], ids=["arrival", "eventTime"])
def test_any_schedule_tells_each_result_once(is_ordered: bool, seed: int, count: int) -> None:
    rules = Rules([*PLANS, *QUERIES], [BY_TIME] if is_ordered else [])
    play = Play(1_000 + seed, count, rules)
    play.run(200)
    found, want = told(play.cluster.committed(RESULTS)), expected(play)
    assert found == want
    assert sum(found.values()) > 20
