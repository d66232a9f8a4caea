"""kafka-python, unmodified, against our broker."""

from __future__ import annotations

import gc
import importlib.util
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interop.processes import BrokerProcess

with warnings.catch_warnings():  # it reads its schemas in a way that Python 3.11 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewTopic
    from kafka.errors import TopicAlreadyExistsError

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _collect_what_the_client_left_open() -> Iterator[None]:
    """The client leaves socket pairs to the collector: let it find them while that is allowed."""
    yield
    gc.collect()


CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
LIBRARIES = {"snappy": "snappy", "lz4": "lz4", "zstd": "zstandard"}


def produce(broker: BrokerProcess, topic: str, count: int, **config: Any) -> list[Any]:
    producer = KafkaProducer(bootstrap_servers=broker.address, **config)
    try:
        sends = [
            producer.send(topic, f"v{i}".encode(), key=b"k%d" % (i % 7), headers=[("n", b"%d" % i)])
            for i in range(count)
        ]
        return [send.get(timeout=20) for send in sends]
    finally:
        producer.close()


def consumer(broker: BrokerProcess, topic: str, group: str, **config: Any) -> KafkaConsumer:
    return KafkaConsumer(
        topic,
        bootstrap_servers=broker.address,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
        **config,
    )


def take(one: KafkaConsumer, count: int, timeout_s: float = 20) -> list[Any]:
    found: list[Any] = []
    end = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end:
        for records in one.poll(timeout_ms=200).values():
            found += records
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_goes_through(
    broker: BrokerProcess, topic: str, group: str, codec: str | None
) -> None:
    if codec in LIBRARIES and importlib.util.find_spec(LIBRARIES[codec]) is None:
        pytest.skip(f"the client's library for {codec} is not installed")
    produce(broker, topic, 200, compression_type=codec)
    one = consumer(broker, topic, group)
    found = take(one, 200)
    one.close()
    assert sorted(r.value for r in found) == sorted(b"v%d" % i for i in range(200))
    sample = next(r for r in found if r.value == b"v8")
    assert (sample.key, list(sample.headers)) == (b"k1", [("n", b"8")])


def test_idempotent_produce_commit_and_resume(
    each_durability: BrokerProcess, topic: str, group: str
) -> None:
    broker = each_durability
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


def test_two_members_share_and_rebalance(broker: BrokerProcess, topic: str, group: str) -> None:
    produce(broker, topic, 40)
    first, second = consumer(broker, topic, group), consumer(broker, topic, group)
    take(first, 40)
    assert len(first.assignment()) == 4
    end = time.monotonic() + 20
    while len(first.assignment()) != 2 or len(second.assignment()) != 2:
        assert time.monotonic() < end
        first.poll(timeout_ms=100)
        second.poll(timeout_ms=100)
    assert not first.assignment() & second.assignment()
    first.close()
    while len(second.assignment()) != 4:
        assert time.monotonic() < end
        second.poll(timeout_ms=100)
    second.close()


def test_positions_and_times(broker: BrokerProcess, topic: str, group: str) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for i in range(10):
        producer.send(topic, b"v", partition=0, timestamp_ms=1_000_000 + 10 * i).get(timeout=20)
    producer.close()
    where = TopicPartition(topic, 0)
    one = consumer(broker, topic, group)
    assert one.beginning_offsets([where]) == {where: 0}
    assert one.end_offsets([where]) == {where: 10}
    found = one.offsets_for_times({where: 1_000_035})[where]
    assert (found.offset, found.timestamp) == (4, 1_000_040)
    one.close()


def test_admin(broker: BrokerProcess, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    try:
        admin.create_topics([NewTopic(topic, 2, 1)])
        assert topic in admin.list_topics()
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics([NewTopic(topic, 2, 1)])
        admin.delete_topics([topic])
        assert topic not in admin.list_topics()
    finally:
        admin.close()
