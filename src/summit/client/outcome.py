"""How a transaction ended whose end was not answered: read from the log, never guessed.

It may be asked only when the end is certain to have come: a newer epoch of the transactional id
has been given out, which the coordinator does after it has ended whatever was open. Then each
partition that the transaction wrote has a marker of its producer behind its records, and that
marker is the truth. A transaction that only moved a group's offsets is known by those offsets.

    offset 40..44  batch, producer 7          a record that was acknowledged: where reading begins
    offset 45      batch, producer 9          somebody else's
    offset 46      marker, producer 7         commit or abort: the answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from summit.base.errors import Invalid, Unavailable
from summit.client.admin.connection import look_pauses_s
from summit.client.types import TopicPartition
from summit.client.wire import GROUP, RETRIABLE, Wire, fault
from summit.protocol import codes
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.protocol.metadata import MetadataRequestTopic
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
)
from summit.records.batch import parse_header, split_batches
from summit.records.marker import read_marker

COMMITTED: Final = "committed"
ABORTED: Final = "aborted"
UNKNOWN: Final = "unknown"

_FETCH_BYTES: Final = 1_048_576
_FETCH_NEWEST: Final = 12  # later versions name topics by id
_OFFSETS_NEWEST: Final = 7  # the last one for a single group; waits for pending transactions
_NO_OFFSET: Final = -1


class Traces(msgspec.Struct):
    """What a transaction left behind, as far as its producer was told.

    Args:
        last_offsets: Per partition the last acknowledged offset.
        group_offsets: Per group the offsets that were sent to the transaction.
    """

    last_offsets: dict[TopicPartition, int] = {}
    group_offsets: dict[str, dict[TopicPartition, int]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to commit."""
        return not self.last_offsets and not self.group_offsets


async def find_outcome(wire: Wire, traces: Traces, timeout_ms: int) -> str:
    """`committed`, `aborted`, or `unknown` where the log does not tell (any more).

    Raises: Unavailable("client.timeout") when brokers do not answer in time.
    """
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            for key, offset in traces.last_offsets.items():
                found = await _by_marker(wire, key, offset, timeout_ms)
                if found != UNKNOWN:
                    return found
            return await _by_offsets(wire, traces.group_offsets)
    except TimeoutError as error:
        raise Unavailable("client.timeout", reason="the log could not be read in time") from error


async def _by_marker(wire: Wire, key: TopicPartition, offset: int, timeout_ms: int) -> str:
    """Read on from a record of the transaction to the marker of its producer."""
    producer_id: int | None = None
    at = offset
    pauses = look_pauses_s(timeout_ms / 1000)
    while True:
        try:
            data = await _fetch(wire, key, at)
        except Invalid:
            return UNKNOWN  # the topic, or that part of it, is gone
        except Unavailable:
            data = None  # the partition's leader is moving
        for position, size in split_batches(data or b""):
            assert data is not None
            header = parse_header(data, position)
            at = max(at, header.last_offset + 1)
            if producer_id is None:
                if header.base_offset > offset:
                    return UNKNOWN  # the record itself was cleaned away
                if header.last_offset >= offset:
                    producer_id = header.producer_id
            elif header.is_control and header.producer_id == producer_id:
                marker = read_marker(data[position : position + size])
                if marker.is_commit is not None:
                    return COMMITTED if marker.is_commit else ABORTED
        if not data:
            pause_s = next(pauses, None)
            if pause_s is None:
                raise TimeoutError
            await asyncio.sleep(pause_s)


async def _fetch(wire: Wire, key: TopicPartition, offset: int) -> bytes:
    """Batches from `offset` on; nothing at the end. Raises Invalid or Unavailable."""
    (topic,) = (await wire.metadata([MetadataRequestTopic(name=key.topic)])).topics
    if topic.error_code != codes.NONE:
        raise fault(topic.error_code, **key._asdict())
    leaders = {part.partition_index: part.leader_id for part in topic.partitions}
    leader = leaders.get(key.partition, -1)
    if leader < 0:
        raise fault(codes.LEADER_NOT_AVAILABLE, **key._asdict())
    wanted = FetchPartition(
        index=key.partition, fetch_offset=offset, partition_max_bytes=_FETCH_BYTES
    )
    request = FetchRequest(
        max_wait_ms=50, min_bytes=1, max_bytes=_FETCH_BYTES,
        topics=[FetchTopic(name=key.topic, partitions=[wanted])],
    )  # fmt: skip
    answer = await wire.ask(FETCH, request, node=leader, newest=_FETCH_NEWEST)
    found = answer.topics[0].partitions[0]
    if found.error_code != codes.NONE:
        raise fault(found.error_code, **key._asdict())
    records = found.records
    if records is None:
        return b""
    return b"".join(records) if isinstance(records, list) else bytes(records)


async def _by_offsets(wire: Wire, groups: Mapping[str, Mapping[TopicPartition, int]]) -> str:
    """Compare what groups have committed with what the transaction would have."""
    for group, offsets in groups.items():
        committed = await _committed(wire, group, list(offsets))
        for key, offset in offsets.items():
            there = committed.get(key, _NO_OFFSET)
            # Behind ours: it is not committed. Equal: it makes no difference any more which.
            # Beyond ours: another member went on, from this commit or from the one before.
            if there != offset:
                return ABORTED if there < offset else UNKNOWN
    return COMMITTED if groups else UNKNOWN


async def _committed(
    wire: Wire, group: str, keys: list[TopicPartition]
) -> dict[TopicPartition, int]:
    topics: dict[str, list[int]] = {}
    for key in keys:
        topics.setdefault(key.topic, []).append(key.partition)
    request = OffsetFetchRequest(
        group_id=group,
        topics=[OffsetFetchRequestTopic(name=n, partition_indexes=i) for n, i in topics.items()],
        require_stable=True,
    )
    while True:
        node = await wire.coordinator(GROUP, group)
        answer = await wire.ask(OFFSET_FETCH, request, node=node, newest=_OFFSETS_NEWEST)
        found: dict[TopicPartition, int] = {}
        failures = {answer.error_code}
        for topic in answer.topics:
            for part in topic.partitions:
                found[TopicPartition(topic.name, part.partition_index)] = part.committed_offset
                failures.add(part.error_code)
        failures.discard(codes.NONE)
        if not failures:
            return found
        for code in failures - RETRIABLE - {codes.UNSTABLE_OFFSET_COMMIT}:
            raise fault(code, group=group)
        await asyncio.sleep(0.05)
