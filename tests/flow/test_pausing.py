"""Paused topics and rules, and draining: by the log, for workers of now and of later."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner
from tests.flow.world import World, failure, five_failures, until, world

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.cli.flow import flow
from summit.flow.pausing import Pauses, pauses_in_force
from summit.flow.watching import FlowWatch
from summit.journal.definition_log import Definition


def definition(document: dict[str, Any]) -> Definition:
    return Definition(
        kind="flow", id="workers", document=document, offset=0, version=1, timestamp_ms=0
    )


def test_pauses_come_and_go_by_name() -> None:
    pauses = Pauses().adding(["a", "b.*"], ["r"]).adding(["a"], [])
    assert pauses == Pauses(("a", "b.*"), ("r",))
    assert pauses_in_force([definition(pauses.document())]) == pauses
    assert [pauses.holds().reads(topic) for topic in ("a", "b.x", "c")] == [True, True, False]
    assert pauses.without(["a"], ["r"]) == Pauses(("b.*",))
    for topics, rules in ((["c"], []), ([], ["a"])):
        with pytest.raises(Invalid) as caught:
            pauses.without(topics, rules)
        assert caught.value.code == "flow.not_paused"


def test_a_flow_that_nobody_checked_pauses_nothing() -> None:
    assert pauses_in_force([definition({"kind": "flow", "paused": 5})]) == Pauses()


async def call(servers: list[str], *arguments: str) -> dict[str, Any]:
    """Run a command of `summit flow` while this loop serves its workers."""
    options = [*arguments, "-b", ",".join(servers), "-o", "json"]
    result = await asyncio.to_thread(CliRunner().invoke, flow, options)
    if isinstance(result.exception, SummitError):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


async def lags(servers: list[str]) -> dict[str, int]:
    async with FlowWatch(servers) as watch:
        found = await watch.describe()
    return {f"{row['topic']}/{row['partition']}": row["lag"] for row in found["inputs"]}


def test_a_paused_topic_waits_and_goes_on_where_it_was(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            first = await w.start_worker(name="first")
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            paused = await call(each_backend, "pause", "--topic", "auth")
            assert paused == {"paused": {"topics": ["auth"], "rules": []}, "acting": True}
            await w.send(*(failure(n) for n in (3, 4)))
            # Others are read on, and time stands: the three failures of now are not over.
            place = await w.send(failure(900, "x"), topic="other")
            assert await w.settle(place) == []
            assert (await lags(each_backend))["auth/0"] == 2
            # A worker that comes later obeys too.
            await first.stop()
            second = await w.start_worker(name="second")
            assert await second.wait_active(30_000)
            assert await w.settle(await w.send(failure(901, "x"), topic="other")) == []
            assert (await lags(each_backend))["auth/0"] == 2
            assert second.metrics.events == 1
            resumed = await call(each_backend, "resume", "--topic", "auth")
            assert resumed["paused"] == {"topics": [], "rules": []}
            await until(lambda: len(w.all_alerts()) == 1)
            assert [e.offset for e in w.all_alerts()[0].evidence] == [0, 1, 2, 3, 4]

    asyncio.run(run())


@pytest.mark.slow
def test_a_paused_topic_is_not_idle(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker(idle_ms=100)
            await w.apply(five_failures(topics=["auth", "other"]))
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await w.settle(await w.send(failure(0, "x"), topic="other"))
            await call(servers, "pause", "--topic", "auth")
            assert worker.status()["liveRuns"] == 4
            await asyncio.sleep(6)  # more than the time between two looks at silent inputs
            await w.settle(await w.send(failure(900, "y"), topic="other"))
            await w.send(*(failure(n) for n in (3, 4)))
            await call(servers, "resume")
            await until(lambda: len(w.all_alerts()) == 1)

    asyncio.run(run())


def test_a_paused_rule_never_matches_what_comes_meanwhile(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply(five_failures("a"), five_failures("b"))
            await w.settle(await w.send(*(failure(n) for n in range(2))))
            await call(servers, "pause", "--rule", "a")
            found = await w.settle(await w.send(*(failure(n) for n in range(2, 5))))
            assert [alert.pattern for alert in found] == ["b"]
            async with FlowWatch(servers) as watch:
                states = {row["id"]: row["state"] for row in (await watch.describe())["rules"]}
            assert states == {"a": "paused", "b": "active"}
            await call(servers, "resume", "--rule", "a")
            found = await w.settle(await w.send(*(failure(n) for n in range(5, 8))))
            assert [(x.pattern, [e.offset for e in x.evidence]) for x in found] == [
                ("b", [0, 1, 2, 3, 4]), ("a", [0, 1, 5, 6, 7]),
            ]  # fmt: skip

    asyncio.run(run())


def test_names_that_are_not_there_are_refused(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(), active=False)
            await w.send(failure(0))
            for arguments, code in (
                (("pause", "--rule", "none"), "definition.unknown"),
                (("pause", "--topic", "none"), "topic.unknown"),
                (("pause", "--topic", "_summit.state"), "topic.unknown"),
                (("resume", "--topic", "auth"), "flow.not_paused"),
            ):
                with pytest.raises(Invalid) as caught:
                    await call(servers, *arguments)
                assert caught.value.code == code
            # Without a worker it is stored, and said so.
            assert (await call(servers, "pause", "--topic", "au*"))["acting"] is False
            assert (await call(servers, "drain"))["acting"] is False

    asyncio.run(run())


async def drained(w: World, workers: int) -> None:
    for n in range(workers):
        await w.start_worker(name=f"w{n}")
    for worker in w.workers:
        assert await worker.wait_active(30_000)
    await w.apply(five_failures())
    for n in range(20):
        events = [failure(n, f"k{k}") for k in range(50)]
        await w.send(*events, partition=n % 2)
    found = await call(w.servers, "drain", "--timeout", "30s")
    assert found == {"paused": {"topics": ["*"], "rules": []}, "acting": True}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_drain_ends_when_everything_read_is_committed(
    each_backend: list[str], workers: int
) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await drained(w, workers)
            seen = sum(worker.metrics.events for worker in w.workers)
            behind = sum((await lags(each_backend)).values())
            assert seen + behind == 1_000
            alerts = sum(worker.metrics.alerts for worker in w.workers)
            await w.send(*(failure(0, f"z{k}") for k in range(50)))
            await asyncio.sleep(0.5)
            assert sum(worker.metrics.events for worker in w.workers) == seen
            assert sum(worker.metrics.alerts for worker in w.workers) == alerts
            await call(each_backend, "resume")
            await until(lambda: len(w.all_alerts()) == 200)
            assert {alert.count for alert in w.all_alerts()} == {5}

    asyncio.run(run())


def test_a_drain_that_takes_too_long_says_why(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            # A worker that follows the definitions no more never says that it goes by them.
            await worker.definitions.stop()
            with pytest.raises(Unavailable) as caught:
                await call(servers, "drain", "--timeout", "500ms")
            assert caught.value.code == "flow.not_drained"

    asyncio.run(run())
