"""Transactions with other people's clients, and what is left of them after `kill -9`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from tests.broker.test_groups_on_the_wire import committed
from tests.broker.transactions import TxnProducer, committed_values
from tests.broker.wire import Wire
from tests.interop.processes import BrokerProcess

from summit.protocol import codes

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

TOPICS = ("txn-a", "txn-b", "txn-c")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    started = BrokerProcess(str(tmp_path), num_partitions=1, durability="fsync").start()
    with Wire(started.port) as wire:
        for name in (*TOPICS, "input"):
            assert wire.create_topic(name).error_code == 0
    yield started
    started.stop()


def confluent_producer(broker: BrokerProcess, name: str = "confluent") -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.address,
            "transactional.id": name,
            "transaction.timeout.ms": 60_000,
            "log_level": 0,
        }
    )


def read(broker: BrokerProcess, topic: str, isolation: str) -> list[bytes]:
    """What a consumer of that isolation level finds up to the end."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[bytes] = []
    end = time.monotonic() + 90
    while time.monotonic() < end:
        message = consumer.poll(1.0)
        if message is not None and message.error() is not None:
            assert message.error().code() == KafkaError._PARTITION_EOF
            break
        if message is not None:
            found.append(message.value())
    consumer.close()
    return found


def wait_for(broker: BrokerProcess, topic: str, values: list[bytes]) -> None:
    """Markers follow the answer to a commit; give them a moment."""
    end = time.monotonic() + 90
    while read(broker, topic, "read_committed") != values:
        assert time.monotonic() < end, read(broker, topic, "read_committed")


def test_confluent_kafka(broker: BrokerProcess) -> None:
    producer = confluent_producer(broker)
    producer.init_transactions(20)
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "copier",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(["input"])
    plain = Producer({"bootstrap.servers": broker.address})
    for n in range(6):
        plain.produce("input", b"%d" % n)
    plain.flush(10)
    for n in range(6):
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        producer.begin_transaction()
        for topic in TOPICS:
            producer.produce(topic, message.value())
        producer.send_offsets_to_transaction(
            [TopicPartition("input", 0, message.offset() + 1)],
            consumer.consumer_group_metadata(),
            20,
        )
        if n % 3 == 2:
            producer.flush(10)  # else it drops what was not sent
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    consumer.close()
    for topic in TOPICS:
        wait_for(broker, topic, [b"0", b"1", b"3", b"4"])
        assert read(broker, topic, "read_uncommitted") == [b"%d" % n for n in range(6)]
    with Wire(broker.port) as wire:
        assert committed(wire, "copier", "input").committed_offset == 5, "the last was aborted"


def test_a_zombie_of_confluent_kafka_is_fenced(broker: BrokerProcess) -> None:
    zombie = confluent_producer(broker)
    zombie.init_transactions(20)
    zombie.begin_transaction()
    zombie.produce("txn-a", b"zombie")
    zombie.flush(10)
    fresh = confluent_producer(broker)
    fresh.init_transactions(20)
    with pytest.raises(KafkaException) as caught:
        zombie.commit_transaction(20)
    assert caught.value.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    fresh.begin_transaction()
    fresh.produce("txn-a", b"fresh")
    fresh.commit_transaction(20)
    wait_for(broker, "txn-a", [b"fresh"])


def test_aiokafka(broker: BrokerProcess) -> None:
    async def go() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.address, transactional_id="aio", linger_ms=1
        )
        await producer.start()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=broker.address,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        consumer.assign([AioTopicPartition(topic, 0) for topic in TOPICS])
        try:
            for n in range(4):
                await producer.begin_transaction()
                for topic in TOPICS:
                    await producer.send_and_wait(topic, b"%d" % n)
                await producer.send_offsets_to_transaction(
                    {AioTopicPartition("input", 0): n + 1}, "aio-group"
                )
                if n == 2:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
            found: dict[str, list[bytes]] = {topic: [] for topic in TOPICS}
            for _ in range(3 * len(TOPICS)):
                record = await asyncio.wait_for(consumer.getone(), 20)
                found[record.topic].append(record.value)
            assert all(values == [b"0", b"1", b"3"] for values in found.values())
        finally:
            await producer.stop()
            await consumer.stop()

    asyncio.run(go())
    with Wire(broker.port) as wire:
        assert committed(wire, "aio-group", "input").committed_offset == 4


def test_kafka_python(broker: BrokerProcess) -> None:
    kafka = pytest.importorskip("kafka")
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.address, transactional_id="kafka-python", acks="all"
    )
    producer.init_transactions()
    for n in range(4):
        producer.begin_transaction()
        for topic in TOPICS:
            producer.send(topic, b"%d" % n)
        if n == 1:
            producer.flush()
            producer.abort_transaction()
        else:
            producer.commit_transaction()
    producer.close()
    for topic in TOPICS:
        wait_for(broker, topic, [b"0", b"2", b"3"])


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["fsync", "os"])
@pytest.mark.parametrize("newer", [True, False], ids=["v2", "v1"])
def test_kill_in_the_middle(tmp_path: Path, durability: str, newer: bool) -> None:
    """Committed stays whole, open is aborted with a new epoch, decided is finished."""
    broker = BrokerProcess(str(tmp_path), durability=durability).start()
    kept: list[bytes] = []
    with Wire(broker.port) as wire:
        for topic in TOPICS:
            assert wire.create_topic(topic).error_code == 0
    for n in range(12):
        value = b"%d" % n
        with Wire(broker.port) as wire:
            producer = TxnProducer(wire, "killed", newer=newer)
            assert producer.init() == codes.NONE
            send_all(producer, value)
            if n % 3 == 0:
                assert producer.end(commits=True) == codes.NONE
                kept.append(value)
            elif n % 3 == 1:
                sent = send_end(producer)
                time.sleep(0.0004 * n)
            epoch = producer.epoch
            broker.kill()
        broker.start()
        with Wire(broker.port) as wire:
            if n % 3 == 1:
                finished = settled(wire, "txn-a")
                if finished[-1:] == [value]:
                    kept.append(value)
                assert sent
            elif n % 3 == 2:
                again = TxnProducer(wire, "killed", newer=newer)
                assert again.init() == codes.NONE
                assert again.epoch > epoch + 1, "the abort has raised it as well"
            for topic in TOPICS:
                assert settled(wire, topic) == kept, "torn, lost or brought back"
            offset = committed(wire, "killed-group", "txn-a").committed_offset
            assert offset == int(kept[-1])
    assert broker.stop() == 0


def send_all(producer: TxnProducer, value: bytes) -> None:
    for topic in TOPICS:
        if not producer.newer:
            assert producer.begin(topic) == [codes.NONE]
        assert producer.send(topic, value) == codes.NONE
    if not producer.newer:
        assert producer.add_group("killed-group") == codes.NONE
    assert producer.commit_offset("killed-group", "txn-a", int(value)) == codes.NONE


def send_end(producer: TxnProducer) -> int:
    """Ask for the commit and do not wait for the answer."""
    from summit.protocol.end_txn import END_TXN, EndTxnRequest

    request = EndTxnRequest(
        transactional_id=producer.name,
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        committed=True,
    )
    return producer.wire.send(END_TXN, 5 if producer.newer else 3, request)


def settled(wire: Wire, topic: Any) -> list[bytes]:
    """What committed readers see when no transaction is open any more."""
    end = time.monotonic() + 90
    while True:
        part = wire.fetch(topic, 0)
        if part.last_stable_offset == part.high_watermark:
            return committed_values(wire, topic)
        assert time.monotonic() < end, "a transaction hangs"
        time.sleep(0.01)
