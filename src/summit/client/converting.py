"""librdkafka's messages as records, many at once: without a step of Python for each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple

from summit.client.positions import Offsets
from summit.client.types import NO_HEADERS, ConsumerRecord, Headers, TopicPartition


class Piece(NamedTuple):
    """Records in the order they came, and per partition the offset behind its last one."""

    records: list[ConsumerRecord]
    next_offsets: Offsets


def piece_of(messages: list[Any]) -> Piece:
    """The records of messages, none of which is an error; at least one."""
    kind = type(messages[0])
    topics = list(map(kind.topic, messages))
    partitions = list(map(kind.partition, messages))
    offsets = list(map(kind.offset, messages))
    timestamps = [timestamp for _, timestamp in map(kind.timestamp, messages)]
    headers: Iterable[Headers] = repeat(NO_HEADERS)
    pairs = list(map(kind.headers, messages))
    if any(pairs):
        headers = [Headers(found) if found else NO_HEADERS for found in pairs]
    topic, partition = topics[0], partitions[0]
    names: Iterable[str] = repeat(topic)  # librdkafka makes a text for each message
    if topics.count(topic) != len(topics):
        known = {name: name for name in topics}
        names = map(known.__getitem__, topics)
        ends = dict(zip(zip(topics, partitions, strict=True), offsets, strict=True))
        next_offsets = {TopicPartition(*place): end + 1 for place, end in ends.items()}
    elif partitions.count(partition) != len(partitions):
        last = dict(zip(partitions, offsets, strict=True))
        next_offsets = {TopicPartition(topic, part): end + 1 for part, end in last.items()}
    else:
        next_offsets = {TopicPartition(topic, partition): offsets[-1] + 1}
    keys, values = map(kind.key, messages), map(kind.value, messages)
    records = map(ConsumerRecord, names, partitions, offsets, timestamps, keys, values, headers)
    return Piece(list(records), next_offsets)
