"""Replay: dead letters go back into the topic that they came from, each once.

A transaction holds the records and how far the replay is, which is the offset of the group
`summit-dlq-<topic>` in the dead-letter topic. So a replay may be killed and begun again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from summit.base.errors import Corrupt, Invalid
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.dead_letters import DeadLetter, dead_letter_topic
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, ProducerRecord, TopicPartition, header_pairs


class Replayed(msgspec.Struct, kw_only=True):
    """What a replay did: put back, and passed over as unreadable or gone."""

    replayed: int = 0
    passed_over: int = 0


async def replay_dead_letters(
    brokers: Any, topic: str, *, batch_records: int = 500, idle_ms: int = 1_000
) -> Replayed:
    """Put the dead letters of `topic` back into it: key, headers and value as they were.

    Each letter once, also when replays are killed and begun again: a transaction holds the records
    and the progress, which is the offset of the group `summit-dlq-<topic>`. Ends at the end that
    the dead-letter topic had at the beginning.

    Args:
        brokers: Addresses, as `connect` takes them.
        idle_ms: How long to wait for more before the end is asked for again.
    Raises: Invalid("topic.unknown") when there are no dead letters.
    """
    done = Replayed()
    name = f"summit-dlq-{topic}"
    letters = dead_letter_topic(topic)
    servers: Mapping[str, Any] = {"clientId": name}
    reading = ConsumerConfig(
        group_id=name, client_id=name, auto_offset_reset="earliest", enable_auto_commit=False,
        isolation_level="read_committed",
    )  # fmt: skip
    producer = StreamProducer({**servers, "transactionalId": name})
    admin, reader, consumer = (
        Admin(servers),
        LogReader(servers),
        StreamConsumer(reading, tell_ends=True),
    )
    clients: tuple[Any, ...] = (producer, admin, reader, consumer)
    try:
        for client in clients:
            await client.connect(brokers)
        ends = await admin.offsets(letters, committed=True)
        left = {TopicPartition(letters, part): end for part, (first, end) in ends.items()
                if end > first}  # fmt: skip
        await consumer.assign(list(left))
        while left:
            records = await consumer.poll_batch(batch_records, idle_ms)
            records = [r for r in records if r.offset < ends[r.partition][1]]
            if records:
                await _put_back(producer, reader, records, name, done)
            reached = consumer.read_to()
            for key, end in list(left.items()):
                at = await consumer.position(*key) or 0
                if max(at, reached.get(key, 0)) >= end:
                    del left[key]
    finally:
        for client in clients:
            await client.close()
    return done


async def _put_back(
    producer: StreamProducer,
    reader: LogReader,
    records: list[ConsumerRecord],
    group: str,
    done: Replayed,
) -> None:
    originals: list[ProducerRecord] = []
    passed_over = 0
    for record in records:
        try:
            originals.append(await _original(reader, DeadLetter.decode(record.value)))
        except (Corrupt, Invalid):
            passed_over += 1
    next_offsets = {(record.topic, record.partition): record.offset + 1 for record in records}
    async with producer.transaction():
        await producer.send_batch(originals)
        await producer.send_offsets_to_transaction(next_offsets, group)
    done.replayed += len(originals)
    done.passed_over += passed_over


async def _original(reader: LogReader, letter: DeadLetter) -> ProducerRecord:
    """The record as it was. Raises Invalid when its value is neither here nor there."""
    value = letter.value
    if letter.is_value_left_out:
        if letter.partition is None or letter.offset is None:
            raise Invalid("dead_letter.value_gone", topic=letter.topic, offset=letter.offset)
        found = await reader.consume(letter.topic, letter.partition, letter.offset, 1)
        if not found or found[0].offset != letter.offset:
            raise Invalid("dead_letter.value_gone", topic=letter.topic, offset=letter.offset)
        value = found[0].value
    return ProducerRecord(
        topic=letter.topic,
        key=letter.key,
        value=value,
        headers=header_pairs(letter.headers),
        partition=letter.partition if letter.key is None else None,
    )
