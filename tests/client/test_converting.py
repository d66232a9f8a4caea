"""Many messages at once become what each alone would."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from tests.client.conftest import World, poll_all

from summit.client import NO_HEADERS, ConsumerRecord, Headers, TopicPartition
from summit.client.converting import columns_of, joined, piece_of
from summit.client.types import Columns


def one(message: object) -> ConsumerRecord:
    """What a message means, field by field."""
    pairs = message.headers()  # type: ignore[attr-defined]
    return ConsumerRecord(
        topic=message.topic(),  # type: ignore[attr-defined]
        partition=message.partition(),  # type: ignore[attr-defined]
        offset=message.offset(),  # type: ignore[attr-defined]
        timestamp=message.timestamp()[1],  # type: ignore[attr-defined]
        key=message.key(),  # type: ignore[attr-defined]
        value=message.value(),  # type: ignore[attr-defined]
        headers=Headers(pairs) if pairs else NO_HEADERS,
    )


def records_of(columns: Columns) -> list[ConsumerRecord]:
    """Columns as the records they stand for."""
    headers = columns.headers or [None] * len(columns.offsets)
    rows = zip(
        columns.offsets, columns.timestamps, columns.keys, columns.values, headers, strict=True
    )
    return [
        ConsumerRecord(
            columns.topic, columns.partition, offset, timestamp, key, value,
            Headers(pairs) if pairs else NO_HEADERS,
        )
        for offset, timestamp, key, value, pairs in rows
    ]  # fmt: skip


@pytest.mark.parametrize("topics", [["a"], ["a", "b-c"]])
@pytest.mark.parametrize("partitions", [[7], [0, 1, 2]])
def test_a_piece_is_its_messages_one_by_one(topics: list[str], partitions: list[int]) -> None:
    from confluent_kafka import Message

    rand = random.Random(len(topics) * 10 + len(partitions))
    for count in (1, 2, 50):
        ends: dict[TopicPartition, int] = {}
        messages = []
        for _ in range(count):
            place = TopicPartition(rand.choice(topics), rand.choice(partitions))
            offset = ends.get(place, 10) + rand.choice([0, 0, 3])
            ends[place] = offset + 1
            headers = rand.choice([None, None, [], [("n", b"1"), ("n", None)]])
            messages.append(
                Message(
                    topic="".join(list(place.topic)), partition=place.partition, offset=offset,
                    key=rand.choice([None, b"", b"k"]), value=rand.choice([None, b"", b"v"]),
                    headers=headers, timestamp=(1, rand.choice([-1, 0, 1_700_000_000_000])),
                )
            )  # fmt: skip
        piece = piece_of(messages)
        assert piece.records == [one(message) for message in messages]
        assert piece.next_offsets == ends
        stretches = joined(columns_of(messages).records)
        assert [record for columns in stretches for record in records_of(columns)] == piece.records
        places = [(columns.topic, columns.partition) for columns in stretches]
        assert all(place != after for place, after in pairwise(places))
        assert columns_of(messages).next_offsets == ends
        names = {id(record.topic) for record in piece.records}
        assert len(names) == len({record.topic for record in piece.records})


def test_a_batch_of_many_pieces_is_whole_and_commits_what_it_holds(world: World) -> None:
    """More than one answer of librdkafka, several partitions, ends and a position in each."""

    async def go() -> None:
        topic = await world.topic(3)
        async with world.producer(lingerMs=5) as producer:
            sent = await producer.send_batch(
                [
                    {"topic": topic, "partition": n % 3, "value": f"{n}", "headers": {"n": f"{n}"}}
                    for n in range(4_000)
                ]
            )
        group = world.group()
        async with world.reading(topic, group, enableAutoCommit=False) as consumer:
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(20):
                async for batch in consumer.batches(3_000):
                    assert len(batch) <= 3_000
                    found += batch
                    for record in batch:  # the position is behind all that was handed out
                        at = await consumer.position(topic, record.partition)
                        assert at is not None
                        assert at > record.offset
                    if len(found) == 4_000:
                        break
            await consumer.commit_offsets()
            by_place = {(record.partition, record.offset): record for record in found}
            assert len(by_place) == 4_000
            for n, result in enumerate(sent):
                record = by_place[result.partition, result.offset]
                assert (record.text(), record.headers.text("n")) == (f"{n}", f"{n}")
                assert record.timestamp == result.timestamp
            committed = await consumer.committed()
            ends = {TopicPartition(topic, p): len(range(p, 4_000, 3)) for p in range(3)}
            assert committed == ends
        async with world.reading(topic, world.group()) as consumer:  # one at a time, the same
            one_by_one = []
            async with asyncio.timeout(20):
                async for record in consumer:
                    one_by_one.append(record)
                    if len(one_by_one) == 1_200:
                        break
            assert [by_place[r.partition, r.offset] for r in one_by_one] == one_by_one
            rest = await poll_all(consumer, 2_800)
            assert {(r.partition, r.offset) for r in [*one_by_one, *rest]} == set(by_place)

    asyncio.run(go())
