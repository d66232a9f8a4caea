"""Reading a stretch of one partition: for a REST reply, and for who comes again to a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.limits import FOLLOWER_BATCH_RECORDS
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.services.record_json import record_dict

if TYPE_CHECKING:
    from summit.services.node import Node

_PRESENT_MS = 5_000  # what is there already comes soon; only for what is not may the caller wait
_POLL_MS = 500
_LOOK_MS = 100  # between two looks at the end of a partition that is shorter than the offset


async def read_records(
    node: Node, topic: str, partition: int, offset: int, *, count_max: int, wait_ms: int
) -> dict[str, Any]:
    """At most `count_max` records from `offset` on, waiting up to `wait_ms` for the first.

    An offset whose record is no longer kept means the first that is; behind the end there is
    nothing yet.

    Raises: Invalid("topic.unknown"), Invalid("partition.unknown").
    """
    deadline_ms = node.clock.monotonic_ms() + wait_ms
    start, end = await _bounds(node, topic, partition)
    while offset > end and (left_ms := deadline_ms - node.clock.monotonic_ms()) > 0:
        await asyncio.sleep(min(left_ms, _LOOK_MS) / 1000)
        start, end = await _bounds(node, topic, partition)
    at = max(offset, start)
    records: list[ConsumerRecord] = []
    if at < end or (at == end and wait_ms):
        if at < end:
            deadline_ms = max(deadline_ms, node.clock.monotonic_ms() + _PRESENT_MS)
        records = await _read(
            node, TopicPartition(topic, partition), at, end, count_max, deadline_ms
        )
    following = records[-1].offset + 1 if records else at
    return {
        "messages": [record_dict(record) for record in records],
        "count": len(records),
        "nextOffset": following,
        "highWatermark": max(end, following) if records else end,
        "logStartOffset": start,
    }


async def records_between(
    servers: list[str], clock: Clock, place: TopicPartition, at: int, until: int
) -> AsyncGenerator[ConsumerRecord, None]:
    """The committed records from one offset to another, exclusive, as fast as they are taken."""
    config = ConsumerConfig(
        client_id="summit-live", group_id="_summit-live", bootstrap_servers=servers,
        enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed",
    )  # fmt: skip
    async with StreamConsumer(config, clock=clock, tell_ends=True) as consumer:
        await consumer.assign({place: at})
        while at < until:
            for record in await consumer.poll_batch(FOLLOWER_BATCH_RECORDS, _POLL_MS):
                if record.offset < until:
                    yield record
                at = record.offset + 1
            at = max(at, consumer.read_to().get(place, 0))


async def _bounds(node: Node, topic: str, partition: int) -> tuple[int, int]:
    offsets = await node.admin.offsets(topic)
    if partition not in offsets:
        raise Invalid("partition.unknown", topic=topic, partition=partition, pointer="partition")
    return offsets[partition]


async def _read(
    node: Node, place: TopicPartition, at: int, end: int, count_max: int, deadline_ms: float
) -> list[ConsumerRecord]:
    config = ConsumerConfig(
        client_id="summit-rest", group_id="_summit-rest", bootstrap_servers=node.servers,
        enable_auto_commit=False, auto_offset_reset="earliest",
    )  # fmt: skip
    records: list[ConsumerRecord] = []
    async with StreamConsumer(config) as consumer:
        await consumer.assign({place: at})
        while len(records) < count_max:
            left_ms = int(deadline_ms - node.clock.monotonic_ms())
            if left_ms <= 0 or (records and records[-1].offset + 1 >= end):
                break
            fetched = await consumer.poll_batch(count_max - len(records), min(left_ms, 500))
            # A topic that was made anew meanwhile may be shorter: its beginning was not asked for.
            records += [record for record in fetched if record.offset >= at]
    return records
