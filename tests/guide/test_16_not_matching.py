"""Guide, "Pattern Not Matching": a way to try events, near-misses, a debug log."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.guide.conftest import SUMMIT, Services

from summit.event_processing import CEPEngine, EventPattern

PATTERN = {
    "kind": "pattern",
    "id": "failed-then-success",
    "name": "Failed, then successful",
    "conditions": [
        {"field": "eventType", "operator": "eq", "value": t, "eventType": t}
        for t in ("auth.login.failed", "auth.login.success")
    ],
    "windowConfig": {"type": "sliding", "size": 60000},
    "action": {"type": "alert", "config": {"severity": "high"}},
}
EVENTS: list[dict[str, Any]] = [
    {"eventId": "1", "eventType": "auth.login.failed", "timestamp": 1_000},
    {"eventId": "2", "eventType": "auth.login.success", "timestamp": 61_000},
]


def test_a_rule_carries_its_own_tests(tmp_path: Path) -> None:
    """`summit rules test` says whether a pattern does what its author expects."""

    def tested(alerts: int) -> int:
        events = [
            {"at": "0s", "eventType": "auth.login.failed"},
            {"at": "60s", "eventType": "auth.login.success"},
        ]
        test = {"name": "a minute apart", "events": events, "expect": {"alerts": alerts}}
        rule = {**PATTERN, "tests": [test]}
        path = tmp_path / "rule.json"
        path.write_text(json.dumps(rule))
        done = subprocess.run(
            [*SUMMIT, "rules", "test", str(path)], capture_output=True, timeout=60, check=False
        )
        return done.returncode

    assert tested(0) == 0
    assert tested(1) != 0


def test_the_test_endpoint_names_the_near_miss(services: Services) -> None:
    reply = services.correlation.post(
        "/api/patterns/test", json={"pattern": PATTERN, "events": EVENTS}
    )
    assert reply.status_code == 200
    body = reply.json()
    assert body["matches"] == []
    assert "window" in json.dumps(body["nearMisses"])
    assert services.correlation.post("/api/patterns", json=PATTERN).status_code == 200
    path = f"/api/patterns/{PATTERN['id']}/explain"
    explained = services.correlation.post(path, json={"events": EVENTS})
    assert explained.json()["nearMisses"] == body["nearMisses"]
    assert (
        services.correlation.post("/api/patterns/nope/explain", json={"events": []}).status_code
        == 404
    )


def test_correlations_and_queries_are_explained_too(services: Services) -> None:
    post = services.correlation.post
    rule = {"id": "both", "correlationKey": "user", "timeWindow": "1m", "minEvents": 2}
    events = [{"eventType": "a", "user": "ann", "timestamp": at} for at in (0, 60_000)]
    tried = post("/api/correlation/rules/test", json={"rule": rule, "events": events}).json()
    near = tried["nearMisses"][0]
    assert (near["kind"], near["lateMs"], near["key"]) == ("outsideWindow", 1, ["ann"])
    assert post("/api/correlation/rules", json=rule).status_code == 200
    explained = post("/api/correlation/rules/both/explain", json={"events": events}).json()
    assert explained["nearMisses"] == tried["nearMisses"]
    assert explained["revision"] == 1
    query = {
        "id": "n", "metrics": [{"name": "n", "function": "count"}], "where": "user == 'bob'",
        "window": {"type": "tumbling", "size": "1m"},
    }  # fmt: skip
    tried = post("/api/analytics/queries/test", json={"query": query, "events": events}).json()
    assert tried["results"] == []
    assert tried["nearMisses"][0]["failed"][0]["values"] == {"user": "ann"}
    bad = post("/api/analytics/queries/test", json={"pattern": query, "events": events})
    assert bad.status_code == 400


def tried(events: list[dict[str, Any]]) -> Any:
    plain = {key: value for key, value in PATTERN.items() if key != "kind"}
    return CEPEngine().test_pattern(EventPattern.from_dict(plain), events)


def test_the_engine_tries_a_pattern_on_events() -> None:
    assert tried(EVENTS).matches == []
    sooner = [EVENTS[0], {**EVENTS[1], "timestamp": 60_999}]
    assert len(tried(sooner).matches) == 1


def test_the_engine_names_the_near_miss() -> None:
    (near,) = tried(EVENTS).near_misses
    assert (near.kind, near.late_ms, near.missing) == ("outsideWindow", 1, 1)
    assert near.text.startswith("'step2' came 1 ms too late: 60000 ms after the first event")
