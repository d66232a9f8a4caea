"""`summit flow describe` against real workers: who owns what, rates, lags, rules, state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner
from tests.flow.world import World, failure, five_failures, world

from summit.base.clock import SystemClock
from summit.base.errors import Unavailable
from summit.cli.flow import flow
from summit.client.admin import ClusterAdmin
from summit.client.transactor import Transactor
from summit.flow.describing import _Worker, _worker_warnings
from summit.flow.state_cutting import WAITS_OF
from summit.flow.watching import FlowWatch
from summit.journal.progress_record import ProgressRecord
from summit.journal.worker_figures import WorkerFigures
from summit.keyed.keygroups import KEY_GROUPS


def test_who_began_anew_a_short_time_ago_is_warned_of() -> None:
    figures = WorkerFigures(id="w", restarts=3, restarted=(1_000_000, "no brokers"))
    told = ProgressRecord(worker="w", figures=figures)
    worker = _Worker("w", "w", "host", (0,), told)
    (text,) = _worker_warnings(worker, 1_000_000 + 60_000)
    assert text == "worker 'w' began anew 3 times, last because of: no brokers"
    assert _worker_warnings(worker, 1_000_000 + 3_600_000) == []


def test_events_that_could_not_be_saved_are_warned_of() -> None:
    figures = WorkerFigures(id="w", state_cut={"brute": 2, f"{WAITS_OF}logs": 3})
    worker = _Worker("w", "w", "host", (0,), ProgressRecord(worker="w", figures=figures))
    of_rule, of_events = _worker_warnings(worker, 0)
    assert "cut state of 'brute' 2 times" in of_rule
    assert "could not save 3 waiting events of logs" in of_events


async def settled(watch: FlowWatch, *, workers: int, events: int) -> dict[str, Any]:
    """The description, once so many workers own everything and have told of so many events."""
    async with asyncio.timeout(40):
        while True:
            found = await watch.describe()
            told = sum(row["events"] for row in found["workers"])
            owned = found["keyGroups"]["owned"] == KEY_GROUPS
            if len(found["workers"]) == workers and owned and told == events:
                return found
            await asyncio.sleep(0.1)


async def busy(w: World, rules: int = 1) -> None:
    await w.apply(*(five_failures(f"r{n}") for n in range(rules)))
    for partition in (0, 1):
        events = [failure(n, f"k{n % 40}") for n in range(100)]
        await w.settle(await w.send(*events, partition=partition))


def test_two_workers_are_described_from_the_log(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            one = await w.start_worker(name="one")
            two = await w.start_worker(name="two")
            assert await one.wait_active(20_000)
            assert await two.wait_active(20_000)
            await w.apply(five_failures("off", enabled=False), active=False)
            await busy(w)
            await w.send(b"{oops")
            async with FlowWatch(each_backend, clock=SystemClock()) as watch:
                found = await settled(watch, workers=2, events=201)
                check_whole(found, one.metrics.id, two.metrics.id)
                text = await asyncio.to_thread(
                    CliRunner().invoke, flow, ["describe", "-b", ",".join(each_backend)]
                )
                assert text.exit_code == 0, text.output
                for part in ("auth/0", "exactly once", "r0", "auth.dlq", "32 key groups"):
                    assert part in text.stdout
                await one.stop()
                await settled(watch, workers=1, events=two.metrics.events)

    asyncio.run(run())


def check_whole(found: dict[str, Any], *ids: str) -> None:
    assert {row["id"]: row["state"] for row in found["workers"]} == dict.fromkeys(ids, "active")
    assert {row["name"] for row in found["workers"]} == {"one", "two"}
    assert {row["keyGroupCount"] for row in found["workers"]} == {32}
    assert found["keyGroups"]["owners"].keys() == set(ids)
    inputs = {(row["topic"], row["partition"]): row for row in found["inputs"]}
    assert inputs.keys() == {("auth", 0), ("auth", 1)}
    assert [row["end"] for row in found["inputs"]] == [101, 100]
    assert {row["worker"] for row in found["inputs"]} <= set(ids)
    assert sum(row["eventsPerSec"] for row in found["inputs"]) > 0
    rules = {row["id"]: row for row in found["rules"]}
    assert (rules["off"]["state"], rules["off"]["reads"]) == ("disabled", [])
    brute = rules["r0"]
    assert (brute["state"], brute["reads"], brute["groupBy"]) == ("active", ["auth"], ["ip"])
    assert brute["matches"] == sum(row["alerts"] for row in found["workers"])
    assert found["outputs"]["alerts"]["offsets"] >= brute["matches"] > 0
    assert brute["runs"] > 0
    # Events went through the exchange, as keys live with both.
    assert found["exchange"]["events"] > 0
    state = found["state"]
    assert state["recordsWritten"] > 0
    assert state["bytesPerEvent"] == round(state["bytesWritten"] / 201, 1) > 0
    assert found["outputs"]["deadLetters"][0]["topic"] == "auth.dlq"
    assert {c["component"]: c["guarantee"] for c in found["components"]}["effects"] == (
        "at_least_once"
    )
    assert found["warnings"] == []
    json.dumps(found)


def test_without_workers_the_definitions_alone_are_shown(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, ClusterAdmin({"bootstrapServers": servers}) as admin:
            await w.apply(five_failures(topics=["auth"]), active=False)
            await w.send(*(failure(n) for n in range(7)))
            await admin.create_topic({"name": "other", "partitions": 1})
            async with FlowWatch(servers) as watch:
                found = await watch.describe()
        assert found["warnings"] == ["no worker runs"]
        assert [(r["topic"], r["lag"], r["worker"]) for r in found["inputs"]] == [
            ("auth", 7, None), ("auth", 0, None),
        ]  # fmt: skip
        assert found["keyGroups"]["unowned"] == "0-63"
        assert [row["id"] for row in found["rules"]] == ["brute"]

    asyncio.run(run())


def test_what_limits_cut_is_shown_per_rule(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply(five_failures(limits={"keys": 3, "runsPerKey": 2}))
            await w.settle(await w.send(*(failure(n, f"k{n}") for n in range(10))))
            await w.settle(await w.send(*(failure(20 + n, "k9") for n in range(3))))
            async with FlowWatch(servers) as watch:
                found = await settled(watch, workers=1, events=13)
        (rule,) = found["rules"]
        assert (rule["keys"], rule["keysEvicted"], rule["runsEvicted"]) == (3, 7, 2)
        assert rule["limits"] == {"keys": 3, "runsPerKey": 2, "ttlMs": None}
        assert "dropped 7 keys and 2 unfinished" in found["warnings"][0]

    asyncio.run(run())


def test_what_was_aborted_does_not_count(
    servers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Transactor.write
    broken: list[int] = []

    async def breaks_once(self: Transactor, watched: Any, *more: Any) -> None:
        if watched and len(broken) < 2:
            broken.append(len(watched))
            raise Unavailable("client.no_brokers", brokers="none")
        await write(self, watched, *more)

    async def run() -> None:
        async with world(servers) as w:
            monkeypatch.setattr(Transactor, "write", breaks_once)
            worker = await w.start_worker()
            await w.apply(five_failures())
            alerts = await w.settle(await w.send(*(failure(n / 10) for n in range(50))))
            async with FlowWatch(servers) as watch:
                async with asyncio.timeout(60):
                    while (found := await watch.describe())["rules"][0]["matches"] != len(alerts):
                        assert found["rules"][0]["matches"] < len(alerts)
                        await asyncio.sleep(0.1)
            assert (broken, worker.metrics.restarts) == ([10, 10], 2)
            assert worker.metrics.matches == len(alerts) == 10

    asyncio.run(run())
