"""A broker that goes away and comes back: clients wait, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.client.conftest import Heard, World, until

from summit.broker import BrokerSettings, BrokerThread


def test_clients_outlive_a_restart(tmp_path: Path) -> None:
    settings = BrokerSettings(port=0, data_dir=str(tmp_path), durability="os")
    broker = BrokerThread(settings)
    broker.start()
    world = World(broker)
    again = BrokerThread(settings.replace(port=broker.port))

    async def go() -> None:
        topic = await world.topic()
        got: list[int] = []
        async with (
            world.producer(idempotence=True, retries=50) as producer,
            world.reading(topic, autoCommitIntervalMs=20) as consumer,
        ):
            lost: list[Any] = Heard(producer, "error").events
            await consumer.start(lambda record: got.append(int(record.text())))
            sent = [producer.send_nowait(topic, f"{n}") for n in range(50)]
            await producer.flush()
            await until(lambda: len(got) == 50)
            await asyncio.to_thread(broker.stop)
            await until(lambda: lost)
            assert lost[0][1].error.code == "client.no_brokers"
            sent += [producer.send_nowait(topic, f"{n}") for n in range(50, 100)]
            await asyncio.sleep(0.1)
            assert not sent[-1].done()
            await asyncio.to_thread(again.start)
            results = await asyncio.gather(*sent)
            assert [result.offset for result in results] == list(range(100))
            await until(lambda: len(got) >= 100)
        assert got == list(range(100))

    try:
        asyncio.run(go())
    finally:
        broker.stop()
        again.stop()
