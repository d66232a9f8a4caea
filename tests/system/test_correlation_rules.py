"""Correlation rules over REST: round trips, the groups they tell, statistics."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.system.rest import Rest, problem
from tests.system.running import Running, run

PATH = "/api/correlation/rules"
RULE: dict[str, Any] = {
    "id": "hosts", "name": "Hosts of a user", "description": "d", "owner": "o", "tags": ["t"],
    "version": 2, "enabled": True, "topics": ["events"], "eventTypes": ["web.login"],
    "correlationKeys": ["user", {"web.login": "host"}], "timeWindow": "1h", "minEvents": 2,
    "maxEvents": 100, "onMax": "cap", "requireTypes": ["web.login"],
    "limits": {"groups": 10, "events": 100},
}  # fmt: skip


def test_round_trip(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    status, body = rest("POST", PATH, RULE)
    assert (status, body["status"], body["rule"], body["warnings"]) == (
        200,
        "registered",
        "hosts",
        [],
    )
    assert rest("POST", PATH, RULE)[1]["version"] == body["version"] + 1
    one = rest("GET", f"{PATH}/hosts")[1]
    assert {name: one[name] for name in RULE} == RULE
    assert one in rest("GET", PATH)[1]["rules"]
    rows = {row["id"]: row for row in rest("GET", "/api/flow")[1]["rules"]}
    assert (rows["hosts"]["kind"], rows["hosts"]["state"]) == ("correlation", "active")
    assert rest("DELETE", f"{PATH}/hosts")[1]["status"] == "removed"
    problem(rest("GET", f"{PATH}/hosts"), 404, "definition.unknown")
    problem(rest("POST", PATH, {**RULE, "timeWindow": None}), 400, "document.invalid")
    problem(rest("POST", PATH, {**RULE, "kind": "pattern"}), 400, "document.invalid")


def test_groups_are_read(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    rule = {"id": "read", "eventTypes": ["page.read"], "correlationKey": "reader",
            "timeWindow": "1h", "minEvents": 2}  # fmt: skip
    assert rest("POST", PATH, rule)[0] == 200
    for n in range(12):
        event = {"eventType": "page.read", "eventId": f"read-{n}", "reader": "eve",
                 "timestamp": 1_700_000_000_000 + n}  # fmt: skip
        assert rest("POST", "/api/events", event)[0] == 200
    bound = time.monotonic() + 20
    while not (found := rest("GET", "/api/correlation/events?rule=read")[1])["groups"]:
        assert time.monotonic() < bound
        time.sleep(0.05)
    (group,) = found["groups"]
    assert (group["key"], group["keyValues"], group["final"]) == ("eve", ["eve"], False)
    assert [event["event"]["eventId"] for event in group["events"]] == ["read-0", "read-1"]
    assert found["total"] >= 1
    assert rest("GET", "/api/stats")[1]["correlatedGroups"] == found["total"]
    problem(rest("GET", "/api/correlation/events?limit=0"), 400, "web.parameter")


def test_linked_groups_say_what_links_them(system: Running) -> None:
    rest = Rest(system.ready["correlation"])
    rule = {"id": "around", "eventTypes": ["badge.used"], "timeWindow": "1h", "minEvents": 3,
            "linkedBy": {"person": ["person", "guest"], "door": "door"}}  # fmt: skip
    assert rest("POST", PATH, rule)[0] == 200
    one = rest("GET", f"{PATH}/around")[1]
    assert {name: one[name] for name in rule} == rule
    for n, members in enumerate([{"person": "ann", "door": "a"}, {"guest": "bob", "door": "b"},
                                 {"person": "ann", "door": "b"}]):  # fmt: skip
        event = {"eventType": "badge.used", "eventId": f"badge-{n}", **members,
                 "timestamp": 1_700_000_000_000 + n}  # fmt: skip
        assert rest("POST", "/api/events", event)[0] == 200
    bound = time.monotonic() + 20
    while not (found := rest("GET", "/api/correlation/events?rule=around")[1])["groups"]:
        assert time.monotonic() < bound
        time.sleep(0.05)
    (group,) = found["groups"]
    assert (group["key"], group["keyValues"], group["count"]) == ("door=a", [], 3)
    assert {(link["type"], link["value"]) for link in group["links"]} == {
        ("person", "ann"), ("door", "b")
    }  # fmt: skip
    entities = {(one["type"], one["value"]): one["count"] for one in group["entities"]}
    assert entities == {("door", "a"): 1, ("person", "ann"): 2, ("door", "b"): 2,
                        ("person", "bob"): 1}  # fmt: skip
    broker = ("-b", system.ready["broker"], "-o", "json")
    listed = json.loads(run("correlations", "list", "--rule", "around", *broker).stdout)
    assert [row["id"] for row in listed] == [group["id"]]
    shown = json.loads(run("correlations", "show", group["id"], *broker).stdout)
    assert shown["links"] == group["links"]
    assert run("correlations", "show", "nobody", *broker).returncode == 3
