"""The broker goes away and comes back: the worker waits, loses nothing, and goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.flow.world import failure, five_failures, until, world
from tests.interop.processes import BrokerProcess

pytestmark = pytest.mark.slow


def test_a_killed_broker_comes_back(tmp_path: Path) -> None:
    async def run(broker: BrokerProcess) -> None:
        async with world([broker.address]) as w:
            worker = await w.start_worker(session_timeout_ms=6_000)
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(8))))
            for round_number in range(2):
                broker.kill()
                await asyncio.sleep(0.5)
                broker.start()
                at = 8 + 2 * round_number
                place = await w.send(failure(at), failure(at + 1))
                async with asyncio.timeout(40):
                    await w.settle(place)
            assert [[e.offset for e in a.evidence] for a in w.all_alerts()] == [
                [0, 1, 2, 3, 4],
                [5, 6, 7, 8, 9],
            ]
            assert worker.state == "active"

    with BrokerProcess(str(tmp_path / "data"), num_partitions=1) as broker:
        asyncio.run(run(broker))


def test_a_worker_stops_in_time_though_the_broker_is_away(tmp_path: Path) -> None:
    async def run(broker: BrokerProcess) -> None:
        async with world([broker.address]) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(failure(0)))
            broker.kill()
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await worker.stop(timeout_ms=1_000)
            assert loop.time() - begun < 15
            broker.start()
            await until(lambda: worker.state == "stopped")

    with BrokerProcess(str(tmp_path / "data"), num_partitions=1) as broker:
        asyncio.run(run(broker))
