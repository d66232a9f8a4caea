"""Analytics queries in a running system: registered, run by a worker, their results read back."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running, run

PATH = "/api/analytics/queries"
NOON = 1_760_000_100_000  # the beginning of a window of five minutes
QUERY = {
    "id": "login-metrics", "name": "Login Metrics by Country", "eventTypes": ["user.login"],
    "topics": ["events"], "window": {"type": "tumbling", "size": 300000}, "topic": "login-metrics",
    "metrics": [
        {"name": "login_count", "field": "eventId", "function": "count"},
        {"name": "avg_duration", "field": "duration", "function": "avg"},
        {"name": "p95_duration", "field": "duration", "function": "percentile", "percentile": 95},
    ],
    "groupBy": ["country", "deviceType"],
}  # fmt: skip


def test_round_trip(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    status, body = rest("POST", PATH, QUERY)
    assert (status, body["status"], body["query"], body["warnings"]) == (
        200, "registered", "login-metrics", [],
    )  # fmt: skip
    one = rest("GET", f"{PATH}/login-metrics")[1]
    assert {name: one[name] for name in QUERY} == QUERY
    assert one in rest("GET", PATH)[1]["queries"]
    assert rest("GET", f"{PATH}/login-metrics/results")[1] == {
        "queryId": "login-metrics", "results": [], "count": 0,
    }  # fmt: skip
    wrong = problem(rest("POST", PATH, {**QUERY, "metrics": []}), 400, "document.invalid")
    assert wrong["errors"][0]["pointer"] == "/metrics"
    problem(rest("GET", f"{PATH}/none"), 404, "definition.unknown")
    problem(rest("GET", f"{PATH}/none/results"), 404, "definition.unknown")


def test_a_worker_runs_it_and_its_results_are_read(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    assert rest("POST", PATH, QUERY)[0] == 200
    for n in range(21):
        event = {
            "eventType": "user.login", "timestamp": NOON + n * 1_000, "duration": 10 * n,
            "country": "NL" if n < 20 else None, "deviceType": "phone",
        }  # fmt: skip
        assert rest("POST", "/api/events", event)[0] == 200
    for n in range(40):  # one at least for each partition
        later = {"eventType": "tick", "timestamp": NOON + 300_000 + n}
        rest("POST", "/api/events?wait=false", later)
    results = _results(rest, "login-metrics", groups=2)
    (result,) = results
    assert result["window"] == {"start": NOON, "end": NOON + 300_000}
    assert (result["queryId"], result["timestamp"], result["final"], result["late"]) == (
        "login-metrics", NOON + 300_000, True, False,
    )  # fmt: skip
    groups = {group["keys"]["country"]: group for group in result["groups"]}
    assert groups["NL"]["keys"] == {"country": "NL", "deviceType": "phone"}
    assert groups["NL"]["count"] == 20
    metrics = groups["NL"]["metrics"]
    assert (metrics["login_count"], metrics["avg_duration"]) == (20, 95)
    assert metrics["p95_duration"] == pytest.approx(180.5)
    assert groups[None]["metrics"]["login_count"] == 1
    rows = _own_topic(system, "login-metrics", 2)
    assert {row["keys"]["country"]: row["metrics"]["login_count"] for row in rows} == {
        "NL": 20, None: 1,
    }  # fmt: skip
    servers = ("-b", system.ready["broker"])
    shown = json.loads(run("query", "results", "login-metrics", "-o", "json", *servers).stdout)
    assert shown == results
    listed = json.loads(run("query", "list", "-o", "json", *servers).stdout)
    assert [row["id"] for row in listed] == ["login-metrics"]
    assert rest("DELETE", f"{PATH}/login-metrics")[1]["status"] == "removed"
    problem(rest("GET", f"{PATH}/login-metrics/results"), 404, "definition.unknown")


def _results(rest: Rest, query: str, groups: int) -> list[dict[str, Any]]:
    """The results, as soon as they hold so many groups; at most 30 s."""
    for _ in range(150):
        found: list[dict[str, Any]] = rest("GET", f"{PATH}/{query}/results?history=10")[1][
            "results"
        ]
        if sum(len(result["groups"]) for result in found) >= groups:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no {groups} groups in {found}")


def _own_topic(system: Running, topic: str, count: int) -> list[dict[str, Any]]:
    """The values of a topic, as soon as there are so many; at most 20 s."""
    rest = Rest(system.ready["streaming"])
    for _ in range(100):
        values: list[Any] = []
        for partition in range(20):
            status, body = rest("GET", f"/api/consume/{topic}/{partition}")
            values += [message["value"] for message in body["messages"]] if status == 200 else []
        if len(values) >= count:
            return [json.loads(value) if isinstance(value, str) else value for value in values]
        time.sleep(0.2)
    raise AssertionError(f"no {count} records in {topic}: {values}")
