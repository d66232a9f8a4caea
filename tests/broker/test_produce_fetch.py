"""Produce and Fetch over real sockets: versions, errors, limits, long polls."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest
from tests.broker.wire import Wire, batch_of, fetch_request, produce_request, records_of

from summit.broker import BrokerThread
from summit.protocol import codes
from summit.protocol.fetch import FETCH
from summit.protocol.produce import PRODUCE
from summit.records import HEADER_BYTES


@pytest.mark.parametrize("version", range(3, 14))
def test_every_version_of_produce(wire: Wire, version: int) -> None:
    created = wire.create_topic(f"produce-v{version}")
    where = created.topic_id if version >= 13 else created.name
    first = wire.produce(where, batch_of(b"a", b"b"), version=version)
    second = wire.produce(where, batch_of(b"c"), version=version, acks=1)
    assert (first.error_code, first.base_offset) == (codes.NONE, 0)
    assert (second.error_code, second.base_offset) == (codes.NONE, 2)
    assert first.log_append_time_ms == -1
    if version >= 5:
        assert first.log_start_offset == 0
    assert wire.fetch_values(created.name) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("version", range(4, 19))
def test_every_version_of_fetch(wire: Wire, topic: str, version: int) -> None:
    wire.produce(topic, batch_of(b"a", b"b"))
    where: Any = topic
    if version >= 13:
        where = wire.metadata(topic).topics[0].topic_id
    part = wire.fetch(where, 0, version=version)
    assert (part.error_code, part.high_watermark) == (codes.NONE, 2)
    assert part.last_stable_offset == 2
    assert part.aborted_transactions is None
    if version >= 11:
        assert part.preferred_read_replica == -1
    assert [record.value for record in records_of(part.records)] == [b"a", b"b"]


def test_offset_in_the_middle_of_a_batch_gives_the_whole_batch(wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"a", b"b", b"c"))
    part = wire.fetch(topic, 1)
    assert [record.offset for record in records_of(part.records)] == [0, 1, 2]


def test_the_bytes_come_back_as_they_were_sent(wire: Wire, topic: str) -> None:
    sent = batch_of(b"x" * 100, codec=4)
    wire.produce(topic, batch_of(b"first"))
    wire.produce(topic, sent)
    data = bytes(wire.fetch(topic, 1).records)
    # Only base offset and leader epoch are the broker's.
    assert data[8:12] + data[16:] == sent[8:12] + sent[16:]


def test_acks_0_is_not_answered_but_written(wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"quiet"), acks=0)
    answer = wire.produce(topic, batch_of(b"loud"))
    assert answer.base_offset == 1
    assert wire.fetch_values(topic) == [b"quiet", b"loud"]


def test_acks_0_with_an_error_ends_the_connection(wire: Wire) -> None:
    wire.produce("no-such-topic", batch_of(b"x"), acks=0)
    assert wire.is_closed_by_broker()


def _damaged(position: int, value: int) -> bytes:
    data = bytearray(batch_of(b"abc"))
    data[position] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (None, codes.INVALID_RECORD),
        (b"", codes.INVALID_RECORD),
        (b"garbage", codes.INVALID_RECORD),
        (batch_of(b"abc")[:-1], codes.INVALID_RECORD),
        (batch_of(b"abc") + batch_of(b"two"), codes.INVALID_RECORD),
        (_damaged(HEADER_BYTES + 3, 0xFF), codes.CORRUPT_MESSAGE),
        (_damaged(17, 0), codes.CORRUPT_MESSAGE),
        (_damaged(16, 1), codes.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (batch_of(b"x" * 1_100_000), codes.MESSAGE_TOO_LARGE),
    ],
)
def test_bad_records_are_refused_with_a_reason(
    wire: Wire, topic: str, records: bytes | None, error: int
) -> None:
    answer = wire.produce(topic, records)
    assert (answer.error_code, answer.base_offset) == (error, -1)
    assert answer.error_message
    assert wire.produce(topic, batch_of(b"ok")).base_offset == 0


def test_a_bad_batch_fails_only_its_own_partition(wire: Wire) -> None:
    wire.create_topic("mixed", 3)
    request = produce_request("mixed", batch_of(b"0"))
    request.topics[0].partitions.append(
        produce_request("mixed", _damaged(17, 9), index=1).topics[0].partitions[0]
    )
    request.topics += produce_request("mixed", batch_of(b"2"), index=2).topics
    request.topics += produce_request("nowhere", batch_of(b"2")).topics
    answer = wire.ask(PRODUCE, 9, request)
    found = [
        (topic.name, part.index, part.error_code)
        for topic in answer.topics
        for part in topic.partitions
    ]
    assert found == [
        ("mixed", 0, 0),
        ("mixed", 1, codes.CORRUPT_MESSAGE),
        ("mixed", 2, 0),
        ("nowhere", 0, codes.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize(
    ("topic", "index", "acks", "version", "error"),
    [
        ("no-such-topic", 0, -1, 9, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ("produce-errors", 1, -1, 9, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ("produce-errors", -1, -1, 9, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ("produce-errors", 0, 2, 9, codes.INVALID_REQUIRED_ACKS),
        (uuid.uuid4(), 0, -1, 13, codes.UNKNOWN_TOPIC_ID),
        ("__consumer_offsets", 0, -1, 9, codes.INVALID_REQUEST),
    ],
)
def test_produce_errors(
    wire: Wire, topic: Any, index: int, acks: int, version: int, error: int
) -> None:
    wire.create_topic("produce-errors")
    answer = wire.produce(topic, batch_of(b"x"), index=index, acks=acks, version=version)
    assert answer.error_code == error


def test_too_few_replicas_refuse_acks_all_only(wire: Wire) -> None:
    wire.create_topic("two-in-sync", min_insync_replicas="2")
    assert wire.produce("two-in-sync", batch_of(b"x")).error_code == codes.NOT_ENOUGH_REPLICAS
    assert wire.produce("two-in-sync", batch_of(b"x"), acks=1).error_code == codes.NONE


def test_log_append_time(wire: Wire) -> None:
    wire.create_topic("stamped", message_timestamp_type="LogAppendTime")
    before_ms = time.time_ns() // 1_000_000
    answer = wire.produce("stamped", batch_of(b"x"))
    assert before_ms <= answer.log_append_time_ms <= before_ms + 60_000
    (record,) = records_of(wire.fetch("stamped", 0).records)
    assert record.timestamp == answer.log_append_time_ms


def test_topic_limit_on_batches(wire: Wire) -> None:
    wire.create_topic("small", max_message_bytes="100")
    assert wire.produce("small", batch_of(b"x" * 100)).error_code == codes.MESSAGE_TOO_LARGE
    assert wire.produce("small", batch_of(b"x")).error_code == codes.NONE


def test_idempotent_repeats_gaps_and_old_epochs(wire: Wire, topic: str) -> None:
    def send(sequence: int, epoch: int = 0) -> Any:
        return wire.produce(
            topic, batch_of(b"x", producer_id=7, producer_epoch=epoch, base_sequence=sequence)
        )

    assert [send(i).base_offset for i in range(6)] == [0, 1, 2, 3, 4, 5]
    assert [send(i).base_offset for i in (1, 5)] == [1, 5], "the last five are known"
    assert send(7).error_code == codes.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(0, epoch=1).base_offset == 6
    assert send(6).error_code == codes.INVALID_PRODUCER_EPOCH
    assert wire.fetch(topic, 0).high_watermark == 7


@pytest.mark.parametrize(
    ("where", "index", "offset", "version", "error"),
    [
        ("no-such-topic", 0, 0, 12, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ("fetch-errors", 5, 0, 12, codes.UNKNOWN_TOPIC_OR_PARTITION),
        ("fetch-errors", 0, 2, 12, codes.OFFSET_OUT_OF_RANGE),
        ("fetch-errors", 0, -1, 12, codes.OFFSET_OUT_OF_RANGE),
        (uuid.uuid4(), 0, 0, 13, codes.UNKNOWN_TOPIC_ID),
    ],
)
def test_fetch_errors_are_answered_at_once(
    wire: Wire, where: Any, index: int, offset: int, version: int, error: int
) -> None:
    if wire.create_topic("fetch-errors").error_code == codes.NONE:
        wire.produce("fetch-errors", batch_of(b"x"))
    request = fetch_request([(where, index, offset)], max_wait_ms=20_000)
    part = wire.ask(FETCH, version, request).topics[0].partitions[0]
    assert part.error_code == error
    assert not part.records


def test_limits_give_at_least_one_batch_and_no_half_one(wire: Wire, topic: str) -> None:
    batch = batch_of(b"x" * 1000)
    for _ in range(4):
        wire.produce(topic, batch)
    one = wire.fetch(topic, 0, partition_max_bytes=1)
    assert len(one.records) == len(batch)
    two = wire.fetch(topic, 0, partition_max_bytes=2 * len(batch) + 50)
    assert len(two.records) == 2 * len(batch)
    same = wire.fetch(topic, 0, max_bytes=2 * len(batch))
    assert len(same.records) == 2 * len(batch)


def test_no_fetch_reads_more_than_the_broker_allows(
    wire: Wire, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("summit.broker.api.fetch.FETCH_BYTES_MAX", 3_000)
    for _ in range(10):
        wire.produce(topic, batch_of(b"x" * 1_000))
    most = 2**31 - 1
    part = wire.fetch(topic, 0, max_bytes=most, partition_max_bytes=most)
    assert len(records_of(part.records)) == 2


def test_max_bytes_holds_over_partitions(wire: Wire) -> None:
    wire.create_topic("wide", 3)
    batch = batch_of(b"x" * 1000)
    for index in range(3):
        wire.produce("wide", batch, index=index)
    request = fetch_request(
        [("wide", 0, 0), ("wide", 1, 0), ("wide", 2, 0)], max_bytes=len(batch) + 10
    )
    answer = wire.ask(FETCH, 12, request)
    sizes = [len(part.records) for topic in answer.topics for part in topic.partitions]
    assert sizes == [len(batch), 0, 0]


def test_long_poll_ends_when_records_come(broker: BrokerThread, wire: Wire, topic: str) -> None:
    with Wire(broker.port) as reader:
        sent = reader.send(FETCH, 12, fetch_request([(topic, 0, 0)], max_wait_ms=30_000))
        time.sleep(0.05)
        wire.produce(topic, batch_of(b"news"))
        part = reader.receive(FETCH, 12, sent).topics[0].partitions[0]
    assert [record.value for record in records_of(part.records)] == [b"news"]


def test_long_poll_waits_for_min_bytes(broker: BrokerThread, wire: Wire, topic: str) -> None:
    batch = batch_of(b"x" * 100)
    with Wire(broker.port) as reader:
        request = fetch_request([(topic, 0, 0)], max_wait_ms=30_000, min_bytes=3 * len(batch))
        sent = reader.send(FETCH, 12, request)
        wire.produce(topic, batch)
        wire.produce(topic, batch)
        reader.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            reader.socket.recv(1)
        reader.socket.settimeout(10)
        wire.produce(topic, batch)
        part = reader.receive(FETCH, 12, sent).topics[0].partitions[0]
    assert len(part.records) == 3 * len(batch)


def test_long_poll_ends_in_time_with_what_there_is(wire: Wire, topic: str) -> None:
    wire.produce(topic, batch_of(b"little"))
    begun = time.monotonic()
    part = wire.fetch(topic, 0, max_wait_ms=150, min_bytes=1_000_000)
    waited = time.monotonic() - begun
    assert 0.14 <= waited < 5
    assert len(records_of(part.records)) == 1


def test_wake_reads_every_partition_that_moved(broker: BrokerThread, wire: Wire) -> None:
    wire.create_topic("woken", 2)
    with Wire(broker.port) as reader:
        request = fetch_request([("woken", 0, 0), ("woken", 1, 0)], max_wait_ms=30_000)
        sent = reader.send(FETCH, 12, request)
        time.sleep(0.05)
        both = produce_request("woken", batch_of(b"0"))
        both.topics += produce_request("woken", batch_of(b"1"), index=1).topics
        wire.ask(PRODUCE, 9, both)
        answer = reader.receive(FETCH, 12, sent)
    sizes = [len(part.records) > 0 for topic in answer.topics for part in topic.partitions]
    assert sizes == [True, True]


def test_answers_keep_the_order_of_requests(wire: Wire, topic: str) -> None:
    """A long poll holds back the answers behind it, and they all come in order."""
    first = wire.send(FETCH, 12, fetch_request([(topic, 0, 0)], max_wait_ms=200))
    produced = [wire.send(PRODUCE, 9, produce_request(topic, batch_of(b"x"))) for _ in range(20)]
    part = wire.receive(FETCH, 12, first).topics[0].partitions[0]
    assert part.high_watermark >= 1, "what was written behind the poll ends it"
    for offset, sent in enumerate(produced):
        answer = wire.receive(PRODUCE, 9, sent)
        assert answer.topics[0].partitions[0].base_offset == offset


def test_pipelined_requests_in_one_packet(wire: Wire, topic: str) -> None:
    from summit.protocol import frames

    data = b"".join(
        frames.encode_request_frame(PRODUCE, 9, i, produce_request(topic, batch_of(b"x")), None)
        for i in range(200)
    )
    wire.send_raw(data)
    offsets = [wire.receive(PRODUCE, 9, i).topics[0].partitions[0].base_offset for i in range(200)]
    assert offsets == list(range(200))


def test_a_frame_that_comes_byte_by_byte(wire: Wire, topic: str) -> None:
    from summit.protocol import frames

    frame = frames.encode_request_frame(PRODUCE, 9, 1, produce_request(topic, batch_of(b"x")), None)
    for i in range(len(frame)):
        wire.send_raw(frame[i : i + 1])
    assert wire.receive(PRODUCE, 9, 1).topics[0].partitions[0].error_code == 0


def test_many_writers_and_a_reader_agree(broker: BrokerThread, wire: Wire, topic: str) -> None:
    def write(name: int) -> None:
        with Wire(broker.port) as connection:
            for i in range(50):
                assert connection.produce(topic, batch_of(b"%d-%d" % (name, i))).error_code == 0

    threads = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values: list[bytes] = []
    while len(values) < 300:
        values += [value or b"" for value in wire.fetch_values(topic, len(values))]
    for name in range(6):
        mine = [value for value in values if value.startswith(b"%d-" % name)]
        assert mine == [b"%d-%d" % (name, i) for i in range(50)]
