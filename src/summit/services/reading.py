"""Reading a stretch of one partition for a REST reply."""

from __future__ import annotations

import base64
from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.services.node import Node


async def read_records(
    node: Node, topic: str, partition: int, offset: int, *, count_max: int, wait_ms: int
) -> dict[str, Any]:
    """At most `count_max` records from `offset` on, waiting up to `wait_ms` for the first.

    Raises: Invalid("topic.unknown"), Invalid("partition.unknown").
    """
    offsets = await node.admin.offsets(topic)
    if partition not in offsets:
        raise Invalid("partition.unknown", topic=topic, partition=partition, pointer="partition")
    start, end = offsets[partition]
    at = max(offset, start)
    records: list[ConsumerRecord] = []
    if at < end or wait_ms:
        records = await _read(node, TopicPartition(topic, partition), at, end, count_max, wait_ms)
    return {
        "messages": [record_dict(record) for record in records],
        "count": len(records),
        "nextOffset": records[-1].offset + 1 if records else at,
        "highWatermark": max(end, records[-1].offset + 1 if records else 0),
        "logStartOffset": start,
    }


async def _read(
    node: Node, place: TopicPartition, at: int, end: int, count_max: int, wait_ms: int
) -> list[ConsumerRecord]:
    config = ConsumerConfig(
        client_id="summit-rest", group_id="_summit-rest", bootstrap_servers=node.servers,
        enable_auto_commit=False, auto_offset_reset="earliest",
    )  # fmt: skip
    records: list[ConsumerRecord] = []
    clock: Clock = node.clock
    # What is there already comes soon; only for what is not may the caller wait.
    deadline_ms = clock.monotonic_ms() + max(wait_ms, 5_000 if at < end else 0)
    async with StreamConsumer(config) as consumer:
        await consumer.assign({place: at})
        while len(records) < count_max:
            left_ms = int(deadline_ms - clock.monotonic_ms())
            if left_ms <= 0 or (records and records[-1].offset + 1 >= end):
                break
            records += await consumer.poll_batch(count_max - len(records), min(left_ms, 500))
    return records


def record_dict(record: ConsumerRecord) -> dict[str, Any]:
    """A record for JSON: texts as they are, other bytes as base64, and marked."""
    value, value_encoding = _text(record.value)
    key, key_encoding = _text(record.key)
    plain: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": key,
        "value": value,
        "headers": {name: _text(header)[0] for name, header in record.headers.items()},
    }
    if value_encoding:
        plain["valueEncoding"] = value_encoding
    if key_encoding:
        plain["keyEncoding"] = key_encoding
    return plain


def _text(value: bytes | None) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
