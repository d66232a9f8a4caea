"""The producer against our own broker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
from tests.client.conftest import Heard, World, poll_all, until

from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.client import ProducerRecord, StreamProducer, TopicConfig


def test_a_result_is_true(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(6)
        async with world.producer(idempotence=True) as producer, world.reader() as reader:
            heard = Heard(producer, "message:sent")
            sent = [
                await producer.send(
                    ProducerRecord(
                        topic=topic,
                        key=f"entity-{n}",
                        value=f"value {n}",
                        headers={"n": str(n), "none": None},
                        timestamp=1_700_000_000_000 + n,
                    )
                )
                for n in range(20)
            ]
            for n, result in enumerate(sent):
                (record,) = await reader.consume(topic, result.partition, result.offset, 1)
                assert record.value == f"value {n}".encode()
                assert record.key == f"entity-{n}".encode()
                assert record.headers == {"n": str(n).encode(), "none": None}
                assert record.timestamp == result.timestamp == 1_700_000_000_000 + n
            assert [(p.partition, p["offset"]) for p in heard.of("message:sent")] == [
                (result.partition, result.offset) for result in sent
            ]

    asyncio.run(go())


def murmur2(data: bytes) -> int:
    """Kafka's hash, written from its published description, as a second opinion."""
    length, m, mask = len(data), 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_keys_go_where_kafkas_clients_put_them(world: World) -> None:
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF  # a value of Kafka's own tests

    async def go() -> None:
        topic = await world.topic(6)
        async with world.producer() as producer:
            for key in ("entity-123", "", "a", "user42", "ключ"):
                result = await producer.send({"topic": topic, "key": key, "value": "x"})
                assert result.partition == (murmur2(key.encode()) & 0x7FFFFFFF) % 6, key
            result = await producer.send({"topic": topic, "partition": 5, "key": "a"})
            assert result.partition == 5

    asyncio.run(go())


def test_order_and_values_survive_a_burst(world: World) -> None:
    """Thousands on their way: the loop polls then, instead of the thread."""

    async def go() -> None:
        topic = await world.topic()
        config = {"lingerMs": 5, "compressionType": "lz4", "idempotence": True}
        async with world.producer(**config) as producer:
            futures = [
                producer.send_nowait(topic, b"%d" % n, b"key", headers=[("n", b"%d" % n)])
                for n in range(5_000)
            ]
            assert producer.outstanding == 5_000
            results = [await future for future in futures]
            assert [result.offset for result in results] == list(range(5_000))
            # Few again: the thread has taken over.
            result = await producer.send({"topic": topic, "value": "last"})
            assert result.offset == 5_000
            assert producer.outstanding == 0
        async with world.reading(topic) as consumer:
            records = await poll_all(consumer, 5_001)
        assert [record.value for record in records[:-1]] == [b"%d" % n for n in range(5_000)]
        assert records[17].headers["n"] == b"17"

    asyncio.run(go())


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec(world: World, codec: str) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(compressionType=codec, lingerMs=20) as producer:
            values = [f"{n}" * 100 for n in range(50)]
            await producer.send_batch([{"topic": topic, "value": value} for value in values])
        async with world.reader() as reader:
            assert [r.text() for r in await reader.consume(topic, 0, 0)] == values

    asyncio.run(go())


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"value": 5}, "record.invalid"),
        ({"key": 5}, "record.invalid"),
        ({"headers": {"a": 5}}, "record.invalid"),
        ({"timestamp": 0}, "record.invalid"),
        ({"timestamp": "now"}, "record.invalid"),
        ({"partition": -1}, "record.invalid"),
        ({"partition": 99}, "partition.unknown"),
        ({"value": b"x" * 2_000_000}, "record.too_large"),
        ({"value": b"x" * 40_000_000}, "record.too_large"),
        ({"topic": "no such name"}, "topic.name_invalid"),
    ],
)
def test_records_that_cannot_be_written(world: World, record: dict[str, Any], code: str) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as producer:
            with pytest.raises(Invalid) as caught:
                await producer.send({"topic": topic, "value": "x", **record})
            assert caught.value.code == code
            assert producer.outstanding == 0
            assert producer._buffer.used_bytes == 0
            await producer.send({"topic": topic, "value": "the next one works"})

    asyncio.run(go())


def test_a_topic_made_after_it_was_missed_is_used_at_once(world: World) -> None:
    async def go() -> None:
        name = world.group()
        async with world.producer() as producer, world.admin() as admin:
            fast = producer.send_nowait(f"{name}-fast", "x")
            for _ in range(2):
                with pytest.raises(Invalid) as caught:
                    await producer.send({"topic": name, "value": "x"})
                assert caught.value.code == "topic.unknown"
            with pytest.raises(Invalid):
                await fast
            for topic in (name, f"{name}-fast"):
                await admin.create_topic({"name": topic, "partitions": 1})
            assert (await producer.send({"topic": name, "value": "x"})).offset == 0
            if world.brokers > 1:
                return  # making topics in a cluster takes so long that it may have asked by then
            # The fast path does not wait: it fails once more, and asks meanwhile.
            with pytest.raises(Invalid):
                producer.send_nowait(f"{name}-fast", "x")
            await until(lambda: not producer._asking)
            assert (await producer.send_nowait(f"{name}-fast", "x")).offset == 0

    asyncio.run(go())


def test_tombstones_and_empty_values_differ(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as producer, world.reader() as reader:
            await producer.send({"topic": topic, "key": "k"})
            await producer.send({"topic": topic, "key": "k", "value": b""})
            first, second = await reader.consume(topic, 0, 0)
            assert (first.value, second.value) == (None, b"")

    asyncio.run(go())


def test_acks_0_knows_no_offset(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(acks=0) as producer:
            result = await producer.send({"topic": topic, "value": "x"})
            assert (result.partition, result.offset) == (0, -1)

    asyncio.run(go())


def test_a_full_buffer_makes_send_wait_and_then_fails(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"bufferMemory": 4_000, "batchSize": 4_000, "lingerMs": 60_000, "maxBlockMs": 30}
        producer = world.producer(**config)
        await producer.connect()
        waiting = [producer.send_nowait(topic, b"x" * 900) for _ in range(4)]
        with pytest.raises(Unavailable) as caught:
            producer.send_nowait(topic, b"x" * 900)
        assert caught.value.code == "producer.buffer_full"
        with pytest.raises(Unavailable) as caught:
            await producer.send({"topic": topic, "value": b"x" * 900})
        assert caught.value.code == "producer.buffer_full"
        with pytest.raises(Unavailable):
            await producer.room(900)
        await producer.flush()  # sends what lingers
        assert [future.result().offset for future in waiting] == [0, 1, 2, 3]
        await producer.room(900)
        await producer.close()

    asyncio.run(go())


def test_send_waits_until_room_is_there(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(bufferMemory=20_000, lingerMs=1) as producer:
            records = [{"topic": topic, "value": b"x" * 900} for _ in range(200)]
            results = await producer.send_batch(records)
            assert [result.offset for result in results] == list(range(200))

    asyncio.run(go())


def test_a_batch_tells_the_first_failure(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as producer, world.reader() as reader:
            with pytest.raises(SummitError) as caught:
                await producer.send_batch(
                    [{"topic": topic, "value": "0"}, {"topic": topic, "partition": 9},
                     {"topic": topic, "value": 5}, {"topic": topic, "value": "3"}]
                )  # fmt: skip
            assert caught.value.code == "partition.unknown"
            assert caught.value.details["index"] == 1
            assert caught.value.details["failed"] == 2
            assert [r.text() for r in await reader.consume(topic, 0, 0)] == ["0", "3"]

    asyncio.run(go())


def test_life(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        producer = world.producer()
        with pytest.raises(Invalid) as caught:
            await producer.send({"topic": topic, "value": "x"})
        assert caught.value.code == "client.not_connected"
        await producer.connect()
        with pytest.raises(Conflict):
            await producer.connect()
        with pytest.raises(Invalid) as caught:
            await producer.begin_transaction()
        assert caught.value.code == "producer.not_transactional"
        await producer.flush()
        lingering = producer.send_nowait(topic, "x")
        await producer.close()
        await producer.close()
        assert lingering.result().offset == 0
        with pytest.raises(Closed):
            await producer.send({"topic": topic, "value": "x"})
        with pytest.raises(Closed):
            producer.send_nowait(topic, "x")
        with pytest.raises(Closed):
            await producer.connect()
        await world.producer().close()  # never connected
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith("summit-deliveries")]

    asyncio.run(go())


def test_the_broker_object_is_dialled(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"clientId": "c", "bootstrapServers": ["localhost:1"], "idempotence": False}
        producer = StreamProducer(config)
        await producer.connect(world)  # has an address
        assert producer.addresses == world.address.split(",")
        assert (await producer.send({"topic": topic, "value": "x"})).offset == 0
        await producer.close()

    asyncio.run(go())


def test_no_broker_is_one_clear_error() -> None:
    async def go() -> None:
        producer = StreamProducer({"bootstrapServers": ["127.0.0.1:1"], "connectTimeoutMs": 300})
        with pytest.raises(Unavailable) as caught:
            await producer.connect()
        assert caught.value.code == "client.no_brokers"
        assert "127.0.0.1:1" in str(caught.value)
        with pytest.raises(Unavailable):
            await producer.connect([])

    asyncio.run(go())


def test_retries_end_with_one_clear_error() -> None:
    """A broker that takes connections and never answers a record."""
    from confluent_kafka import Producer

    mock = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "x", "log_level": 0})
    port = next(iter(mock.list_topics(timeout=5).brokers.values())).port

    async def go() -> None:
        config = {
            "bootstrapServers": [f"127.0.0.1:{port}"],
            "deliveryTimeoutMs": 300,
            "lingerMs": 0,
            "idempotence": False,
        }
        producer = StreamProducer(config)
        await producer.connect()
        assert (await producer.send({"topic": "t", "value": "x"})).offset == 0
        nonlocal mock
        del mock  # the brokers are gone
        errors = Heard(producer, "error")
        with pytest.raises(Unavailable) as caught:
            await producer.send({"topic": "t", "value": "x"})
        assert caught.value.code == "producer.delivery_timeout"
        assert "retry limit exceeded" in str(caught.value)
        assert errors.of("error")[0].error.code == "client.no_brokers"
        lost = producer.send_nowait("t", "x")
        await producer.close(timeout_ms=10)
        with pytest.raises(SummitError):
            await lost

    asyncio.run(go())


def test_importing_the_room_does_not_import_librdkafka() -> None:
    code = "import summit.client, sys; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_batch_mixes_plain_and_chosen_records_in_order(world: World) -> None:
    """Chosen partitions, timestamps and headers take another way than plain records."""

    async def go() -> None:
        topic = await world.topic(3)
        records: list[dict[str, Any]] = [
            {"topic": topic, "key": "same", "value": f"{n}"} for n in range(1_500)
        ]
        for n in range(0, 1_500, 100):
            records[n] |= {"headers": {"n": f"{n}"}, "timestamp": 1_000 + n}
        async with world.producer(idempotence=True, bufferMemory=50_000) as producer:
            heard = Heard(producer, "message:sent")
            results = await producer.send_batch(records)
            (partition,) = {result.partition for result in results}
            assert [result.offset for result in results] == list(range(1_500))
            assert results[300].timestamp == 1_300
            assert len(heard.of("message:sent")) == 1_500
            chosen = [{"topic": topic, "value": "x", "partition": n % 3} for n in range(30)]
            results = await producer.send_batch(chosen)
            assert [result.partition for result in results] == [n % 3 for n in range(30)]
            assert producer.outstanding == 0
            assert await producer.send_batch([]) == []
        async with world.reader() as reader:
            found = await reader.consume(topic, partition, 0, 1_500)
        assert [record.text() for record in found] == [f"{n}" for n in range(1_500)]
        assert found[300].headers.text("n") == "300"

    asyncio.run(go())


def test_a_batch_uses_a_topic_made_meanwhile(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        later = f"{topic}-later"
        async with world.producer() as producer, world.admin() as admin:
            records = [{"topic": topic, "value": "a"}, {"topic": later, "value": "b"}]
            with pytest.raises(Invalid) as caught:
                await producer.send_batch(records)
            assert caught.value.code == "topic.unknown"
            assert caught.value.details["index"] == 1
            await admin.create_topic(TopicConfig(name=later, partitions=1))
            results = await producer.send_batch(records)
            assert [(r.topic, r.offset) for r in results] == [(topic, 1), (later, 0)]

    asyncio.run(go())


def test_a_batch_that_is_cancelled_leaves_nothing_behind(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(lingerMs=100) as producer:
            records = [{"topic": topic, "value": f"{n}"} for n in range(100)]
            sending = asyncio.ensure_future(producer.send_batch(records))
            await until(lambda: producer.outstanding, 60)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await producer.flush()
            assert producer._buffer.used_bytes == 0
            assert producer._deliveries is not None
            assert not producer._deliveries.open_lanes

    asyncio.run(go())
