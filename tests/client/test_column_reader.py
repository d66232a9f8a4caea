"""Columns of given partitions: everything once, in order, from where one was told to begin."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.conftest import World

from summit.base.clock import SystemClock
from summit.base.errors import Closed
from summit.client import TopicPartition
from summit.client.column_reader import ColumnReader
from summit.client.settings import ConsumerConfig


def column_reader(world: World) -> ColumnReader:
    """One of committed records."""
    config = ConsumerConfig(
        group_id="_columns",
        bootstrap_servers=world.address,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    return ColumnReader(config, SystemClock())


async def read(reader: ColumnReader, ends: dict[TopicPartition, int]) -> list[tuple[object, ...]]:
    """Everything until these ends: partition, offset, key, value, headers."""
    rows: list[tuple[object, ...]] = []
    async with asyncio.timeout(30):
        while any(reader.read_to().get(place, -1) < end for place, end in ends.items()):
            for columns in await reader.poll(64, 1_000):
                assert len(columns.offsets) <= 64
                headers = columns.headers or [None] * len(columns.offsets)
                members = (columns.offsets, columns.keys, columns.values, headers)
                rows += [(columns.partition, *row) for row in zip(*members, strict=True)]
    return rows


def test_everything_comes_once_and_in_order_and_nothing_that_was_aborted(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        rows = [
            {"topic": topic, "partition": n % 2, "value": f"{n}", "key": f"k{n}"}
            for n in range(300)
        ]
        rows[4]["headers"] = {"h": "1"}
        async with world.producer() as producer:
            await producer.send_batch(rows[:200])
        async with world.producer(transactionalId=f"{topic}-t", idempotence=True) as producer:
            async with producer.transaction():
                await producer.send_batch(rows[200:])
            await producer.begin_transaction()
            await producer.send_batch(rows[:10])
            await producer.abort_transaction()
        reader = column_reader(world)
        await reader.connect()
        places = [TopicPartition(topic, n) for n in range(2)]
        await reader.assign({places[0]: 0, places[1]: 10})
        found = await read(reader, dict.fromkeys(places, 150))
        for partition, first in ((0, 0), (1, 10)):
            numbers = [2 * n + partition for n in range(first, 150)]
            here = [row for row in found if row[0] == partition]
            assert [row[3] for row in here] == [f"{n}".encode() for n in numbers]
            assert [row[2] for row in here] == [f"k{n}".encode() for n in numbers]
        assert [row[4] for row in found if row[4]] == [[("h", b"1")]]
        # The ends lie behind the marks and what was aborted.
        async with asyncio.timeout(30):
            while any(reader.read_to()[place] < 156 for place in places):
                assert await reader.poll(64, 1_000) == []
        await reader.assign({places[1]: 148})
        assert [row[1] for row in await read(reader, {places[1]: 156})] == [148, 149]
        await reader.close()
        await reader.close()
        with pytest.raises(Closed):
            await reader.poll(1, 0)

    asyncio.run(go())


def test_paused_partitions_rest_a_wake_ends_the_wait_a_cancelled_poll_loses_nothing(
    world: World,
) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        places = [TopicPartition(topic, n) for n in range(2)]
        reader = column_reader(world)
        await reader.connect()
        await reader.assign(dict.fromkeys(places, 0))
        waiting = asyncio.create_task(reader.poll(10, 60_000))
        await asyncio.sleep(0)
        reader.wake()
        async with asyncio.timeout(30):
            assert await waiting == []
        abandoned = asyncio.create_task(reader.poll(10, 60_000))
        await asyncio.sleep(0)
        abandoned.cancel()
        async with world.producer() as producer:
            await producer.send_batch([{"topic": topic, "value": "a", "partition": 0}])
            assert [row[3] for row in await read(reader, {places[0]: 1})] == [b"a"]
            await reader.pause([places[0]])
            await producer.send_batch(
                [{"topic": topic, "value": f"{n}", "partition": n} for n in range(2)]
            )
            assert [row[3] for row in await read(reader, {places[1]: 1})] == [b"1"]
            await reader.resume([places[0]])
            assert [row[3] for row in await read(reader, {places[0]: 2})] == [b"0"]
        await reader.close()

    asyncio.run(go())
