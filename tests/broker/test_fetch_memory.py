"""Fetches without a session: what a connection's earlier ones taught changes no answer."""

from __future__ import annotations

import random
import uuid
from typing import Any, cast

import pytest
from tests.broker.wire import Wire, batch_of

from summit.broker import BrokerThread
from summit.broker.connection import Connection
from summit.broker.fetch_memory import FetchMemory, Remembered
from summit.broker.topics import TopicTable
from summit.protocol import codes, frames
from summit.protocol.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from summit.protocol.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from summit.protocol.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic


class _World:
    """Some topics that change, and the requests of a client that reads them."""

    def __init__(self, wire: Wire, rng: random.Random) -> None:
        self.wire = wire
        self.rng = rng
        prefix = f"memory-{uuid.uuid4().hex[:8]}"
        self.names = [f"{prefix}-{n}" for n in range(3)]
        self.counts: dict[str, int] = {}
        self.offsets: dict[tuple[str, int], int] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.ids: dict[str, Any] = dict.fromkeys(self.names, uuid.uuid4())
        for name in self.names[:2]:
            self.make(name)

    def make(self, name: str) -> None:
        for index in range(10):
            self.ends.pop((name, index), None)
            self.offsets.pop((name, index), None)
        self.counts[name] = self.rng.randrange(1, 6)
        self.ids[name] = self.wire.create_topic(name, self.counts[name]).topic_id

    def change(self) -> None:
        """Something happens to one of the topics."""
        rng, name = self.rng, self.rng.choice(self.names)
        count = self.counts.get(name)
        if count is None:
            if rng.random() < 0.3:
                self.make(name)
            return
        index = rng.randrange(count)
        match rng.randrange(12):
            case 0:
                del self.counts[name]
                gone = DeleteTopicsRequest(topic_names=[name], timeout_ms=5_000)
                self.wire.ask(DELETE_TOPICS, 5, gone)
                if rng.random() < 0.5:
                    self.make(name)  # another topic of the same name, before it is asked for
            case 1:
                self.counts[name] += 1
                row = CreatePartitionsTopic(name=name, count=count + 1)
                request = CreatePartitionsRequest(topics=[row], timeout_ms=5_000)
                assert self.wire.ask(CREATE_PARTITIONS, 3, request).results[0].error_code == 0
            case 2:
                part = DeleteRecordsPartition(partition_index=index, offset=-1)
                topic = DeleteRecordsTopic(name=name, partitions=[part])
                self.wire.ask(
                    DELETE_RECORDS, 2, DeleteRecordsRequest(topics=[topic], timeout_ms=5_000)
                )
            case _:
                if rng.random() < 0.5:
                    self.wire.produce(name, batch_of(b"x", b"y"), index=index)
                    self.ends[name, index] = self.ends.get((name, index), 0) + 2

    def request(self, version: int) -> FetchRequest:
        """The next one: rotated, offsets that move, now and then something wrong."""
        rng = self.rng
        topics = []
        is_wrong = rng.random() < 0.2
        names = self.names if is_wrong else list(self.counts) or self.names
        for name in rng.sample(names, rng.randrange(len(names)) + 1):
            indexes = list(range(self.counts.get(name, 1)))
            if is_wrong and rng.random() < 0.3:
                indexes.append(rng.choice([*indexes, 99]))  # named twice, or not there
            first = rng.randrange(len(indexes))
            parts = []
            for index in indexes[first:] + indexes[:first]:
                offset = self.offsets.get((name, index), 0)
                if offset < self.ends.get((name, index), 0) and rng.random() < 0.7:
                    offset += 2
                if is_wrong and rng.random() < 0.1:
                    offset = rng.choice([0, 1, -1, 1_000])
                else:
                    self.offsets[name, index] = offset
                epoch = rng.choice([-1, 0, 7] if is_wrong else [-1, 0])
                parts.append(
                    FetchPartition(
                        index=index,
                        fetch_offset=offset,
                        partition_max_bytes=rng.choice([1 << 20, 1 << 20, 1 << 20, 50]),
                        current_leader_epoch=epoch if version >= 9 else -1,
                    )
                )
            where = {"topic_id": self.ids[name]} if version >= 13 else {"name": name}
            topics.append(FetchTopic(partitions=parts, **where))
        return FetchRequest(
            topics=topics, max_wait_ms=rng.choice([0, 0, 1]), min_bytes=1,
            max_bytes=rng.choice([1 << 25, 100]), isolation_level=rng.choice([0, 0, 0, 1]),
        )  # fmt: skip


def answer_of(wire: Wire, version: int, request: FetchRequest) -> bytes:
    wire.send_raw(frames.encode_request_frame(FETCH, version, 1, request, "wire"))
    return wire.read_frame()


@pytest.mark.parametrize("versions", [(4,), (6,), (11,), (12,), (17,), (5, 12, 12, 12)])
def test_a_known_connection_is_answered_as_a_new_one(
    broker: BrokerThread, wire: Wire, versions: tuple[int, ...]
) -> None:
    rng = random.Random(repr(versions))
    world = _World(wire, rng)
    with Wire(broker.port) as known:
        for turn in range(150):
            world.change()
            version = rng.choice(versions)
            request = world.request(version)
            with Wire(broker.port) as new:
                expected = answer_of(new, version, request)
            assert answer_of(known, version, request) == expected, f"turn {turn}"


def test_pipelined_fetches_do_not_share_what_they_found(broker: BrokerThread, wire: Wire) -> None:
    name = f"piped-{uuid.uuid4().hex[:8]}"
    wire.create_topic(name, 3)
    request = FetchRequest(
        topics=[FetchTopic(name=name, partitions=[
            FetchPartition(index=n, fetch_offset=0, partition_max_bytes=1 << 20) for n in range(3)
        ])],
        max_wait_ms=20_000, min_bytes=1, max_bytes=1 << 20,
    )  # fmt: skip
    with Wire(broker.port) as reader:
        sent = [reader.send(FETCH, 12, request) for _ in range(3)]
        wire.produce(name, batch_of(b"a"), index=1)
        for correlation_id in sent:
            answer = reader.receive(FETCH, 12, correlation_id)
            sizes = [len(part.records or b"") for part in answer.topics[0].partitions]
            assert sizes[1] > 0
            assert sizes[0] == sizes[2] == 0


def test_a_deleted_topic_ends_a_wait_and_is_not_remembered(
    broker: BrokerThread, wire: Wire
) -> None:
    name = f"gone-{uuid.uuid4().hex[:8]}"
    wire.create_topic(name, 2)
    parts = [FetchPartition(index=n, fetch_offset=0, partition_max_bytes=100) for n in range(2)]
    request = FetchRequest(
        topics=[FetchTopic(name=name, partitions=parts)], max_wait_ms=20_000, min_bytes=1,
        max_bytes=100,
    )  # fmt: skip
    with Wire(broker.port) as reader:
        sent = reader.send(FETCH, 12, request)
        wire.ask(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=[name], timeout_ms=5_000))
        found = reader.receive(FETCH, 12, sent).topics[0].partitions
        assert codes.UNKNOWN_TOPIC_OR_PARTITION in [part.error_code for part in found]
        wire.create_topic(name, 2)
        request.max_wait_ms = 0
        found = reader.ask(FETCH, 12, request).topics[0].partitions
        assert [part.error_code for part in found] == [codes.NONE, codes.NONE]


def test_an_error_is_not_remembered(wire: Wire, topic: str) -> None:
    assert wire.fetch(topic, 1).error_code == codes.OFFSET_OUT_OF_RANGE
    wire.produce(topic, batch_of(b"a"))
    assert wire.fetch(topic, 1).error_code == codes.NONE


def test_a_partition_that_is_named_twice_is_answered_once(wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"a"))
    parts = [FetchPartition(index=0, fetch_offset=n, partition_max_bytes=100) for n in (1, 0)]
    limits: Any = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 100}
    within = FetchRequest(topics=[FetchTopic(name=topic, partitions=parts)], **limits)
    apart = FetchRequest(
        topics=[FetchTopic(name=topic, partitions=[part]) for part in parts], **limits
    )
    same = FetchRequest(topics=[FetchTopic(name=topic, partitions=[parts[1]] * 2)], **limits)
    for request in (within, apart, same, within, same):
        (found,) = wire.ask(FETCH, 12, request).topics
        (part,) = found.partitions
        assert part.records, "the last offset counts"


# ---- the places they take ----


def _row(index: int) -> bytes:
    import struct

    return struct.pack(">iqi", index, 0, 100)


def _remember(memory: FetchMemory, connection: Connection, count: int) -> Remembered:
    remembered = memory.take(connection, 4, committed=False)
    rows = [_row(index) for index in range(count)]
    assert remembered.groups(TopicTable(), [("t", rows)]) is not None
    memory.keep(connection, remembered)
    return remembered


def _connections(count: int) -> list[Connection]:
    return [cast(Connection, object()) for _ in range(count)]


def test_the_longest_unused_gives_way() -> None:
    memory = FetchMemory(most=30)
    a, b, c = _connections(3)
    kept = {each: _remember(memory, each, 10) for each in (a, b, c)}
    assert len(memory) == 30
    memory.keep(a, memory.take(a, 4, committed=False))
    (d,) = _connections(1)
    _remember(memory, d, 10)
    assert len(memory) == 30
    assert memory.take(a, 4, committed=False) is kept[a]
    assert memory.take(b, 4, committed=False) is not kept[b]
    assert memory.take(c, 4, committed=True) is not kept[c], "another isolation level"


def test_more_than_there_is_room_for_is_not_remembered() -> None:
    memory = FetchMemory(most=30)
    (a,) = _connections(1)
    _remember(memory, a, 31)
    assert len(memory) == 0


def test_a_connection_that_ends_is_forgotten() -> None:
    memory = FetchMemory(most=30)
    (a,) = _connections(1)
    _remember(memory, a, 10)
    memory.forget(a)
    memory.forget(a)
    assert len(memory) == 0


def test_partitions_that_are_asked_no_longer_are_forgotten() -> None:
    memory = FetchMemory()
    (a,) = _connections(1)
    _remember(memory, a, 1_000)
    _remember(memory, a, 10)
    assert len(memory) < 100
