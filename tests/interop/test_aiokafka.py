"""aiokafka, unmodified, against our broker."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError
from tests.interop.processes import BrokerProcess

pytestmark = pytest.mark.interop

# None is "no compression" for this client.
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]


async def produce(broker: BrokerProcess, topic: str, count: int, **config: Any) -> list[Any]:
    producer = AIOKafkaProducer(bootstrap_servers=broker.address, **config)
    await producer.start()
    try:
        sends = [
            await producer.send(
                topic, f"v{i}".encode(), key=b"k%d" % (i % 7), headers=[("n", b"%d" % i)]
            )
            for i in range(count)
        ]
        return list(await asyncio.gather(*sends))
    finally:
        await producer.stop()


def consumer(broker: BrokerProcess, topic: str, group: str, **config: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.address,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
        metadata_max_age_ms=1000,
        **config,
    )


async def take(one: AIOKafkaConsumer, count: int, timeout_s: float = 20) -> list[Any]:
    found: list[Any] = []
    end = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < end:
        for records in (await one.getmany(timeout_ms=200)).values():
            found += records
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_goes_through(
    broker: BrokerProcess, topic: str, group: str, codec: str | None
) -> None:
    async def scenario() -> None:
        await produce(broker, topic, 200, compression_type=codec)
        one = consumer(broker, topic, group)
        await one.start()
        found = await take(one, 200)
        await one.stop()
        assert sorted(r.value for r in found) == sorted(b"v%d" % i for i in range(200))
        sample = next(r for r in found if r.value == b"v8")
        assert (sample.key, sample.headers) == (b"k1", (("n", b"8"),))

    asyncio.run(scenario())


def test_idempotent_produce_commit_and_resume(
    each_durability: BrokerProcess, topic: str, group: str
) -> None:
    broker = each_durability

    async def scenario() -> None:
        sent = await produce(broker, topic, 300, enable_idempotence=True)
        assert len({(r.partition, r.offset) for r in sent}) == 300
        first = consumer(broker, topic, group, max_poll_records=50)
        await first.start()
        half = await take(first, 150)
        await first.commit()
        await first.stop()
        second = consumer(broker, topic, group)
        await second.start()
        rest = await take(second, 300 - len(half))
        await second.stop()
        assert sorted(r.value for r in half + rest) == sorted(b"v%d" % i for i in range(300))

    asyncio.run(scenario())


def test_two_members_share_and_rebalance(broker: BrokerProcess, topic: str, group: str) -> None:
    async def scenario() -> None:
        await produce(broker, topic, 40)
        first, second = consumer(broker, topic, group), consumer(broker, topic, group)
        await first.start()
        await take(first, 40)
        assert len(first.assignment()) == 4
        await second.start()
        end = time.monotonic() + 90
        while len(first.assignment()) != 2 or len(second.assignment()) != 2:
            assert time.monotonic() < end
            await asyncio.gather(first.getmany(timeout_ms=100), second.getmany(timeout_ms=100))
        assert not first.assignment() & second.assignment()
        await first.stop()
        while len(second.assignment()) != 4:
            assert time.monotonic() < end
            await second.getmany(timeout_ms=100)
        await second.stop()

    asyncio.run(scenario())


def test_positions_and_times(broker: BrokerProcess, topic: str, group: str) -> None:
    async def scenario() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=broker.address)
        await producer.start()
        for i in range(10):
            await producer.send_and_wait(topic, b"v", partition=0, timestamp_ms=1_000_000 + 10 * i)
        await producer.stop()
        where = TopicPartition(topic, 0)
        one = consumer(broker, topic, group)
        await one.start()
        assert await one.beginning_offsets([where]) == {where: 0}
        assert await one.end_offsets([where]) == {where: 10}
        found = (await one.offsets_for_times({where: 1_000_035}))[where]
        assert (found.offset, found.timestamp) == (4, 1_000_040)
        await one.stop()

    asyncio.run(scenario())


def test_admin(broker: BrokerProcess, topic: str) -> None:
    async def scenario() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, 2, 1)])
            assert topic in await admin.list_topics()
            again = await admin.create_topics([NewTopic(topic, 2, 1)])
            assert again.topic_errors[0][1] == TopicAlreadyExistsError.errno
            await admin.delete_topics([topic])
            assert topic not in await admin.list_topics()
        finally:
            await admin.close()

    asyncio.run(scenario())
