"""`EmbeddedBroker`: a broker for programs without an event loop, dialled by any client."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import aiokafka
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from summit.base.errors import Closed, Conflict
from summit.stream_processing import EmbeddedBroker, StreamMetrics

COUNT = 60


def test_it_starts_once_and_stops_as_often_as_one_likes() -> None:
    broker = EmbeddedBroker.in_memory(broker_id=5)
    assert (broker.broker_id, broker.is_running, broker.is_controller) == (5, False, False)
    assert broker.metrics() == StreamMetrics()
    with pytest.raises(Closed):
        _ = broker.address
    broker.start()
    assert broker.is_running
    assert broker.is_controller
    assert broker.metrics().active_controller_count == 1
    with pytest.raises(Conflict, match="Broker already running"):
        broker.start()
    broker.stop()
    broker.stop()
    assert not broker.is_running
    with broker:
        assert broker.is_running
    assert not broker.is_running


def test_threads_may_start_and_stop_it_at_the_same_time() -> None:
    broker = EmbeddedBroker.in_memory()
    refused: list[str] = []

    def often() -> None:
        for _ in range(10):
            try:
                broker.start()
            except Conflict as error:
                refused.append(error.code)
            broker.metrics()
            broker.stop()

    threads = [threading.Thread(target=often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert set(refused) <= {"broker.running"}
    assert not broker.is_running


def test_a_start_that_fails_leaves_it_stopped(tmp_path: Path) -> None:
    with EmbeddedBroker(port=0, data_dir=str(tmp_path)) as broker:
        other = EmbeddedBroker(port=0, data_dir=str(tmp_path))
        with pytest.raises(Conflict, match="in use"):
            other.start()
        assert not other.is_running
        broker.stop()
        with other:
            assert other.is_running


@pytest.mark.interop
def test_a_group_of_librdkafka_consumers_shares_a_topic_in_memory() -> None:
    with EmbeddedBroker.in_memory() as broker:
        servers = {"bootstrap.servers": broker.address}
        admin = AdminClient(servers)
        admin.create_topics([NewTopic("a-b.c", 4, 1)])["a-b.c"].result(60)
        producer = Producer(servers)
        for number in range(COUNT):
            producer.produce("a-b.c", f"{number}", partition=number % 4)
        assert producer.flush(60) == 0
        group = {**servers, "group.id": "g-1", "auto.offset.reset": "earliest"}
        members = [Consumer({**group, "client.id": f"c{n}"}) for n in range(2)]
        seen: dict[str, int] = {}
        for member in members:
            member.subscribe(["a-b.c"])
        for _ in range(3_000):
            for number, member in enumerate(members):
                message = member.poll(0.02)
                if message is not None:
                    assert message.error() is None
                    seen[message.value().decode()] = number
            if len(seen) == COUNT and all(member.assignment() for member in members):
                break
        assert sorted(seen, key=int) == [f"{n}" for n in range(COUNT)]
        assert sorted(len(member.assignment()) for member in members) == [2, 2]
        for member in members:
            member.close()


@pytest.mark.interop
def test_aiokafka_produces_and_a_restarted_group_goes_on_in_memory() -> None:
    async def read(address: str, count: int) -> list[bytes]:
        consumer = aiokafka.AIOKafkaConsumer(
            "a-b.c", bootstrap_servers=address, group_id="g-1", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            async with asyncio.timeout(60):
                return [(await consumer.getone()).value for _ in range(count)]
        finally:
            await consumer.stop()  # commits

    async def go() -> None:
        with EmbeddedBroker.in_memory(auto_create_topics=True, num_partitions=1) as broker:
            producer = aiokafka.AIOKafkaProducer(bootstrap_servers=broker.address)
            await producer.start()
            for number in range(COUNT):
                await producer.send_and_wait("a-b.c", b"%d" % number)
            await producer.stop()
            first = await read(broker.address, 25)
            second = await read(broker.address, COUNT - 25)
            assert first + second == [b"%d" % n for n in range(COUNT)]

    asyncio.run(go())
