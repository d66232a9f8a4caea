"""Processes that sleep past their session and wake, and brokers that are killed under an app."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from tests.interop.processes import BrokerProcess
from tests.streams.apps import numbering
from tests.streams.reference import all_events, buckets, check_numbered, in_time
from tests.streams.test_app_kills import make_outputs, started
from tests.streams.traffic import Traffic, outputs, wait_for

from summit.streams.app import StreamApp

pytestmark = pytest.mark.slow


async def check(servers: list[str], traffic: Traffic) -> None:
    log = traffic.sent
    wanted = len(all_events(log)) + len(buckets(in_time(log)))
    await wait_for(servers, "numbered", wanted)
    check_numbered(await outputs(servers, "numbered"), log)


def test_one_that_slept_while_another_took_over_writes_nothing(servers: list[str]) -> None:
    async def run() -> None:
        rand = random.Random(7)
        await make_outputs(servers)
        traffic = Traffic(servers, 7, "clicks", 2)
        await traffic.start()
        with await started(servers, "numbering") as one, await started(servers, "numbering") as two:
            for sleeper in (one, two, one):
                await asyncio.sleep(0.5 + rand.random())
                sleeper.sleep()
                await asyncio.sleep(4)  # its session and its transaction are over, and others go on
                sleeper.wake()
            await traffic.finish()
            await check(servers, traffic)
            stops = [await asyncio.to_thread(process.stop) for process in (one, two)]
            assert stops == [0, 0]
        check_numbered(await outputs(servers, "numbered"), traffic.sent)

    asyncio.run(run())


def test_a_broker_that_is_killed_comes_back(tmp_path: Path) -> None:
    async def run(broker: BrokerProcess) -> None:
        servers = [broker.address]
        await make_outputs(servers)
        traffic = Traffic(servers, 8, "clicks", 2)
        settings: dict[str, Any] = {"idle_ms": 600_000, "transaction_timeout_ms": 3_000}
        app = StreamApp("summit-app", bootstrap_servers=servers, **settings)
        numbering(app)
        async with app:
            assert await app.wait_active(20_000)
            await traffic.start()
            for _ in range(2):
                await asyncio.sleep(1)
                broker.kill()
                await asyncio.sleep(0.5)
                broker.start()
                await asyncio.sleep(1)
            await traffic.finish()
            await check(servers, traffic)
            assert app.state in ("active", "restoring")
        check_numbered(await outputs(servers, "numbered"), traffic.sent)

    with BrokerProcess(str(tmp_path / "data"), num_partitions=2) as broker:
        asyncio.run(run(broker))
