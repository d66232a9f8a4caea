"""Compacted and recompressed topics through confluent-kafka and kcat."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.interop.processes import BrokerProcess

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker that looks for something to clean ten times a second."""
    path = tmp_path_factory.mktemp("quick")
    with BrokerProcess(
        str(path), log_cleaner_backoff_ms=100, checkpoint_interval_ms=100
    ) as process:
        yield process


def create(broker: BrokerProcess, topic: str, **configs: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker.address})
    named = {key.replace("_", "."): value for key, value in configs.items()}
    (future,) = admin.create_topics([NewTopic(topic, 1, 1, config=named)]).values()
    future.result(60)


def read(broker: BrokerProcess, topic: str) -> list[tuple[int, bytes, bytes | None]]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address, "group.id": "reader",
            "enable.auto.commit": False, "enable.partition.eof": True,
        }
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(5)
            if message is None:
                continue
            if message.error() is not None:  # the end of the partition
                return found
            found.append((message.offset(), message.key(), message.value()))
    finally:
        consumer.close()
    raise AssertionError(f"the end never came after {len(found)} records")


@pytest.mark.parametrize("codec", ["producer", "zstd", "lz4", "gzip", "snappy"])
def test_a_compacted_topic(quick: BrokerProcess, topic: str, codec: str) -> None:
    create(
        quick, topic, cleanup_policy="compact", compression_type=codec, segment_bytes="8192",
        min_cleanable_dirty_ratio="0.01",
    )  # fmt: skip
    settings = {"bootstrap.servers": quick.address, "linger.ms": 0, "batch.num.messages": 3}
    first = Producer(settings | {"enable.idempotence": True})
    first.produce(topic, key="k1", value="of a producer whose last batch is outdated")
    assert first.flush(60) == 0
    producer = Producer(settings)
    expected: dict[bytes, bytes] = {}
    for number in range(900):
        key, value = f"k{number % 20}", f"{number} " * 20
        if number % 20 == 7 and number > 600:
            producer.produce(topic, key=key, value=None)
            expected.pop(key.encode(), None)
        else:
            producer.produce(topic, key=key, value=value)
            expected[key.encode()] = value.encode()
        producer.poll(0)
    assert producer.flush(60) == 0
    deadline = time.monotonic() + 120
    found = read(quick, topic)
    while True:  # until the cleaner has nothing left to do, so that two clients read the same
        time.sleep(0.3)
        before, found = found, read(quick, topic)
        if found == before and len(found) <= 300:
            break
        assert time.monotonic() < deadline, f"{len(found)} records are left"
    assert 20 <= len(found) <= 300
    state: dict[bytes, bytes] = {}
    for _, key, value in found:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    assert state == expected
    if shutil.which("kcat") is not None:
        done = subprocess.run(
            ["kcat", "-b", quick.address, "-C", "-t", topic, "-e", "-q", "-f", "%o %k\n"],
            capture_output=True, text=True, timeout=90, check=True,
        )  # fmt: skip
        lines = [f"{offset} {key.decode()}" for offset, key, _ in found]
        assert done.stdout.splitlines() == lines


def test_a_record_without_a_key_is_refused(quick: BrokerProcess, topic: str) -> None:
    create(quick, topic, cleanup_policy="compact,delete")
    told: list[str] = []
    producer = Producer({"bootstrap.servers": quick.address})
    producer.produce(topic, value="x", on_delivery=lambda error, _: told.append(error.name()))
    producer.flush(10)
    assert told == ["INVALID_RECORD"]


def test_a_config_that_is_refused(quick: BrokerProcess, topic: str) -> None:
    with pytest.raises(KafkaException):
        create(quick, topic, compression_type="rar")
