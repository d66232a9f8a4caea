"""Where records go: the same place as with every other Kafka client."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from summit.base.rand import Rand
from summit.client import Admin, AdminConfig
from summit.client.placement import StickyPartitions, keyed_partition, murmur2
from summit.stream_processing import EmbeddedBroker, ProducerConfig, StreamProducer

# Facts of the Java client's own tests.
HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), HASHES.items())
def test_the_hash_of_the_java_client(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


def test_keys_go_where_librdkafka_puts_them() -> None:
    keys = [b"", b"k", b"entity-123", "schlüssel".encode(), bytes(range(256))]
    keys += [b"x" * n for n in range(1, 30)]

    async def go() -> None:
        with EmbeddedBroker.in_memory() as broker:
            producer = StreamProducer(ProducerConfig())
            await producer.connect(broker)
            async with Admin(AdminConfig(bootstrap_servers=broker.address)) as admin:
                await admin.create_topic({"name": "a-b", "partitions": 7})
            for key in keys:
                result = await producer.send({"topic": "a-b", "key": key, "value": "v"})
                assert result.partition == keyed_partition(key, 7), key
            await producer.close()

    asyncio.run(go())


def test_records_without_a_key_stay_for_a_batch() -> None:
    sticky = StickyPartitions(1_000, Rand(1))
    chosen = [sticky.choose("a-b", [0, 1, 2], 100) for _ in range(50)]
    runs = [chosen[start : start + 5] for start in range(0, 50, 5)]  # 200 bytes each
    assert all(len(set(run)) == 1 for run in runs)
    assert all(before[0] != after[0] for before, after in itertools.pairwise(runs))
    assert set(chosen) == {0, 1, 2}


def test_a_partition_that_lost_its_leader_is_left_and_topics_do_not_share() -> None:
    sticky = StickyPartitions(1_000, Rand(2))
    first = sticky.choose("a", [0, 1, 2], 0)
    others = [partition for partition in (0, 1, 2) if partition != first]
    assert sticky.choose("a", others, 0) in others
    assert sticky.choose("b", [5], 0) == 5
    assert [sticky.choose("b", [5], 900) for _ in range(3)] == [5, 5, 5]
    sticky.forget("b")
    assert sticky.choose("b", [6], 0) == 6
