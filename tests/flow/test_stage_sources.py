"""Enrichments of a worker that are asked for: recorded, replayed without asking, and in time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.flow.test_replay import replayed, written
from tests.flow.world import failure, five_failures, read_topic, until, world
from tests.sources.services import Service, hang, service, status

from summit.alerts import encode_alert

RULE_STEPS = [{"name": "failed", "times": 3, "where": "enrichedData.intel.score > 5"}]


def intel(made: Service, **config: Any) -> dict[str, Any]:
    members = {name: config.pop(name) for name in ("onError",) if name in config}
    return {
        "kind": "enrichment", "id": "intel", "eventType": "*", "enrichmentType": "api",
        "config": {"apiUrl": made.url, "keyField": "ip", "allowPrivate": True, "timeoutMs": 500,
                   **config},
        **members,
    }  # fmt: skip


def scored() -> dict[str, Any]:
    return five_failures("scored", steps=RULE_STEPS, topics=["auth"])


def test_answers_are_recorded_and_a_replay_asks_nobody(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, service() as made:
            worker = await w.start_worker()
            made.rows = {"a": {"score": 9}, "b": {"score": 1}}
            await w.apply(intel(made, cache={"ttl": 1}), scored())
            await w.send(*(failure(n) for n in range(3)), failure(3, "b"), failure(4, "none"))
            await w.settle(await w.send(*(failure(5 + n) for n in range(2))))
            await asyncio.sleep(0.01)
            made.rows = {"a": {"score": 2}, "b": {"score": 7}}
            await w.settle(await w.send(*(failure(8 + n, "b") for n in range(3)), failure(12)))
            alerts = await w.settle(await w.send(failure(13)))
            await worker.stop()
            assert [(a.key["ip"], a.count) for a in alerts] == [("a", 3), ("b", 3)]
            asked = len(made.asked)
            made.rows = {}
            found, result = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)
            assert result.rejected == 0
            assert len(made.asked) == asked
            rows = [
                row
                for record in await read_topic(servers, "_summit.enrichments", 1)
                for row in record.json()["rows"]
            ]
            # Only what differs from before is written.
            assert [(row[0], row[2]) for row in rows].count(('"none"', "miss")) == 1
            assert len(rows) <= asked

    asyncio.run(run())


def test_a_service_that_fails_holds_nobody_up(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, service() as made:
            worker = await w.start_worker()
            made.rows = {"a": {"score": 9}}
            policy = intel(
                made, onError="deadLetter", retries=0, timeoutMs=200,
                circuitBreaker={"failures": 2, "pause": "100ms"},
            )  # fmt: skip
            await w.apply(policy, scored())
            made.faults.extend([hang, status(500)])
            async with asyncio.timeout(30):
                place = await w.send(*(failure(n, f"x{n}") for n in range(40)))
                assert await w.settle(place) == []
            failed = worker.status()["stage"]["faults"]["intel"]
            assert failed >= 2
            letters = await read_topic(servers, "auth.dlq", failed)
            assert {letter.json()["error"]["stage"] for letter in letters} == {"enrich"}
            assert {letter.json()["error"]["rule"] for letter in letters} == {"intel"}
            await asyncio.sleep(0.3)
            (alert,) = await w.settle(await w.send(*(failure(50 + n) for n in range(3))))
            note = alert.events[0]["enrichedData"]["_meta"]["enrichments"]["intel"]
            assert (note["type"], note["status"]) == ("api", "found")

    asyncio.run(run())


@pytest.mark.parametrize("policy", ["pass", "tag", "drop"])
def test_a_redirect_inside_is_no_way_in(servers: list[str], policy: str) -> None:
    async def run() -> None:
        async with world(servers) as w, service() as made, service() as secret:
            worker = await w.start_worker()
            secret.rows = {"a": {"score": 9}}
            made.faults.extend([status(302, Location=f"{secret.url}?ip=a")] * 50)
            rule = five_failures(topics=["auth"])
            await w.apply(intel(made, onError=policy), rule)
            alerts = await w.settle(await w.send(*(failure(n) for n in range(5))))
            assert secret.asked == []
            if policy == "drop":
                assert alerts == []
                assert worker.status()["stage"]["dropped"] == {"intel": 5}
                return
            (alert,) = alerts
            notes = [event.get("enrichedData") for event in alert.events]
            if policy == "pass":
                assert notes == [None] * 5
            else:
                assert "status 302" in json.dumps(notes[0])

    asyncio.run(run())


def test_a_file_that_changes_acts_without_a_new_definition(
    servers: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "scores.csv"

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            path.write_text("ip,score\nb,1\n")
            table = {
                "kind": "enrichment", "id": "intel", "eventType": "*", "enrichmentType": "lookup",
                "config": {"keyField": "ip", "file": str(path)},
            }  # fmt: skip
            steps = [{"name": "failed", "times": 3, "where": 'enrichedData.intel.score == "9"'}]
            await w.apply(table, {**scored(), "steps": steps})
            assert await w.settle(await w.send(*(failure(n) for n in range(3)))) == []
            path.write_text("ip,score\na,9\n")
            async with asyncio.timeout(20):
                at = 10
                while not w.all_alerts():
                    await w.settle(await w.send(failure(at)))
                    at += 1
                    await asyncio.sleep(0.2)
            await worker.stop()
            path.unlink()
            found, _ = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)

    asyncio.run(run())


def test_a_source_that_cannot_be_had_is_told_and_tried_again(
    servers: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "none.json"

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            table = {
                "kind": "enrichment", "id": "intel", "eventType": "*", "enrichmentType": "lookup",
                "config": {"keyField": "ip", "file": str(path)},
            }  # fmt: skip
            await w.apply(table, scored())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            assert "none.json" in worker.status()["faultyRules"]["enrichment/intel"]
            assert worker.status()["stage"]["faults"] == {"intel": 3}
            path.write_text('{"a": {"score": 9}}')
            await w.apply({**table, "description": "again"})
            (alert,) = await w.settle(await w.send(*(failure(10 + n) for n in range(3))))
            assert alert.count == 3
            await until(lambda: worker.status()["faultyRules"] == {})

    asyncio.run(run())
