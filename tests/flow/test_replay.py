"""Replay: the past read again gives what the workers found in it, byte for byte."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.flow.test_worker_time import beat, by_time, silence
from tests.flow.world import World, failure, five_failures, read_topic, until, world

from summit.alerts import Alert, encode_alert
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.flow.past_findings import Finding
from summit.flow.replay import Replay, Replayed, ReplaySettings
from summit.flow.replay_output import ReplayOutput


async def replayed(
    w: World, output: ReplayOutput | None = None, **settings: Any
) -> tuple[list[Alert], Replayed]:
    found: list[Finding] = []
    replay = Replay(ReplaySettings(servers=w.servers, **settings), found.extend)
    result = await replay.run(output)
    return [one.alert for one in found if one.alert is not None], result


async def written(w: World, topic: str = "alerts") -> list[bytes]:
    """The values of the alerts in a topic, read committed."""
    count = len(w.all_alerts())
    return [record.value or b"" for record in await read_topic(w.servers, topic, count)]


def fives(count: int, ips: int = 8) -> list[dict[str, Any]]:
    """Failures of some addresses in turn; five of each make an alert."""
    return [failure(number * 0.1, f"ip{number % ips}") for number in range(count)]


def test_the_rules_of_the_day_find_the_same_again(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*fives(60)))
            await w.apply({**five_failures(), "name": "Renamed", "enabled": False})
            await w.settle(await w.send(*fives(60)))
            three = five_failures("three")
            three["steps"][0]["times"] = 3
            await w.apply(three, five_failures())
            alerts = await w.settle(await w.send(*fives(60)))
            await worker.stop()
            found, result = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)
            assert {alert.pattern for alert in alerts} == {"brute", "three"}
            assert (result.records, result.alerts) == (180, len(alerts))
            assert result.phases >= 3
            # The rules of now find something else.
            now, _ = await replayed(w, rules="current")
            assert {alert.pattern for alert in now} == {"brute", "three"}
            assert len(now) > len(found)
            only, _ = await replayed(w, rules="current", rule_ids=["brute"])
            assert {alert.pattern for alert in only} == {"brute"}

    asyncio.run(run())


def test_however_many_workers_there_were(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker(name="one")
            await w.apply(five_failures())
            for partition in (0, 1):
                events = [{**e, "ip": f"{partition}-{e['ip']}"} for e in fives(100)]
                await w.settle(await w.send(*events, partition=partition))
            second = await w.start_worker(name="two")
            await until(lambda: second.status().get("keyGroups", 0) > 0)
            for partition in (0, 1):
                events = [{**e, "ip": f"{partition}-{e['ip']}"} for e in fives(100)]
                await w.settle(await w.send(*events, partition=partition))
            await asyncio.gather(first.stop(), second.stop())
            found, _ = await replayed(w)
            assert sorted(map(encode_alert, found)) == sorted(await written(w))
            assert len(found) >= 2 * 2 * 8 * 2

    asyncio.run(run())


def test_time_goes_on_as_it_did(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            quick = {**silence("2s", topics=["beats"]), "id": "quick"}
            await w.apply(
                by_time(), quick, silence("20s", topics=["auth"]), five_failures(topics=["auth"])
            )
            await w.send(beat(0), beat(1), beat(1, "b"), topic="beats")
            rand = random.Random(7)
            events = [failure(n, f"ip{n % 3}") for n in range(60)] + [beat(n) for n in (5, 40)]
            events.sort(key=lambda event: event["timestamp"] + rand.uniform(0, 2_900))
            await w.send(*events[::2], partition=0)
            await w.send(*events[1::2], partition=1)
            await until(lambda: len(w.all_alerts()) == 2 + 12 + 2, 60)
            await worker.stop()
            found, result = await replayed(w)
            assert sorted(map(encode_alert, found)) == sorted(await written(w))
            assert result.late == 0

    asyncio.run(run())


def test_a_range_and_a_topic_beside(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(), active=False)
            for day in range(3):
                await w.send(*fives(40), timestamp=86_400_000 * (100 + day))
            ends = {"since_ms": 86_400_000 * 101, "until_ms": 86_400_000 * 102}
            with pytest.raises(Invalid, match="not recorded"):
                await replayed(w)
            found, result = await replayed(w, rules="current", **ends)
            assert (result.records, len(found)) == (40, 8)
            assert {e.offset for alert in found for e in alert.evidence} == set(range(40, 80))
            for expected in ((8, 0), (0, 8)):
                async with ReplayOutput(servers, "_again") as output:
                    await replayed(w, output, rules="current", **ends)
                    assert (output.written, output.known) == expected
            records = await read_topic(servers, "_again", 8)
            assert [record.value for record in records] == [encode_alert(a) for a in found]
            async with ReplayOutput(servers, "_again") as output:
                await replayed(w, output, rules="current")
                assert (output.written, output.known) == (16, 8)

    asyncio.run(run())


def test_what_there_is_not_is_refused(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(), active=False)
            await w.send(failure(0))
            with pytest.raises(Invalid, match="nowhere"):
                await replayed(w, rules="current", topics=["nowhere"])
            with pytest.raises(Invalid, match="brute"):
                await replayed(w, rules="current", rule_ids=["bruty"])
            with pytest.raises(Invalid, match="'auth'"):
                ReplayOutput(servers, "auth")
            found, result = await replayed(w, rules="current", topics=["no*"])
            assert (found, result.records) == ([], 0)
            async with Admin({"bootstrapServers": servers}) as admin:
                assert "_summit.state" not in await admin.list_topics()

    asyncio.run(run())
