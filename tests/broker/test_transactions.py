"""Transactions on the wire: both protocols, fencing, offsets, restarts, what tools are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.broker.test_groups_on_the_wire import committed
from tests.broker.transactions import TxnProducer, committed_values
from tests.broker.wire import Wire, fetch_request

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.api_versions import API_VERSIONS, ApiVersionsRequest
from summit.protocol.describe_producers import (
    DESCRIBE_PRODUCERS,
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from summit.protocol.describe_transactions import (
    DESCRIBE_TRANSACTIONS,
    DescribeTransactionsRequest,
)
from summit.protocol.fetch import FETCH
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.protocol.list_transactions import LIST_TRANSACTIONS, ListTransactionsRequest
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
)
from summit.protocol.write_txn_markers import (
    WRITE_TXN_MARKERS,
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

BOTH = pytest.mark.parametrize("newer", [True, False], ids=["v2", "v1"])
Start = Callable[..., BrokerThread]


@pytest.fixture
def producer(wire: Wire, topic: str) -> TxnProducer:
    made = TxnProducer(wire, f"txn-{topic}")
    assert made.init() == codes.NONE
    return made


def a_producer(wire: Wire, name: str, *, newer: bool) -> TxnProducer:
    made = TxnProducer(wire, name, newer=newer)
    assert made.init() == codes.NONE
    return made


def open_with(producer: TxnProducer, topic: str, *values: bytes) -> None:
    if not producer.newer:
        assert producer.begin(topic) == [codes.NONE]
    assert producer.send(topic, *values) == codes.NONE


def latest(wire: Wire, topic: str, isolation: int) -> int:
    request = ListOffsetsRequest(
        replica_id=-1,
        isolation_level=isolation,
        topics=[
            ListOffsetsTopic(
                name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)]
            )
        ],
    )
    return int(wire.ask(LIST_OFFSETS, 7, request).topics[0].partitions[0].offset)


def until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


@BOTH
def test_committed_is_seen_and_aborted_is_not(wire: Wire, topic: str, newer: bool) -> None:
    producer = a_producer(wire, f"a-{topic}", newer=newer)
    open_with(producer, topic, b"1", b"2")
    assert committed_values(wire, topic) == []
    assert wire.fetch_values(topic) == [b"1", b"2"], "read_uncommitted"
    assert (latest(wire, topic, 0), latest(wire, topic, 1)) == (2, 0)
    assert producer.end(commits=True) == codes.NONE
    until(lambda: latest(wire, topic, 1) == 3)
    open_with(producer, topic, b"3")
    assert producer.end(commits=False) == codes.NONE
    open_with(producer, topic, b"4")
    assert producer.end(commits=True) == codes.NONE
    until(lambda: latest(wire, topic, 1) == 7)
    assert committed_values(wire, topic) == [b"1", b"2", b"4"]


def test_markers_stand_when_a_synced_end_is_answered(start_broker: Start) -> None:
    with Wire(start_broker(durability="fsync").port) as wire:
        assert wire.create_topic("t").error_code == codes.NONE
        producer = a_producer(wire, "p", newer=True)
        for n in range(5):  # nothing else is on its way to the disk
            open_with(producer, "t", b"%d" % n)
            assert producer.commit_offset("g", "t", n) == codes.NONE
            assert producer.end(commits=True) == codes.NONE
            assert latest(wire, "t", 1) == latest(wire, "t", 0) == 2 * (n + 1)
            assert committed(wire, "g", "t").committed_offset == n


@BOTH
def test_all_or_nothing_over_partitions(broker: BrokerThread, wire: Wire, newer: bool) -> None:
    name = f"many-{newer}"
    wire.create_topic(name, 3)
    producer = a_producer(wire, name, newer=newer)
    for commits in (True, False):
        for index in range(3):
            if not newer:
                assert producer.begin(name, index=index) == [codes.NONE]
            assert producer.send(name, b"%d" % commits, index=index) == codes.NONE
        assert producer.end(commits=commits) == codes.NONE
    for index in range(3):
        until(lambda index=index: len(committed_values(wire, name, index)) == 1)  # type: ignore[misc]
        assert committed_values(wire, name, index) == [b"1"]


def test_the_epoch_grows_with_every_transaction(producer: TxnProducer, topic: str) -> None:
    for epoch in range(3):
        assert producer.epoch == epoch
        open_with(producer, topic, b"x")
        assert producer.end(commits=True) == codes.NONE


def test_the_older_protocol_keeps_its_epoch_and_sequence(wire: Wire, topic: str) -> None:
    producer = a_producer(wire, f"old-{topic}", newer=False)
    for _ in range(3):
        open_with(producer, topic, b"x")
        assert producer.end(commits=True) == codes.NONE
    assert (producer.epoch, producer.sequences[topic, 0]) == (0, 3)


def test_an_end_that_is_sent_again_or_late(producer: TxnProducer, topic: str) -> None:
    open_with(producer, topic, b"x")
    assert producer.end(commits=True) == codes.NONE
    assert producer.end(commits=True, epoch=0) == codes.NONE, "sent again"
    assert producer.end(commits=False, epoch=0) == codes.INVALID_TXN_STATE
    open_with(producer, topic, b"y")
    assert producer.end(commits=True, epoch=0) == codes.PRODUCER_FENCED, "late"
    assert producer.end(commits=False, epoch=0) == codes.PRODUCER_FENCED
    assert producer.end(commits=True) == codes.NONE


def test_a_late_end_of_the_older_protocol(broker: BrokerThread, wire: Wire, topic: str) -> None:
    old = a_producer(wire, f"late-{topic}", newer=False)
    open_with(old, topic, b"x")
    with Wire(broker.port) as second:
        again = TxnProducer(second, old.name, newer=False)
        again.producer_id, again.epoch, again.sequences = old.producer_id, 0, old.sequences
        assert again.end(commits=True) == codes.NONE
        open_with(again, topic, b"y")
        assert old.end(commits=True) == codes.INVALID_TXN_STATE, "on the connection of before"
        assert again.end(commits=False) == codes.NONE
    until(lambda: latest(wire, topic, 1) == 4)
    assert committed_values(wire, topic) == [b"x"]


@BOTH
def test_a_new_producer_fences_the_old_one(wire: Wire, topic: str, newer: bool) -> None:
    zombie = a_producer(wire, f"f-{topic}", newer=newer)
    open_with(zombie, topic, b"lost")
    fresh = a_producer(wire, zombie.name, newer=newer)
    assert fresh.producer_id == zombie.producer_id
    assert fresh.epoch > zombie.epoch
    assert zombie.send(topic, b"late") == codes.INVALID_PRODUCER_EPOCH
    assert zombie.begin(topic) == [codes.PRODUCER_FENCED]
    assert zombie.begin(topic, version=1) == [codes.INVALID_PRODUCER_EPOCH]
    assert zombie.end(commits=True) in (codes.PRODUCER_FENCED, codes.INVALID_TXN_STATE)
    assert zombie.commit_offset("g", topic, 1) == codes.INVALID_PRODUCER_EPOCH
    assert zombie.init(named=True) in (codes.PRODUCER_FENCED, codes.INVALID_PRODUCER_EPOCH)
    open_with(fresh, topic, b"kept")
    assert fresh.end(commits=True) == codes.NONE
    until(lambda: latest(wire, topic, 1) == latest(wire, topic, 0))
    assert committed_values(wire, topic) == [b"kept"]


def test_what_is_refused(wire: Wire, topic: str) -> None:
    producer = TxnProducer(wire, f"r-{topic}", newer=False)
    assert producer.init(timeout_ms=0) == codes.INVALID_TRANSACTION_TIMEOUT
    assert producer.init(timeout_ms=2**31 - 1) == codes.INVALID_TRANSACTION_TIMEOUT
    assert producer.begin(topic) == [codes.INVALID_PRODUCER_ID_MAPPING]
    assert producer.init() == codes.NONE
    assert producer.send(topic, b"x") == codes.INVALID_TXN_STATE, "not added"
    assert producer.send(topic, b"x", version=11) == codes.TRANSACTION_ABORTABLE
    assert producer.end(commits=True) == codes.INVALID_TXN_STATE
    assert producer.begin(topic, "nowhere") == [
        codes.OPERATION_NOT_ATTEMPTED,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert producer.commit_offset("g", topic, 1) == codes.INVALID_TXN_STATE
    producer.name = ""
    assert producer.init() == codes.INVALID_REQUEST


def fetch_stable(wire: Wire, group: str, topic: str) -> tuple[int, int]:
    request = OffsetFetchRequest(
        group_id=group,
        require_stable=True,
        topics=[OffsetFetchRequestTopic(name=topic, partition_indexes=[0])],
    )
    part = wire.ask(OFFSET_FETCH, 7, request).topics[0].partitions[0]
    return part.error_code, part.committed_offset


@BOTH
def test_offsets_count_when_the_transaction_commits(wire: Wire, topic: str, newer: bool) -> None:
    producer = a_producer(wire, f"o-{topic}", newer=newer)
    group = f"group-{topic}"

    def commit(offset: int) -> None:
        if not newer:
            assert producer.add_group(group) == codes.NONE
        assert producer.commit_offset(group, topic, offset) == codes.NONE

    commit(5)
    assert committed(wire, group, topic).committed_offset == -1
    assert fetch_stable(wire, group, topic) == (codes.UNSTABLE_OFFSET_COMMIT, -1)
    assert producer.end(commits=True) == codes.NONE
    assert fetch_stable(wire, group, topic) == (codes.NONE, 5)
    commit(9)
    assert producer.end(commits=False) == codes.NONE
    assert fetch_stable(wire, group, topic) == (codes.NONE, 5)
    commit(10)
    assert producer.commit_offset(group, topic, 11, generation_id=3, member_id="nobody") in (
        codes.ILLEGAL_GENERATION,
        codes.UNKNOWN_MEMBER_ID,
    )


def test_a_time_out_aborts_and_the_producer_may_go_on(wire: Wire, topic: str) -> None:
    producer = TxnProducer(wire, f"t-{topic}")
    assert producer.init(timeout_ms=50) == codes.NONE
    open_with(producer, topic, b"slow")
    until(lambda: latest(wire, topic, 1) == 2)
    assert producer.send(topic, b"late") == codes.INVALID_PRODUCER_EPOCH
    assert producer.end(commits=True) == codes.INVALID_TXN_STATE
    assert producer.init(timeout_ms=60_000, named=True) == codes.NONE
    open_with(producer, topic, b"again")
    assert producer.end(commits=True) == codes.NONE
    until(lambda: latest(wire, topic, 1) == 4)
    assert committed_values(wire, topic) == [b"again"]


def test_an_abort_of_nothing_raises_the_epoch(producer: TxnProducer) -> None:
    assert producer.end(commits=False) == codes.NONE
    assert producer.epoch == 1
    assert producer.end(commits=True) == codes.INVALID_TXN_STATE


def test_a_waiting_reader_wakes_with_the_marker(broker: BrokerThread, topic: str) -> None:
    with Wire(broker.port) as reader, Wire(broker.port) as wire:
        producer = a_producer(wire, f"w-{topic}", newer=True)
        open_with(producer, topic, b"x" * 100)
        sent = reader.send(
            FETCH,
            12,
            fetch_request([(topic, 0, 0)], isolation_level=1, max_wait_ms=8_000, min_bytes=100),
        )
        start = time.monotonic()
        assert producer.end(commits=True) == codes.NONE
        part = reader.receive(FETCH, 12, sent).topics[0].partitions[0]
        assert time.monotonic() - start < 4
        assert bytes(part.records)
        assert part.aborted_transactions == []


def test_the_newer_protocol_is_advertised(wire: Wire) -> None:
    answer = wire.ask(API_VERSIONS, 4, ApiVersionsRequest())
    levels = {each.name: each.max_version_level for each in answer.finalized_features}
    assert levels == {"group.version": 1, "transaction.version": 2}
    assert {each.name for each in answer.supported_features} == levels.keys()
    assert wire.ask(API_VERSIONS, 3, ApiVersionsRequest()).supported_features == []


def test_tools_see_it(wire: Wire, producer: TxnProducer, topic: str) -> None:
    open_with(producer, topic, b"x")
    request = DescribeTransactionsRequest(transactional_ids=[producer.name, "nobody"])
    found, missing = wire.ask(DESCRIBE_TRANSACTIONS, 0, request).transaction_states
    assert (found.transaction_state, found.producer_id) == ("Ongoing", producer.producer_id)
    assert [(each.topic, each.partitions) for each in found.topics] == [(topic, [0])]
    assert missing.error_code == codes.TRANSACTIONAL_ID_NOT_FOUND

    def listed(version: int, **fields: Any) -> list[str]:
        values = {"state_filters": [], "producer_id_filters": [], **fields}
        answer = wire.ask(LIST_TRANSACTIONS, version, ListTransactionsRequest(**values))
        return [each.transactional_id for each in answer.transaction_states]

    mine = [producer.producer_id]
    assert listed(0, producer_id_filters=mine) == [producer.name]
    assert listed(0, producer_id_filters=mine, state_filters=["Empty"]) == []
    assert listed(1, producer_id_filters=mine, duration_filter=60_000) == []
    assert listed(2, transactional_id_pattern=f".*{topic}") == [producer.name]
    request = DescribeProducersRequest(
        topics=[DescribeProducersTopic(name=topic, partition_indexes=[0, 7])]
    )
    known, unknown = wire.ask(DESCRIBE_PRODUCERS, 0, request).topics[0].partitions
    (active,) = known.active_producers
    assert (active.producer_id, active.current_txn_start_offset) == (producer.producer_id, 0)
    assert unknown.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION


def abort_as_administrator(producer: TxnProducer, topic: str) -> int:
    marker = WritableTxnMarker(
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        transaction_result=False,
        topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=[0])],
        coordinator_epoch=0,
    )
    request = WriteTxnMarkersRequest(markers=[marker])
    answer = producer.wire.ask(WRITE_TXN_MARKERS, 2, request)
    return int(answer.markers[0].topics[0].partitions[0].error_code)


def test_an_administrator_aborts(start_broker: Start) -> None:
    """Who was answered sees that it has ended, however slow the disk."""
    with Wire(start_broker(durability="fsync").port) as wire:
        wire.create_topic("t")
        producer = a_producer(wire, "p", newer=True)
        for count in range(1, 21):
            open_with(producer, "t", b"x")
            assert abort_as_administrator(producer, "t") == codes.NONE
            assert latest(wire, "t", 1) == 2 * count
            assert producer.send("t", b"y") == codes.INVALID_PRODUCER_EPOCH
            producer = a_producer(wire, "p", newer=True)
        assert committed_values(wire, "t") == []


@BOTH
def test_a_clean_restart_goes_on_with_an_open_transaction(start_broker: Start, newer: bool) -> None:
    broker = start_broker(durability="fsync")
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        producer = a_producer(wire, "p", newer=newer)
        open_with(producer, "t", b"1")
        if not newer:
            assert producer.add_group("g") == codes.NONE
        assert producer.commit_offset("g", "t", 77) == codes.NONE
    broker.stop()
    with Wire(start_broker(durability="fsync").port) as wire:
        producer.wire = wire
        assert latest(wire, "t", 1) == 0
        assert fetch_stable(wire, "g", "t") == (codes.UNSTABLE_OFFSET_COMMIT, -1)
        assert producer.send("t", b"2") == codes.NONE
        assert producer.end(commits=True) == codes.NONE
        until(lambda: latest(wire, "t", 1) == 3)
        assert committed_values(wire, "t") == [b"1", b"2"]
        assert fetch_stable(wire, "g", "t") == (codes.NONE, 77)
        again = a_producer(wire, "p", newer=newer)
        assert (again.producer_id, again.epoch) == (producer.producer_id, producer.epoch + 1)


def test_idle_ids_are_forgotten(start_broker: Start) -> None:
    broker = start_broker(transactional_id_expiration_ms=1)
    with Wire(broker.port) as wire:
        wire.create_topic("t")
        open_with(a_producer(wire, "busy", newer=True), "t", b"x")
        a_producer(wire, "idle", newer=True)
        time.sleep(0.05)
        broker._call(lambda: broker._broker._state.transactions.expire(1))  # type: ignore[union-attr]
        request = DescribeTransactionsRequest(transactional_ids=["busy", "idle"])
        found = wire.ask(DESCRIBE_TRANSACTIONS, 0, request).transaction_states
        assert [each.error_code for each in found] == [
            codes.NONE,
            codes.TRANSACTIONAL_ID_NOT_FOUND,
        ]
