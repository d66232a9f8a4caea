"""librdkafka's messages as records or columns, many at once: without a step of Python for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby, repeat
from typing import Any, NamedTuple

from summit.client.positions import Offsets
from summit.client.types import NO_HEADERS, Columns, ConsumerRecord, Headers, TopicPartition


class Piece(NamedTuple):
    """Records or columns in the order they came, and per partition the offset behind the last."""

    records: list[Any]
    next_offsets: Offsets


Convert = Callable[[list[Any]], Piece]


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


def columns_of(messages: list[Any]) -> Piece:
    """The same messages as `Columns`, one for each stretch of one partition."""
    kind = type(messages[0])
    topics = list(map(kind.topic, messages))
    partitions = list(map(kind.partition, messages))
    topic, partition = topics[0], partitions[0]
    count = len(messages)
    if partitions.count(partition) == count and topics.count(topic) == count:
        columns = _columns(kind, topic, partition, messages)
        return Piece([columns], {TopicPartition(topic, partition): columns.offsets[-1] + 1})
    stretches: list[Columns] = []
    begin = 0
    for place, members in groupby(zip(topics, partitions, strict=True)):
        end = begin + sum(1 for _ in members)
        stretches.append(_columns(kind, *place, messages[begin:end]))
        begin = end
    ends = {TopicPartition(c.topic, c.partition): c.offsets[-1] + 1 for c in stretches}
    return Piece(stretches, ends)


def joined(pieces: Iterable[Columns]) -> list[Columns]:
    """Neighbours of one partition put together; takes over the columns of the pieces."""
    found: list[Columns] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last is None or (last.topic, last.partition) != (piece.topic, piece.partition):
            found.append(piece)
            continue
        headers = last.headers
        if headers is None and piece.headers is not None:
            headers = [None] * len(last.offsets)
        if headers is not None:
            headers += piece.headers or [None] * len(piece.offsets)
        last.offsets.extend(piece.offsets)
        last.timestamps.extend(piece.timestamps)
        last.keys.extend(piece.keys)
        last.values.extend(piece.values)
        found[-1] = last._replace(headers=headers)
    return found


def _columns(kind: Any, topic: str, partition: int, messages: list[Any]) -> Columns:
    headers = list(map(kind.headers, messages))
    return Columns(
        topic, partition,
        list(map(kind.offset, messages)),
        [timestamp for _, timestamp in map(kind.timestamp, messages)],
        list(map(kind.key, messages)),
        list(map(kind.value, messages)),
        headers if any(headers) else None,
    )  # fmt: skip
