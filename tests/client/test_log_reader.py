"""Ranges of a partition, without a group."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from tests.client.conftest import World

from summit.base.errors import Closed, Invalid


def test_ranges(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        async with world.producer() as producer, world.reader() as reader:
            await producer.send_batch(
                [{"topic": topic, "value": f"{n}", "partition": 1} for n in range(300)]
            )
            assert await reader.partition_count(topic) == 2
            assert await reader.span(topic, 1) == (0, 300)
            found: list[int] = []
            async for records in reader.read(topic, 1, 10, 290, burst=50):
                assert len(records) <= 50
                found += [record.offset for record in records]
            assert found == list(range(10, 290))
            assert [r.offset for r in await reader.consume(topic, 1, 297)] == [297, 298, 299]
            assert [r.offset for r in await reader.consume(topic, 1, 5, 2)] == [5, 6]
            assert await reader.consume(topic, 1, 300) == []
            assert await reader.consume(topic, 0, 0) == []
            # Left early, the turn is free again.
            async with aclosing(reader.read(topic, 1, 0, burst=10)) as bursts:
                async for records in bursts:
                    assert len(records) == 10
                    break
            both = await asyncio.gather(
                reader.consume(topic, 1, 0, 20), reader.consume(topic, 1, 100, 20)
            )
            assert [len(records) for records in both] == [20, 20]
            assert [records[0].offset for records in both] == [0, 100]

    asyncio.run(go())


def test_what_cannot_be_read(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.reader() as reader:
            for call, code in (
                (reader.consume(topic, 0, 1), "consumer.offset_out_of_range"),
                (reader.consume(topic, 0, -1), "consumer.offset_out_of_range"),
                (reader.consume(topic, 7, 0), "partition.unknown"),
                (reader.consume("un-known", 0, 0), "topic.unknown"),
            ):
                with pytest.raises(Invalid) as caught:
                    await call
                assert caught.value.code == code
        with pytest.raises(Closed):
            await reader.consume(topic, 0, 0)
        with pytest.raises(Invalid):
            await world.reader().span(topic, 0)

    asyncio.run(go())
