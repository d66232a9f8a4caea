"""confluent-kafka (librdkafka), unmodified, against our broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop.processes import BrokerProcess

pytestmark = pytest.mark.interop

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def produce(broker: BrokerProcess, topic: str, count: int, **config: Any) -> list[Message]:
    """Produce `v0`, `v1`, … and return what was acknowledged."""
    done: list[Message] = []
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            done.append(message)
        else:
            failed.append(error)

    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 5, **config})
    for i in range(count):
        producer.produce(
            topic, f"v{i}", key=f"k{i % 7}", headers=[("n", str(i))], on_delivery=delivered
        )
    assert producer.flush(30) == 0
    assert not failed, failed
    return done


def consumer(broker: BrokerProcess, group: str, **config: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            **config,
        }
    )


def take(one: Consumer, count: int, timeout_s: float = 20) -> list[Message]:
    """Consume until `count` records have come."""
    found: list[Message] = []
    end = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end:
        for message in one.consume(count - len(found), 0.2):
            assert message.error() is None, message.error()
            found.append(message)
    return found


def wait_for(what: Callable[[], bool], timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "waited in vain"


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_goes_through(
    broker: BrokerProcess, topic: str, group: str, codec: str
) -> None:
    sent = produce(broker, topic, 200, **{"compression.type": codec})
    assert len(sent) == 200
    one = consumer(broker, group)
    one.subscribe([topic])
    found = take(one, 200)
    one.close()
    assert sorted(message.value() for message in found) == sorted(
        f"v{i}".encode() for i in range(200)
    )
    sample = next(message for message in found if message.value() == b"v8")
    assert sample.key() == b"k1"
    assert sample.headers() == [("n", b"8")]


def test_idempotent_offsets_and_committed_groups(
    each_durability: BrokerProcess, topic: str, group: str
) -> None:
    broker = each_durability
    sent = produce(broker, topic, 500, **{"enable.idempotence": True, "acks": "all"})
    by_partition: dict[int, list[int]] = {}
    for message in sent:
        by_partition.setdefault(message.partition(), []).append(message.offset())
    for offsets in by_partition.values():
        assert sorted(offsets) == list(range(len(offsets)))

    first = consumer(broker, group)
    first.subscribe([topic])
    half = take(first, 250)
    first.commit(asynchronous=False)
    first.close()
    second = consumer(broker, group)
    second.subscribe([topic])
    rest = take(second, 250)
    second.close()
    values = [message.value() for message in half + rest]
    assert sorted(values) == sorted(f"v{i}".encode() for i in range(500))


def test_acks_0_and_1(broker: BrokerProcess, topic: str, group: str) -> None:
    produce(broker, topic, 50, acks=1)
    produce(broker, topic, 50, acks=0)
    one = consumer(broker, group)
    one.subscribe([topic])
    assert len(take(one, 100)) == 100
    one.close()


def test_two_members_share_and_rebalance(broker: BrokerProcess, topic: str, group: str) -> None:
    produce(broker, topic, 100)
    first, second = consumer(broker, group), consumer(broker, group)
    first.subscribe([topic])
    wait_for(lambda: first.poll(0.1) is not None or len(first.assignment()) == 4)
    wait_for(lambda: len(first.assignment()) == 4)
    second.subscribe([topic])

    def shared() -> bool:
        first.poll(0.1)
        second.poll(0.1)
        return len(first.assignment()) == len(second.assignment()) == 2

    wait_for(shared)
    mine = {each.partition for each in first.assignment()}
    others = {each.partition for each in second.assignment()}
    assert mine | others == {0, 1, 2, 3}
    first.close()

    def alone() -> bool:
        second.poll(0.1)
        return len(second.assignment()) == 4

    wait_for(alone)
    second.close()


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_assignment_strategies(
    broker: BrokerProcess, topic: str, group: str, strategy: str
) -> None:
    produce(broker, topic, 40)
    members = [
        consumer(broker, group, **{"partition.assignment.strategy": strategy}) for _ in range(3)
    ]
    for member in members:
        member.subscribe([topic])

    def settled() -> bool:
        for member in members:
            member.poll(0.05)
        parts = [part.partition for member in members for part in member.assignment()]
        return sorted(parts) == [0, 1, 2, 3] and all(member.assignment() for member in members)

    wait_for(settled)
    for member in members:
        member.close()


def test_static_member_comes_back_without_a_rebalance(
    broker: BrokerProcess, topic: str, group: str
) -> None:
    produce(broker, topic, 40)
    config = {"group.instance.id": "one", "session.timeout.ms": 10000}
    first = consumer(broker, group, **config)
    first.subscribe([topic])
    wait_for(lambda: first.poll(0.1) is not None or bool(first.assignment()))
    wait_for(lambda: len(first.assignment()) == 4)
    first.close()  # a static member does not leave
    begun = time.monotonic()
    again = consumer(broker, group, **config)
    again.subscribe([topic])
    assert take(again, 1)
    assert time.monotonic() - begun < 5, "it did not wait for the old session to end"
    again.close()


def test_a_member_survives_a_restart_of_the_broker(tmp_path: Path) -> None:
    """Generations are durable: after the restart it goes on, nothing is read twice."""
    broker = BrokerProcess(str(tmp_path), num_partitions=2).start()
    produce(broker, "kept", 50)
    quick = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50, "log_level": 0}
    assigned: list[int] = []
    one = consumer(broker, "g", **quick)
    one.subscribe(["kept"], on_assign=lambda _, parts: assigned.append(len(parts)))
    first = take(one, 50)
    one.commit(asynchronous=False)
    assert broker.stop() == 0
    broker.start()
    produce(broker, "kept", 50)
    second = take(one, 50)
    one.commit(asynchronous=False)
    one.close()
    broker.stop()
    assert len(first) == len(second) == 50
    assert len({(m.partition(), m.offset()) for m in first + second}) == 100
    assert assigned == [2], "no rebalance"


def test_offsets_for_times_and_watermarks(broker: BrokerProcess, topic: str, group: str) -> None:
    producer = Producer({"bootstrap.servers": broker.address})
    for i in range(10):
        producer.produce(topic, f"v{i}", partition=0, timestamp=1_000_000 + 10 * i)
        producer.flush(10)
    one = consumer(broker, group)
    assert one.get_watermark_offsets(TopicPartition(topic, 0), timeout=90) == (0, 10)
    found = one.offsets_for_times([TopicPartition(topic, 0, 1_000_035)], timeout=90)
    assert found[0].offset == 4
    one.close()


def test_admin_makes_lists_and_deletes_topics(broker: BrokerProcess, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    new = NewTopic(topic, num_partitions=6, replication_factor=1, config={"retention.ms": "60000"})
    admin.create_topics([new])[topic].result(10)
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([new])[topic].result(10)
    assert caught.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    listed = admin.list_topics(timeout=90)
    assert len(listed.topics[topic].partitions) == 6
    assert listed.cluster_id
    admin.delete_topics([topic])[topic].result(10)
    assert topic not in admin.list_topics(timeout=90).topics


def test_three_replicas_are_refused(broker: BrokerProcess, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    new = NewTopic(topic, num_partitions=1, replication_factor=3)
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([new])[topic].result(10)
    assert caught.value.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR


def test_a_large_record_is_refused_by_the_broker(broker: BrokerProcess, topic: str) -> None:
    failed: list[int] = []
    producer = Producer({"bootstrap.servers": broker.address, "message.max.bytes": 5_000_000})
    producer.produce(
        topic, b"x" * 2_000_000, on_delivery=lambda error, _: failed.append(error.code())
    )
    producer.flush(10)
    assert failed == [KafkaError.MSG_SIZE_TOO_LARGE]


def newer(broker: BrokerProcess, group: str, **config: Any) -> Consumer:
    """A consumer that lets the broker assign (KIP-848)."""
    return Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": group,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **config,
        }
    )


def poll_until(consumers: list[Consumer], done: Callable[[], bool]) -> set[bytes | None]:
    """Consume with all of them until something holds; the values that came."""
    found: set[bytes | None] = set()
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, [len(each.assignment()) for each in consumers]
        for each in consumers:
            for message in each.consume(100, 0.05):
                assert message.error() is None, message.error()
                found.add(message.value())
    return found


def test_a_group_that_the_broker_assigns_moves_from_protocol_to_protocol(
    tmp_path: Path, topic: str, group: str
) -> None:
    with BrokerProcess(
        str(tmp_path),
        num_partitions=4,
        group_consumer_heartbeat_interval_ms=100,
        group_consumer_session_timeout_ms=6_000,  # of who could not say that it leaves
    ) as broker:
        produce(broker, topic, 100)

        def kind() -> str:
            admin = AdminClient({"bootstrap.servers": broker.address})
            found = admin.describe_consumer_groups([group])[group].result(20)
            return str(found.type.name)

        def sizes(*consumers: Consumer) -> list[int]:
            return [len(each.assignment()) for each in consumers]

        first, second = newer(broker, group), newer(broker, group)
        first.subscribe([topic])
        values = poll_until([first], lambda: sizes(first) == [4])
        values |= {message.value() for message in take(first, 100 - len(values))}
        assert len(values) == 100
        first.commit(asynchronous=False)
        second.subscribe([f"^{topic}.*"])  # by a regular expression, which the broker matches
        poll_until([first, second], lambda: sizes(first, second) == [2, 2])
        assert kind() == "CONSUMER"
        broker.kill()
        broker.start()
        poll_until([first, second], lambda: sizes(first, second) == [2, 2])
        third = consumer(broker, group)
        third.subscribe([topic])
        first.close()
        poll_until([second, third], lambda: sizes(second, third) == [2, 2])
        assert kind() == "CONSUMER"
        second.close()
        poll_until([third], lambda: sizes(third) == [4])
        assert kind() == "CLASSIC"
        again = newer(broker, group)
        again.subscribe([topic])
        poll_until([third, again], lambda: sizes(third, again) == [2, 2])
        assert kind() == "CONSUMER"
        third.close()
        poll_until([again], lambda: sizes(again) == [4])
        again.close()
