"""What the log tells about a transaction's end."""

from __future__ import annotations

import asyncio

from tests.client.conftest import World

from summit.client import TopicPartition
from summit.client.outcome import ABORTED, COMMITTED, UNKNOWN, Traces, find_outcome
from summit.client.wire import Wire


def test_the_marker_of_its_own_producer_counts(world: World) -> None:
    """Two producers take turns in one partition; one commits, one aborts."""

    async def go() -> None:
        topic = await world.topic()
        names = world.group(), world.group()
        config = {"idempotence": True}
        last: dict[str, int] = {}
        async with (
            world.producer(transactionalId=names[0], **config) as first,
            world.producer(transactionalId=names[1], **config) as second,
        ):
            await first.begin_transaction()
            await second.begin_transaction()
            for _ in range(3):
                for name, producer in zip(names, (first, second), strict=True):
                    result = await producer.send({"topic": topic, "value": "x" * 1000})
                    last[name] = result.offset
            await second.abort_transaction()
            await first.commit_transaction()
            await first.begin_transaction()  # a later end is not this one's
            await first.send({"topic": topic, "value": "later"})
            await first.abort_transaction()
        wire = Wire(world.address.split(","), "test", 10_000)
        try:
            key = TopicPartition(topic, 0)
            for name, expected in zip(names, (COMMITTED, ABORTED), strict=True):
                traces = Traces(last_offsets={key: last[name]})
                assert await find_outcome(wire, traces, 60_000) == expected
            async with world.admin() as admin:
                await admin.delete_records(topic, {0: max(last.values()) + 1})
            traces = Traces(last_offsets={key: last[names[0]]})
            assert await find_outcome(wire, traces, 60_000) == UNKNOWN
            gone = Traces(last_offsets={TopicPartition(f"{topic}-gone", 0): 0})
            assert await find_outcome(wire, gone, 60_000) == UNKNOWN
        finally:
            await wire.close()

    asyncio.run(go())


def test_offsets_tell_where_no_record_was_written(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        key = TopicPartition(topic, 0)
        async with world.consumer(group) as consumer:
            await consumer.assign([key])
            await consumer.commit_offsets([{"topic": topic, "partition": 0, "offset": 5}])
        wire = Wire(world.address.split(","), "test", 10_000)
        try:
            for offset, expected in ((5, COMMITTED), (6, ABORTED), (4, UNKNOWN)):
                traces = Traces(group_offsets={group: {key: offset}})
                assert await find_outcome(wire, traces, 60_000) == expected
        finally:
            await wire.close()

    asyncio.run(go())
