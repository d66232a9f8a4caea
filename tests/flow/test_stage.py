"""The stage before the rules on a real worker: what rules see, what is sent on or put aside."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from typing import Any

import pytest
from tests.flow.test_replay import replayed, written
from tests.flow.world import T0, failure, five_failures, read_topic, until, world

from summit.alerts import encode_alert

MASK = {
    "kind": "transformation", "id": "hide", "eventType": "*",
    "transformations": [
        {"field": "user", "operation": "mask", "config": {"preserveStart": 1}},
        {"field": "address", "operation": "rename", "config": {"newName": "ip"}},
    ],
}  # fmt: skip
ASSETS = {
    "kind": "enrichment", "id": "assets", "eventType": "failed", "enrichmentType": "lookup",
    "config": {"keyField": "ip", "table": {"a": {"site": "office"}}, "outputField": "asset"},
}  # fmt: skip
NO_PROBES = {
    "kind": "filter", "id": "no-probes", "action": "exclude", "where": 'agent == "probe"',
}  # fmt: skip
OFFICE = {
    "kind": "route", "id": "office", "where": 'enrichedData.asset.site == "office"',
    "topic": "office.events",
}  # fmt: skip
REST = {"kind": "route", "id": "rest", "default": True, "topic": "rest"}


def raw(at_s: float, ip: str = "a", **members: Any) -> dict[str, Any]:
    """A failure as its sender writes it: the address under another name."""
    event = failure(at_s, ip, user="eve.smith", **members)
    event["address"] = event.pop("ip")
    return event


def office_failures() -> dict[str, Any]:
    steps = [{
        "name": "failed", "times": 5,
        "where": 'eventType == "failed" && enrichedData.asset.site == "office"',
    }]  # fmt: skip
    return five_failures(steps=steps, topics=["auth"])


def test_events_are_filtered_changed_enriched_and_routed(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(NO_PROBES, MASK, ASSETS, OFFICE, REST, office_failures())
            sent = [raw(n) for n in range(3)]
            sent += [raw(3, agent="probe"), raw(3.5, "b"), raw(4), raw(5)]
            (alert,) = await w.settle(await w.send(*sent, key="k"))
            assert alert.key == {"ip": "a"}
            assert [e.offset for e in alert.evidence] == [0, 1, 2, 5, 6]
            seen = alert.events[0]
            assert seen["user"] == "e********"
            assert seen["enrichedData"] == {
                "asset": {"site": "office"},
                "_meta": {"enrichments": {"assets": {"type": "lookup", "status": "found"}}},
            }
            assert "smith" not in json.dumps(alert.events)
            routed = await read_topic(
                each_backend, "office.events", 5, isolationLevel="read_committed"
            )
            assert [record.json()["timestamp"] - T0 for record in routed] == [
                0, 1_000, 2_000, 4_000, 5_000,
            ]  # fmt: skip
            assert {record.json()["user"] for record in routed} == {"e********"}
            assert {record.key for record in routed} == {b"k"}
            assert (await read_topic(each_backend, "rest", 1))[0].json()["ip"] == "b"
            # What was sent stands as it was sent.
            kept = await read_topic(each_backend, "auth", 7)
            assert [record.json() for record in kept] == sent
            stage = worker.status()["stage"]
            assert stage["filtered"] == {"no-probes": 1}
            assert stage["routed"] == {"office": 5, "rest": 1}
            assert stage["enriched"] == {"found": 5, "miss": 1}
            assert w.alerts.view.folded == 0

    asyncio.run(run())


def test_a_replay_goes_through_the_stage_of_its_day(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            rule = office_failures()
            rule["groupBy"] = ["user"]
            await w.apply(NO_PROBES, MASK, ASSETS, OFFICE, rule)
            await w.settle(await w.send(*(raw(n / 10) for n in range(12))))
            await w.apply({**NO_PROBES, "where": 'ip == "c" || address == "c"'})
            await w.settle(await w.send(*(raw(2 + n / 10, agent="probe") for n in range(12))))
            offset = await w.definitions.delete("transformation", "hide")
            await w.alerts.wait_active(offset, 20_000)
            alerts = await w.settle(await w.send(*(raw(4 + n / 10) for n in range(12))))
            await worker.stop()
            assert len(alerts) == 4
            found, _ = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)
            now, _ = await replayed(w, rules="current")
            assert now == []

    asyncio.run(run())


def test_a_rule_without_topics_does_not_see_what_routes_send(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply({**OFFICE, "where": 'eventType == "failed"'}, five_failures())
            await w.apply(five_failures("routed", topics=["office.events"]))
            place = await w.send(*(failure(n) for n in range(5)))
            await w.settle(place)
            await until(lambda: len(w.all_alerts()) >= 2)
            await w.settle(await w.send(failure(100)))
            found = sorted((alert.pattern, alert.count) for alert in w.all_alerts())
            assert found == [("brute", 5), ("routed", 5)]
            (routed,) = [alert for alert in w.all_alerts() if alert.pattern == "routed"]
            assert {each.topic for each in routed.evidence} == {"office.events"}

    asyncio.run(run())


def test_definitions_act_from_where_they_came(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply(five_failures(topics=["auth"]))
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await w.apply({**NO_PROBES, "where": 'ip == "a"'})
            await w.settle(await w.send(*(failure(n) for n in (3, 4))))
            assert w.all_alerts() == []
            offset = await w.definitions.delete("filter", "no-probes")
            await w.alerts.wait_active(offset, 20_000)
            (alert,) = await w.settle(await w.send(*(failure(n) for n in (5, 6))))
            assert [e.offset for e in alert.evidence] == [0, 1, 2, 5, 6]

    asyncio.run(run())


@pytest.mark.parametrize("policy", ["pass", "tag", "drop", "deadLetter"])
def test_what_becomes_of_an_event_on_which_a_rule_fails(servers: list[str], policy: str) -> None:
    convert = {
        "kind": "transformation", "id": "numbers", "eventType": "*", "onError": policy,
        "transformations": [
            {"field": "port", "operation": "convert", "config": {"type": "number"}}
        ],
    }  # fmt: skip

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(convert, five_failures())
            events = [failure(n, port=str(n)) for n in range(4)] + [failure(4, port="ssh")]
            alerts = await w.settle(await w.send(*events))
            assert worker.status()["stage"]["faults"] == {"numbers": 1}
            if policy in ("pass", "tag"):
                (alert,) = alerts
                assert [event["port"] for event in alert.events] == [0, 1, 2, 3, "ssh"]
                assert ("enrichedData" in alert.events[-1]) == (policy == "tag")
                return
            assert alerts == []
            if policy == "drop":
                assert worker.status()["stage"]["dropped"] == {"numbers": 1}
                return
            (letter,) = await read_topic(servers, "auth.dlq", 1)
            value = letter.json()
            assert json.loads(b64decode(value["originalValue"])) == events[-1]
            assert value["error"]["code"] == "transformation.failed"
            assert (value["error"]["stage"], value["error"]["rule"]) == ("transform", "numbers")

    asyncio.run(run())


def test_without_its_secret_a_transformation_lets_nothing_go_on(servers: list[str]) -> None:
    hashing = {
        "kind": "transformation", "id": "pseudonyms", "eventType": "failed",
        "transformations": [
            {"field": "user", "operation": "hash", "config": {"key": "${SUMMIT_TEST_NO_SUCH}"}}
        ],
    }  # fmt: skip

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(hashing, five_failures(topics=["auth"]), {**REST, "topics": ["auth"]})
            await w.send(*(failure(n, user="eve") for n in range(5)))
            assert await w.settle(await w.send({"eventType": "other", "timestamp": T0})) == []
            assert worker.status()["rejectedByReason"] == {"secret.missing": 5}
            assert "transformation/pseudonyms" in worker.status()["faultyRules"]
            assert [r.json()["eventType"] for r in await read_topic(servers, "rest", 1)] == [
                "other"
            ]

    asyncio.run(run())
