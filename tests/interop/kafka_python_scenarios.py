"""What kafka-python does against a broker: one scenario a function, run in a process of its own.

    python -m tests.interop.kafka_python_scenarios SCENARIO ADDRESS TOPIC GROUP [ARGUMENT]

A process of its own because the client leaves threads and sockets behind that would disturb
whoever comes next.

Polls wait long and end with records: where one times out while the group is joined, version 3.0.12
of the client forgets what the join brought and stays without partitions for good.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError


def produce(broker: str, topic: str, count: int, **config: Any) -> list[Any]:
    producer = KafkaProducer(bootstrap_servers=broker, **config)
    try:
        sends = [
            producer.send(topic, f"v{i}".encode(), key=b"k%d" % (i % 7), headers=[("n", b"%d" % i)])
            for i in range(count)
        ]
        return [send.get(timeout=60) for send in sends]
    finally:
        producer.close()


def consumer(broker: str, topic: str, group: str, **config: Any) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        bootstrap_servers=broker,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
        **config,
    )


def take(one: KafkaConsumer, count: int, timeout_s: float = 60) -> list[Any]:
    found: list[Any] = []
    end = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end:
        for records in one.poll(timeout_ms=20_000).values():
            found += records
    return found


def every_codec_goes_through(broker: str, topic: str, group: str, codec: str) -> None:
    produce(broker, topic, 200, compression_type=None if codec == "none" else codec)
    one = consumer(broker, topic, group)
    found = take(one, 200)
    one.close()
    assert sorted(r.value for r in found) == sorted(b"v%d" % i for i in range(200))
    sample = next(r for r in found if r.value == b"v8")
    assert (sample.key, list(sample.headers)) == (b"k1", [("n", b"8")])


def idempotent_produce_commit_and_resume(broker: str, topic: str, group: str) -> None:
    sent = produce(broker, topic, 300, enable_idempotence=True)
    assert len({(r.partition, r.offset) for r in sent}) == 300
    first = consumer(broker, topic, group, max_poll_records=50)
    half = take(first, 150)
    first.commit()
    first.close()
    second = consumer(broker, topic, group)
    rest = take(second, 300 - len(half))
    second.close()
    assert sorted(r.value for r in half + rest) == sorted(b"v%d" % i for i in range(300))


class Member(threading.Thread):
    """A consumer that polls in a thread of its own until it is told to go."""

    def __init__(self, broker: str, topic: str, group: str) -> None:
        super().__init__(daemon=True)
        self._where = broker, topic, group
        self._leaving = threading.Event()
        self.owned: set[TopicPartition] = set()

    def run(self) -> None:
        one = consumer(*self._where)
        while not self._leaving.is_set():
            one.poll(timeout_ms=20_000)
            self.owned = one.assignment()
        one.close()
        self.owned = set()

    def leave(self) -> None:
        self._leaving.set()


def two_members_share_and_rebalance(broker: str, topic: str, group: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    end = time.monotonic() + 120

    def reach(done: Callable[[], bool]) -> None:
        """Keep all partitions talking, so that polls end, until `done`."""
        while not done():
            assert time.monotonic() < end
            for partition in range(4):
                producer.send(topic, b"v", partition=partition).get(timeout=60)
            time.sleep(0.05)

    first, second = Member(broker, topic, group), Member(broker, topic, group)
    first.start()
    reach(lambda: len(first.owned) == 4)
    second.start()
    reach(lambda: len(first.owned) == len(second.owned) == 2)
    assert not first.owned & second.owned
    first.leave()
    reach(lambda: len(second.owned) == 4)
    second.leave()
    reach(lambda: not first.is_alive() and not second.is_alive())
    producer.close()


def positions_and_times(broker: str, topic: str, group: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker)
    for i in range(10):
        producer.send(topic, b"v", partition=0, timestamp_ms=1_000_000 + 10 * i).get(timeout=60)
    producer.close()
    where = TopicPartition(topic, 0)
    one = consumer(broker, topic, group)
    assert one.beginning_offsets([where]) == {where: 0}
    assert one.end_offsets([where]) == {where: 10}
    found = one.offsets_for_times({where: 1_000_035})[where]
    assert (found.offset, found.timestamp) == (4, 1_000_040)
    one.close()


def admin(broker: str, topic: str, _: str) -> None:
    client = KafkaAdminClient(bootstrap_servers=broker)
    try:
        client.create_topics([NewTopic(topic, 2, 1)])
        assert topic in client.list_topics()
        try:
            client.create_topics([NewTopic(topic, 2, 1)])
            raise AssertionError("created twice")
        except TopicAlreadyExistsError:
            pass
        client.delete_topics([topic])
        assert topic not in client.list_topics()
    finally:
        client.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
