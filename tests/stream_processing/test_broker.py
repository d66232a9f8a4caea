"""The embedded broker under the guide's names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from summit.base.clock import ManualClock, SystemClock
from summit.base.errors import Closed, Conflict, Invalid
from summit.records import check_crc, split_batches
from summit.stream_processing import (
    ConsumerConfig,
    EmbeddedBroker,
    MessageBroker,
    ProducerConfig,
    StreamConsumer,
    StreamMetrics,
    StreamProducer,
    TopicConfig,
)

EVENTS = (
    "broker:started",
    "broker:stopped",
    "topic:created",
    "topic:deleted",
    "message:produced",
    "messages:consumed",
    "metrics:updated",
)


def make(path: Path, **fields: Any) -> MessageBroker:
    values = {"port": 0, "data_dir": str(path / "data"), "durability": "os", **fields}
    return MessageBroker(**values)


def heard(broker: MessageBroker) -> list[tuple[str, Any]]:
    events: list[tuple[str, Any]] = []
    for name in EVENTS:
        broker.on(name, lambda payload, name=name: events.append((name, payload)))
    return events


def test_topics_records_and_events(tmp_path: Path) -> None:
    async def go() -> None:
        broker = make(tmp_path, broker_id=7)
        events = heard(broker)
        assert not broker.is_leader_broker()
        async with broker:
            assert broker.is_leader_broker()
            assert broker.get_broker_id() == 7
            with pytest.raises(Conflict) as conflict:
                await broker.start()
            assert str(conflict.value) == "Broker already running"
            made = await broker.create_topic(TopicConfig(name="intel-events", partitions=6))
            assert (made.partitions, made.warnings) == (6, [])
            with pytest.raises(Conflict) as conflict:
                await broker.create_topic({"name": "intel-events", "partitions": 6})
            assert str(conflict.value) == "Topic intel-events already exists"
            result = await broker.produce({"topic": "intel-events", "key": "k", "value": "v"})
            place = (result.topic, result.partition, result.offset)
            (record,) = await broker.consume(*place)
            assert (record.value, record.key, record.timestamp) == (b"v", b"k", result.timestamp)
            info = await broker.get_partition_info("intel-events", result.partition)
            assert (info.leader, info.replicas, info.isr) == (7, [7], [7])
            assert (info.log_start_offset, info.high_water_mark, info.log_end_offset) == (0, 1, 1)
            assert len(await broker.get_topic_partitions("intel-events")) == 6
            assert (await broker.get_topic_metadata("intel-events")).topic_id == made.topic_id
            assert await broker.list_topics() == ["intel-events"]
            assert "__consumer_offsets" in await broker.list_topics(internal=True)
            await broker.delete_topic("intel-events")
            with pytest.raises(Invalid) as caught:
                await broker.delete_topic("intel-events")
            assert str(caught.value) == "Topic intel-events does not exist"
        assert not broker.is_leader_broker()
        await broker.stop()
        assert [(name, dict(payload)) for name, payload in events] == [
            ("broker:started", {"broker_id": 7}),
            ("topic:created", {"topic": "intel-events", "partitions": 6, "warnings": []}),
            (
                "message:produced",
                {"topic": "intel-events", "partition": result.partition, "offset": 0},
            ),
            (
                "messages:consumed",
                {"topic": "intel-events", "partition": result.partition, "count": 1},
            ),
            ("topic:deleted", {"topic": "intel-events"}),
            ("broker:stopped", {"broker_id": 7}),
        ]

    asyncio.run(go())


def test_consume_reads_ranges_with_true_checksums(tmp_path: Path) -> None:
    async def go() -> None:
        async with make(tmp_path) as broker:
            await broker.create_topic({"name": "a-b", "partitions": 2})
            config = ProducerConfig(idempotence=False, linger_ms=20, compression_type="zstd")
            producer = StreamProducer(config)
            await producer.connect(broker)
            for start in (0, 50):
                await producer.send_batch(
                    [
                        {"topic": "a-b", "partition": 0, "value": f"{n}", "headers": {"n": f"{n}"}}
                        for n in range(start, start + 50)
                    ]
                )
            await producer.close()
            records = await broker.consume("a-b", 0, 0)
            assert [record.text() for record in records] == [f"{n}" for n in range(100)]
            assert records[7].headers == {"n": b"7"}
            # Two batches or more, each with its checksum: those that stand on the disk.
            log = next((tmp_path / "data").rglob("a-b-0/*.log")).read_bytes()
            batches = split_batches(log)
            assert all(check_crc(log, position, size) for position, size in batches)
            checksums = [int.from_bytes(log[at + 17 : at + 21], "big") for at, _ in batches]
            assert len(checksums) >= 2
            assert list(dict.fromkeys(record.checksum for record in records)) == checksums
            assert [r.offset for r in await broker.consume("a-b", 0, 70, 5)] == list(range(70, 75))
            assert await broker.consume("a-b", 0, 100) == []
            assert await broker.consume("a-b", 1, 0) == []
            for place, code in (
                (("a-b", 0, 101), "consumer.offset_out_of_range"),
                (("a-b", 2, 0), "partition.unknown"),
                (("nowhere", 0, 0), "topic.unknown"),
                (("a-b", -1, 0), "client.refused"),
            ):
                with pytest.raises(Invalid) as caught:
                    await broker.consume(*place)
                assert caught.value.code == code

    asyncio.run(go())


def test_a_recreated_topic_starts_at_0_and_a_restarted_broker_goes_on(tmp_path: Path) -> None:
    async def go() -> None:
        broker = make(tmp_path, log_dirs=[str(tmp_path / "logs")])
        async with broker:
            await broker.create_topic({"name": "a-b", "partitions": 1})
            assert (await broker.produce({"topic": "a-b", "value": "1"})).offset == 0
            await broker.delete_topic("a-b")
            await broker.create_topic({"name": "a-b", "partitions": 1})
            assert await broker.consume("a-b", 0, 0) == []
            assert (await broker.produce({"topic": "a-b", "value": "2"})).offset == 0
        async with broker:  # the same object may be started again
            assert [r.text() for r in await broker.consume("a-b", 0, 0)] == ["2"]
            assert (await broker.produce({"topic": "a-b", "value": "3"})).offset == 1
        assert (tmp_path / "logs" / "a-b-0").is_dir()

    asyncio.run(go())


def test_replicas_beyond_the_one_broker(tmp_path: Path) -> None:
    async def go() -> None:
        async with make(tmp_path) as broker:
            made = await broker.create_topic(
                {"name": "wish", "partitions": 6, "replicationFactor": 3}
            )
            assert (made.replication_factor, made.wanted_replication_factor) == (1, 3)
            assert "under-replicated" in made.warnings[0]
            assert broker.get_metrics().under_replicated_partitions == 6
            # On the wire a Kafka client gets Kafka's error.
            client = AdminClient({"bootstrap.servers": broker.address})
            future = client.create_topics([NewTopic("plain", 1, 3)])["plain"]
            error = await asyncio.to_thread(future.exception)
            assert error.args[0].name() == "INVALID_REPLICATION_FACTOR"
        async with make(tmp_path) as broker:  # the wish is kept
            assert broker.get_metrics().under_replicated_partitions == 6

    asyncio.run(go())


def test_metrics_are_true_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.stream_processing.broker.METRICS_INTERVAL_MS", 50)

    async def go() -> None:
        broker = make(tmp_path)
        assert broker.get_metrics() == StreamMetrics()
        events = heard(broker)
        async with broker:
            await broker.create_topic({"name": "a-b", "partitions": 1})
            for _ in range(20):
                await broker.produce({"topic": "a-b", "value": "x" * 1_000})
            await broker.consume("a-b", 0, 0)
            metrics = broker.get_metrics()
            assert metrics.messages_in_per_sec >= 2
            assert metrics.bytes_in_per_sec > 1_000 * metrics.messages_in_per_sec
            assert metrics.messages_out_per_sec > 0
            assert metrics.producer_request_rate > 0
            assert metrics.consumer_request_rate > 0
            assert (metrics.active_controller_count, metrics.offline_partitions_count) == (1, 0)
            assert set(metrics.to_dict()) >= {"messagesInPerSec", "leaderElectionRate"}
            async with asyncio.timeout(90):
                while not any(name == "metrics:updated" for name, _ in events):
                    await asyncio.sleep(0.02)

    asyncio.run(go())


def test_two_brokers_cannot_share_a_directory_nor_a_port(tmp_path: Path) -> None:
    async def go() -> None:
        async with make(tmp_path) as broker:
            with pytest.raises(Conflict) as caught:
                await make(tmp_path).start()
            assert caught.value.code == "disk.locked"
            port = int(broker.address.rpartition(":")[2])
            other = make(tmp_path / "other", port=port, host="127.0.0.1")
            with pytest.raises(Conflict, match="in use"):
                await other.start()
            assert not other.is_leader_broker()
            await other.stop()

    asyncio.run(go())


def test_nothing_works_while_it_is_stopped(tmp_path: Path) -> None:
    async def go() -> None:
        broker = make(tmp_path)
        for call in (
            broker.create_topic({"name": "a"}), broker.produce({"topic": "a"}),
            broker.consume("a", 0, 0), broker.list_topics(),
        ):  # fmt: skip
            with pytest.raises(Closed):
                await call
        with pytest.raises(Closed):
            _ = broker.address

    asyncio.run(go())


def test_a_topic_made_anew_is_written_to_at_once() -> None:
    async def go() -> None:
        async with MessageBroker.in_memory() as broker:
            for _ in range(3):
                with pytest.raises(Invalid):
                    await broker.produce({"topic": "a-b.c", "value": "too early"})
                await broker.create_topic({"name": "a-b.c", "partitions": 3})
                result = await broker.produce({"topic": "a-b.c", "value": "v", "key": "k"})
                assert result.offset == 0
                await broker.delete_topic("a-b.c")

    asyncio.run(go())


def test_settings_of_a_topic_are_read_and_changed(tmp_path: Path) -> None:
    async def go() -> None:
        async with make(tmp_path) as broker:
            await broker.create_topic({"name": "a-b", "partitions": 2, "compressionType": "lz4"})
            changed = await broker.update_topic_config("a-b", {"retentionMs": 5, "partitions": 4})
            assert (changed.retention_ms, changed.partitions) == (5, 4)
            assert changed.compression_type == "lz4"
            assert await broker.get_topic_config("a-b") == changed
            assert len(await broker.get_topic_partitions("a-b")) == 4
            for changes in ({"partitions": 1}, {"retentionMs": 0}, {"colour": "red"}):
                with pytest.raises(Invalid):
                    await broker.update_topic_config("a-b", changes)
            with pytest.raises(Invalid, match="Topic nowhere does not exist"):
                await broker.update_topic_config("nowhere", {"retentionMs": 5})

    asyncio.run(go())


def test_groups_are_described() -> None:
    async def go() -> None:
        async with MessageBroker.in_memory() as broker:
            await broker.create_topic({"name": "a-b", "partitions": 2})
            consumer = StreamConsumer(ConsumerConfig(group_id="g-1", client_id="reader"))
            await consumer.connect(broker)
            await consumer.subscribe(["a-b"])
            async with asyncio.timeout(60):
                while not (await broker.describe_group("g-1")).members:
                    await consumer.poll(50)
            described = await broker.describe_group("g-1")
            (member,) = described.members
            assert member.client_id == "reader"
            await consumer.close()
            assert (await broker.describe_group("g-1")).members == []

    asyncio.run(go())


def test_in_memory_is_a_real_broker_that_goes_on_after_a_stop() -> None:
    async def go() -> None:
        broker = MessageBroker.in_memory(broker_id=3)
        events = heard(broker)
        async with broker:
            await broker.create_topic({"name": "a-b", "partitions": 1})
            await broker.produce({"topic": "a-b", "value": "1"})
        async with broker:
            assert [r.text() for r in await broker.consume("a-b", 0, 0)] == ["1"]
            assert (await broker.produce({"topic": "a-b", "value": "2"})).offset == 1
        async with MessageBroker.in_memory() as other:
            assert await other.list_topics() == []
        assert [dict(payload) for name, payload in events if name == "broker:started"] == [
            {"broker_id": 3}
        ] * 2

    asyncio.run(go())


def test_two_brokers_in_one_process_are_strangers() -> None:
    async def go() -> None:
        one, two = MessageBroker.in_memory(broker_id=1), MessageBroker.in_memory(broker_id=2)
        async with one, two:
            assert one.address != two.address
            for broker in (one, two):
                await broker.create_topic({"name": "a-b", "partitions": 1})
                await broker.produce({"topic": "a-b", "value": f"{broker.broker_id}"})
            for broker in (one, two):
                (record,) = await broker.consume("a-b", 0, 0)
                assert record.text() == f"{broker.broker_id}"
                assert (await broker.get_partition_info("a-b", 0)).leader == broker.broker_id
            await one.stop()
            assert [r.text() for r in await two.consume("a-b", 0, 0)] == ["2"]

    asyncio.run(go())


def test_starts_and_stops_at_once_are_one_start_and_one_stop() -> None:
    async def go() -> None:
        broker = MessageBroker.in_memory()
        events = heard(broker)
        started = await asyncio.gather(*(broker.start() for _ in range(3)), return_exceptions=True)
        assert sorted(type(each).__name__ for each in started) == [
            "Conflict",
            "Conflict",
            "NoneType",
        ]
        await asyncio.gather(*(broker.stop() for _ in range(3)))
        assert [name for name, _ in events] == ["broker:started", "broker:stopped"]

    asyncio.run(go())


def test_a_cancelled_start_leaves_nothing_running_and_a_cancelled_stop_ends_all_the_same() -> None:
    async def go() -> None:
        broker = MessageBroker.in_memory()
        starting = asyncio.ensure_future(broker.start())
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not broker.is_leader_broker()
        with pytest.raises(Closed):
            _ = broker.address
        await broker.start()
        place = broker.address.split(":")
        stopping = asyncio.ensure_future(broker.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert not broker.is_leader_broker()
        with pytest.raises(OSError):
            await asyncio.open_connection(place[0], int(place[1]))

    asyncio.run(go())


def test_whoever_calls_while_it_stops_gets_an_answer_or_is_told() -> None:
    async def go() -> None:
        broker = MessageBroker.in_memory()
        await broker.start()
        await broker.create_topic({"name": "a-b", "partitions": 1})
        acknowledged: list[int] = []

        async def produce() -> None:
            while True:
                result = await broker.produce({"topic": "a-b", "value": "v"})
                acknowledged.append(result.offset)

        async def ask(question: Any) -> None:
            while True:
                await question()

        calls = [asyncio.ensure_future(produce()) for _ in range(8)]
        questions = (
            lambda: broker.consume("a-b", 0, 0), broker.list_topics,
            lambda: broker.get_partition_info("a-b", 0), lambda: broker.get_topic_config("a-b"),
        )  # fmt: skip
        calls += [asyncio.ensure_future(ask(question)) for question in questions]
        while len(acknowledged) < 50:
            await asyncio.sleep(0.001)
        await broker.stop()
        async with asyncio.timeout(60):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {Closed}
        async with broker:  # what was acknowledged is there
            info = await broker.get_partition_info("a-b", 0)
            assert info.high_water_mark >= len(acknowledged) == len(set(acknowledged))

    asyncio.run(go())


def test_transaction_markers_are_no_records_and_hide_none() -> None:
    async def go() -> None:
        async with MessageBroker.in_memory() as broker:
            await broker.create_topic({"name": "a-b", "partitions": 1})
            await asyncio.to_thread(transactions, broker.address)
            await broker.produce({"topic": "a-b", "value": "last"})
            records = await broker.consume("a-b", 0, 0)
            assert [(r.offset, r.text()) for r in records] == [
                (0, "kept"), (2, "taken back"), (4, "last")
            ]  # fmt: skip
            assert [r.offset for r in await broker.consume("a-b", 0, 1)] == [2, 4]
            assert [r.offset for r in await broker.consume("a-b", 0, 3)] == [4]

    asyncio.run(go())


def transactions(address: str) -> None:
    """One that is committed, one that is aborted; each leaves a marker behind its record."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": "t-1"})
    producer.init_transactions(60)
    for value, end in (("kept", "commit_transaction"), ("taken back", "abort_transaction")):
        producer.begin_transaction()
        producer.produce("a-b", value)
        producer.flush(60)
        getattr(producer, end)(60)


def test_rates_are_what_was_done_in_the_time_of_the_window() -> None:
    async def go() -> None:
        clock = ManualClock(SystemClock().now_ms())
        with EmbeddedBroker.in_memory(clock=clock, auto_create_topics=True) as broker:
            producer = StreamProducer(ProducerConfig(linger_ms=0))
            await producer.connect(broker)
            for _ in range(18):
                await producer.send({"topic": "a-b", "partition": 0, "value": "x" * 1_000})
            await producer.close()
            clock.advance(9_000)
            figures = broker.metrics()
            assert figures.messages_in_per_sec == 2.0
            assert figures.producer_request_rate == 2.0
            assert 2_000 < figures.bytes_in_per_sec < 2_500
            assert (figures.messages_out_per_sec, figures.consumer_request_rate) == (0.0, 0.0)
            async with asyncio.timeout(60):
                while broker.metrics().messages_in_per_sec:  # until the window has slid on
                    clock.advance(1_000)
                    await asyncio.sleep(0.05)
        assert broker.metrics() == StreamMetrics()

    asyncio.run(go())
