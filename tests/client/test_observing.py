"""What a client sees of a cluster's figures: on both back ends."""

from __future__ import annotations

import asyncio

from tests.client.conftest import World

from summit.base.clock import ManualClock
from summit.client import ClusterObserver


def test_rates_are_differences_between_looks(world: World) -> None:
    async def go() -> None:
        clock = ManualClock()
        topic = await world.topic()
        async with world.admin() as admin, world.producer() as producer:
            observer = ClusterObserver(admin, clock)
            first = await observer.look()
            assert first.brokers == world.brokers
            assert first.controller_id in range(1, world.brokers + 1)
            assert (first.controllers, first.offline_partitions) == (1, 0)
            assert first.messages_in_per_s is first.bytes_in_per_s is None
            for _ in range(20):
                await producer.send({"topic": topic, "value": b"x" * 1_000})
            clock.advance(5_000)
            second = await observer.look()
            # Others write to the same brokers meanwhile: at least ours are seen.
            assert second.messages_in_per_s is not None
            assert second.messages_in_per_s >= 20 / 5
            assert second.bytes_in_per_s is not None
            assert second.bytes_in_per_s >= 20_000 / 5
            assert second.replication_bytes_per_s is not None
            if world.brokers == 1:
                assert second.replication_bytes_per_s == 0
            assert second.leader_elections_per_s is not None
            await admin.delete_topic(topic)
            clock.advance(11_000)
            third = await observer.look()
            assert third.bytes_in_per_s is not None
            assert third.bytes_in_per_s >= 0, "what was deleted is not counted backwards"

    asyncio.run(go())
