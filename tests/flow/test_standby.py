"""Standby copies: who takes over has the state already, and it is the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.flow.test_worker_kills import started
from tests.flow.world import failure, five_failures, until, world

from summit.base.clock import SystemClock
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.flow.restoring import restore
from summit.flow.standby import Standby
from summit.journal.state_log import Acts, acts_record, state_record, time_record
from summit.journal.topics import STATE, STATE_TOPIC, ensure_topics
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.outputs import StateKey

pytestmark = pytest.mark.slow
KEYS = 150


def test_the_state_of_one_that_is_killed_is_taken_from_the_copy(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            with await started(servers) as first:
                second = await w.start_worker(standby=1, session_timeout_ms=1_000)
                assert await second.wait_active(60_000)
                await w.apply(five_failures())
                ips = [f"10.0.0.{n}" for n in range(KEYS)]
                for n in range(3):
                    place = await w.send(*(failure(n, ip) for ip in ips))
                await w.settle(place)
                # It holds its own keys, and copies the others.
                await until(lambda: (second.status()["copiedKeys"] or 0) >= KEYS // 4, 60)
                assert second.status()["keys"] < KEYS
                first.kill()
            await until(lambda: second.status().get("keyGroups") == KEY_GROUPS, 60)
            assert second.status()["copiesTaken"] >= 1
            assert second.status()["keys"] == KEYS
            for n in (3, 4):
                place = await w.send(*(failure(n, ip) for ip in ips))
            alerts = await w.settle(place)
            assert sorted(str(a.key["ip"]) for a in alerts) == sorted(ips)
            assert {a.count for a in alerts} == {5}
            await until(lambda: second.status()["copiedKeys"] == 0)  # nobody holds any other

    asyncio.run(run())


def test_a_copy_is_what_reading_everything_gives(servers: list[str]) -> None:
    async def run() -> None:
        clock = SystemClock()
        config = {"bootstrapServers": servers}
        async with Admin(config) as admin, StreamProducer(config) as producer:
            await ensure_topics(admin, [STATE])

            async def write(begin: int, end: int, data: bytes | None) -> None:
                rows: list[dict[str, Any]] = []
                for n in range(begin, end):
                    name, value = state_record(StateKey("r", f"k{n}"), 1, data)
                    partition = key_group(f"k{n}") % 8
                    rows.append({"topic": STATE_TOPIC, "partition": partition, "key": name,
                                 "value": value})  # fmt: skip
                for name, value in (time_record("t", 0, begin), acts_record(5, Acts(begin, end))):
                    rows.append({"topic": STATE_TOPIC, "partition": 5, "key": name, "value": value})
                await producer.send_batch(rows)

            await write(0, 500, b"one")
            standby = Standby(servers, clock)
            standby.start()
            try:
                await until(lambda: standby.keys == 500)
                await write(100, 300, b"two")
                await write(200, 250, None)
                groups = frozenset(range(KEY_GROUPS))
                for held in (frozenset[int](), frozenset(g for g in groups if g % 8 < 3)):
                    standby.keep(held)
                    await asyncio.sleep(0.2)
                    wanted = groups - held
                    read = (await restore(admin, servers, wanted, clock, lambda *_: None)).content(
                        wanted
                    )
                    async with asyncio.timeout(20):
                        while (copied := await standby.content(wanted, admin)) is None:
                            await asyncio.sleep(0.05)
                    assert copied == read
                    assert len(read.states) > 200
                # What was let go is no copy; it is read again when it is wanted again.
                assert await standby.content({0}, admin) is None
                standby.keep(frozenset())
                async with asyncio.timeout(20):
                    while (copied := await standby.content(groups, admin)) is None:
                        await asyncio.sleep(0.05)
                assert len(copied.states) == 450
            finally:
                await standby.stop()

    asyncio.run(run())
