"""Rules that change while several workers read: found is what one reader finds in the same log."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from tests.flow.test_replay import replayed
from tests.flow.worker_process import WorkerProcess
from tests.flow.world import World, failure, five_failures, read_topic, until, world

from summit.alerts import encode_alert
from summit.client.types import ConsumerRecord

pytestmark = pytest.mark.slow


def variant(rand: random.Random, rule_id: str) -> dict[str, Any]:
    """A rule that means one of two things, under one of two titles, or rests."""
    rule = five_failures(rule_id, topics=["auth"], enabled=rand.random() < 0.8)
    rule["steps"][0]["times"] = rand.choice([3, 5])
    rule["action"]["config"]["title"] = rand.choice(["One", "Two"])
    return rule


async def traffic(w: World, rand: random.Random, ending: asyncio.Event) -> list[tuple[int, int]]:
    """Failures of addresses that live in one partition each; where the last ones stand."""
    at_s = 0.0
    ends = {0: 0, 1: 0}
    while not ending.is_set():
        for partition in ends:
            events = []
            for _ in range(rand.randint(1, 30)):
                at_s += rand.random() / 4
                events.append(failure(at_s, f"10.0.{partition}.{rand.randint(0, 20)}"))
            ends[partition] = (await w.send(*events, partition=partition)).offset
        await asyncio.sleep(0.02)
    return list(ends.items())


@pytest.mark.parametrize(("seed", "kills"), [(1, False), (2, False), (3, True)])
def test_each_event_is_seen_by_the_rules_that_acted_where_it_was_read(
    servers: list[str], seed: int, kills: bool
) -> None:
    rand = random.Random(seed)
    times: dict[str, Any] = {"sessionTimeoutMs": 1_000, "transactionTimeoutMs": 2_000}

    async def run() -> None:
        async with world(servers) as w:
            await w.apply(variant(rand, "a"), variant(rand, "b"), active=False)
            with ExitStack() as stack:
                workers = [stack.enter_context(WorkerProcess(servers, **times)) for _ in range(3)]
                for worker in workers:
                    await asyncio.to_thread(worker.wait_active)
                ending = asyncio.Event()
                sending = asyncio.ensure_future(traffic(w, rand, ending))
                for number in range(8):
                    await asyncio.sleep(rand.random() * (3 if kills else 1))
                    # Behind a kill it may take longer than is waited for here.
                    await w.apply(variant(rand, rand.choice("ab")), active=not kills)
                    if kills and number in (3, 6):
                        await asyncio.sleep(rand.random() / 5)
                        workers.pop(0).kill()
                        workers.append(stack.enter_context(WorkerProcess(servers, **times)))
                ending.set()
                for partition, offset in await sending:
                    await w.alerts.wait_readable("auth", partition, offset, 90_000)
            count = len(w.all_alerts())
            committed = {"isolationLevel": "read_committed"}
            records: list[ConsumerRecord] = await read_topic(servers, "alerts", count, **committed)
            found, result = await replayed(w)
            assert kills or result.phases > 3
            assert count > 50
            assert Counter(r.value for r in records) == Counter(map(encode_alert, found))

    asyncio.run(run())


def test_with_two_workers_a_rule_soon_acts(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first, second = await w.start_worker(), await w.start_worker()
            await until(lambda: {x.status().get("keyGroups") for x in (first, second)} == {32}, 60)
            for number in range(3):
                async with asyncio.timeout(10):
                    await w.apply(five_failures(f"r{number}"))
            assert first.metrics.loose_switches == second.metrics.loose_switches == 0

    asyncio.run(run())
