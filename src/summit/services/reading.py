"""Reading a stretch of one partition for a REST reply."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from summit.base.errors import Invalid
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.services.node import Node

_PRESENT_MS = 5_000  # what is there already comes soon; only for what is not may the caller wait
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


def record_dict(record: ConsumerRecord) -> dict[str, Any]:
    """A record for JSON: texts as they are, other bytes as base64, and marked."""
    value, value_encoding = _text(record.value)
    key, key_encoding = _text(record.key)
    headers = {name: _text(header) for name, header in record.headers.items()}
    plain: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": key,
        "value": value,
        "headers": {name: text for name, (text, _) in headers.items()},
    }
    if value_encoding:
        plain["valueEncoding"] = value_encoding
    if key_encoding:
        plain["keyEncoding"] = key_encoding
    marked = {name: encoding for name, (_, encoding) in headers.items() if encoding}
    if marked:
        plain["headersEncoding"] = marked
    return plain


def _text(value: bytes | None) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
