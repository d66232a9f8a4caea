"""Filters, transformations, enrichments and routes over REST: round trips, and what they do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.system.rest import Rest, problem
from tests.system.running import Running

RULES: list[tuple[str, str, dict[str, Any]]] = [
    ("/api/filters", "filters",
     {"id": "no-probes", "name": "No probes", "description": "d", "owner": "o", "tags": ["t"],
      "version": 2, "enabled": True, "topics": ["events"], "action": "exclude",
      "conditions": [{"field": "agent", "operator": "eq", "value": "probe"}]}),
    ("/api/transformations", "transformations",
     {"id": "hide", "topics": ["events"], "eventType": ["web.login"], "onError": "deadLetter",
      "transformations": [{"field": "user", "operation": "mask", "config": {}}]}),
    ("/api/enrichment/rules", "rules",
     {"id": "hosts", "topics": ["events"], "eventType": "web.login", "enrichmentType": "lookup",
      "onError": "tag",
      "config": {"keyField": "host", "match": "domain", "table": {"example.org": {"zone": "dmz"}},
                 "outputField": "host"}}),
    ("/api/routes", "routes",
     {"id": "logins", "topics": ["events"], "where": 'eventType == "web.login"', "stop": True,
      "topic": ["web.logins"]}),
]  # fmt: skip
PATTERN = {
    "id": "dmz-login", "name": "Login in the DMZ", "topics": ["events"],
    "steps": [{"name": "login", "where": 'enrichedData.host.zone == "dmz"'}],
    "action": {"type": "alert", "config": {"severity": "low", "title": "Login of ${user}"}},
}  # fmt: skip


@pytest.mark.parametrize(("path", "listed", "document"), RULES)
def test_round_trips(system: Running, path: str, listed: str, document: dict[str, Any]) -> None:
    rest = Rest(system.ready["streaming"])
    status, body = rest("POST", path, document)
    assert (status, body["status"], body["rule"]) == (200, "registered", document["id"])
    assert body["warnings"] == []
    status, again = rest("POST", path, document)
    assert again["version"] == body["version"] + 1
    status, one = rest("GET", f"{path}/{document['id']}")
    assert status == 200
    assert {name: one[name] for name in document} == document
    assert one in rest("GET", path)[1][listed]
    assert rest("DELETE", f"{path}/{document['id']}")[1]["status"] == "removed"
    problem(rest("GET", f"{path}/{document['id']}"), 404, "definition.unknown")
    problem(rest("DELETE", f"{path}/{document['id']}"), 404, "definition.unknown")
    wrong = problem(rest("POST", path, {**document, "topicz": []}), 400, "document.invalid")
    assert wrong["errors"][0]["pointer"] == "/topicz"
    other = {**document, "kind": "pattern"}
    problem(rest("POST", path, other), 400, "document.invalid")


def test_a_circle_is_refused(system: Running) -> None:
    rest = Rest(system.ready["streaming"])
    there = {"id": "there", "topics": ["one"], "default": True, "topic": "two"}
    back = {"id": "back", "topics": ["two"], "default": True, "topic": "one"}
    assert rest("POST", "/api/routes", there)[0] == 200
    refused = problem(rest("POST", "/api/routes", back), 409, "route.circle")
    assert "one → two" in refused["error"]
    assert rest("DELETE", "/api/routes/there")[0] == 200


def test_they_act_on_what_is_posted(system: Running) -> None:
    streaming, correlation = Rest(system.ready["streaming"]), Rest(system.ready["correlation"])
    for path, _, document in RULES:
        assert streaming("POST", path, document)[0] == 200
    assert correlation("POST", "/api/patterns", PATTERN)[0] == 200
    event = {"eventType": "web.login", "host": "a.example.org", "user": "radia"}
    for members in ({"agent": "probe"}, {}):
        assert correlation("POST", "/api/events", {**event, **members})[0] == 200
    found = correlation("GET", "/api/alerts?pattern=dmz-login")[1]["alerts"]
    assert [alert["title"] for alert in found] == ["Login of *****"]
    assert found[0]["events"][0]["user"] == "*****"
    messages: list[Any] = []
    for _ in range(100):
        for partition in range(20):
            status, body = streaming("GET", f"/api/consume/web.logins/{partition}")
            messages += body["messages"] if status == 200 else []
        if messages:
            break
        time.sleep(0.1)
    assert len(messages) == 1
    assert "radia" not in messages[0]["value"]
    for path, _, document in RULES:
        streaming("DELETE", f"{path}/{document['id']}")
    correlation("DELETE", "/api/patterns/dmz-login")
