"""`PartitionManager`: every method, over one broker and over a cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from summit.base.errors import Invalid
from summit.base.rand import Rand
from summit.stream_processing import (
    EmbeddedBroker,
    Partition,
    PartitionManager,
    PartitionMetadata,
    ProducerConfig,
    StreamProducer,
    TopicManager,
)

Work = Callable[[PartitionManager, EmbeddedBroker], Awaitable[None]]


def over_a_broker(work: Work, partitions: int = 3, **fields: Any) -> None:
    async def go() -> None:
        with EmbeddedBroker.in_memory(broker_id=4) as broker:
            async with TopicManager(broker) as topics:
                await topics.create_topic({"name": "a-b", "partitions": partitions})
            async with PartitionManager(broker, **fields) as manager:
                await work(manager, broker)

    asyncio.run(go())


def served(index: int) -> Partition:
    return Partition(topic="a-b", partition=index, leader=4, replicas=[4], isr=[4])


def test_a_lone_broker_leads_every_partition() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        assert await manager.get_topic_partitions("a-b") == [served(n) for n in range(3)]
        assert await manager.get_partition_info("a-b", 2) == served(2)
        for index in range(3):
            assert await manager.get_partition_leader("a-b", index) == 4
            assert await manager.is_partition_leader("a-b", index)
            assert not await manager.is_partition_leader("a-b", index, broker_id=5)
        assert await manager.rebalance_partitions() == []
        assert await manager.rebalance_partitions(["a-b"]) == []
        with pytest.raises(Invalid, match="Topic nowhere does not exist"):
            await manager.rebalance_partitions(["nowhere"])

    over_a_broker(work)


def test_unknown_topics_and_partitions() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        for call in (
            manager.get_partition_info, manager.get_partition_leader,
            manager.is_partition_leader, manager.get_partition_metadata,
            manager.update_partition_metadata,
        ):  # fmt: skip
            with pytest.raises(Invalid, match="Topic nowhere does not exist"):
                await call("nowhere", 0)
            with pytest.raises(Invalid, match="Topic a-b has no partition 3"):
                await call("a-b", 3)
        for other in (manager.get_topic_partitions, manager.select_partition):
            with pytest.raises(Invalid, match="Topic nowhere does not exist"):
                await other("nowhere")

    over_a_broker(work)


def test_whose_leadership_has_to_be_said_where_it_is_not_known() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        async with PartitionManager(broker.address) as other:
            with pytest.raises(Invalid, match="broker_id"):
                await other.is_partition_leader("a-b", 0)
            assert await other.is_partition_leader("a-b", 0, 4)
        async with PartitionManager(broker.address, broker_id=4) as other:
            assert await other.is_partition_leader("a-b", 0)

    over_a_broker(work)


def test_partitions_are_added_and_not_taken_away() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        assert await manager.create_partitions("a-b", 5) == [served(n) for n in range(5)]
        for count in (5, 2):
            with pytest.raises(Invalid, match="would not be an increase"):
                await manager.create_partitions("a-b", count)
        with pytest.raises(Invalid, match="does not exist"):
            await manager.create_partitions("nowhere", 5)
        with pytest.raises(Invalid) as caught:
            await manager.delete_partitions("a-b", [1, 2])
        assert caught.value.code == "partition.not_removable"
        with pytest.raises(Invalid, match="no partition 9"):
            await manager.delete_partitions("a-b", [9])
        assert len(await manager.get_topic_partitions("a-b")) == 5
        assert len(await manager.delete_partitions("a-b")) == 5
        with pytest.raises(Invalid, match="does not exist"):
            await manager.delete_partitions("a-b")

    over_a_broker(work)


def test_metadata_tells_the_offsets_and_only_the_start_can_be_moved() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        producer = StreamProducer(ProducerConfig())
        await producer.connect(broker)
        await producer.send_batch(
            [{"topic": "a-b", "partition": 1, "value": f"{n}"} for n in range(10)]
        )
        await producer.close()
        before = PartitionMetadata(
            partition=1, leader=4, replicas=[4], isr=[4],
            high_water_mark=10, log_start_offset=0, log_end_offset=10,
        )  # fmt: skip
        assert await manager.get_partition_metadata("a-b", 1) == before
        assert await manager.update_partition_metadata("a-b", 1) == before
        moved = await manager.update_partition_metadata("a-b", 1, log_start_offset=4)
        assert (moved.log_start_offset, moved.high_water_mark) == (4, 10)
        moved = await manager.update_partition_metadata("a-b", 1, logStartOffset=6)
        assert await manager.get_partition_metadata("a-b", 1) == moved
        for start in (5, 11, "7", -1):
            with pytest.raises(Invalid):
                await manager.update_partition_metadata("a-b", 1, log_start_offset=start)
        for field in ("leader", "replicas", "isr", "high_water_mark", "logEndOffset"):
            with pytest.raises(Invalid) as caught:
                await manager.update_partition_metadata("a-b", 1, **{field: 5})
            assert caught.value.code == "partition.fact"
        with pytest.raises(Invalid, match="did you mean 'leader'"):
            await manager.update_partition_metadata("a-b", 1, leadr=5)
        assert await manager.get_partition_metadata("a-b", 1) == moved

    over_a_broker(work)


def test_a_key_goes_where_the_producer_puts_it_and_no_key_stays_for_a_batch() -> None:
    async def work(manager: PartitionManager, broker: EmbeddedBroker) -> None:
        producer = StreamProducer(ProducerConfig())
        await producer.connect(broker)
        for key in ("entity-123", "a", b"\x00\xff", "ä"):
            result = await producer.send({"topic": "a-b", "key": key, "value": "v"})
            assert await manager.select_partition("a-b", key) == result.partition
        await producer.close()
        chosen = [await manager.select_partition("a-b", size_bytes=400) for _ in range(12)]
        runs = [chosen[start : start + 4] for start in range(0, 12, 4)]
        assert [len(set(run)) for run in runs] == [1, 1, 1]
        assert runs[0][0] != runs[1][0] != runs[2][0]

    over_a_broker(work, partitions=6, batch_bytes=2_000, rand=Rand(3))


# ---- a cluster of three: the brokers that librdkafka brings for its own tests ----


@pytest.fixture
def cluster() -> Iterator[str]:
    """Addresses of three brokers that answer for topics, offsets and records, and no more."""
    mock = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "x", "log_level": 0})
    nodes = mock.list_topics("a-b", timeout=90).brokers.values()
    yield ",".join(f"{node.host}:{node.port}" for node in nodes)
    mock.flush(1)


def test_a_cluster_says_who_leads_what(cluster: str) -> None:
    async def go() -> None:
        async with PartitionManager(cluster) as manager:
            partitions = await manager.get_topic_partitions("a-b")
            assert [each.partition for each in partitions] == list(range(len(partitions)))
            assert all(sorted(each.replicas) == [1, 2, 3] for each in partitions)
            assert all(sorted(each.isr) == [1, 2, 3] for each in partitions)
            for each in partitions:
                leader = await manager.get_partition_leader("a-b", each.partition)
                assert leader == each.leader in (1, 2, 3)
                led = [
                    await manager.is_partition_leader("a-b", each.partition, broker_id)
                    for broker_id in (1, 2, 3)
                ]
                assert led == [broker_id == leader for broker_id in (1, 2, 3)]
            found = await manager.get_partition_metadata("a-b", 1)
            assert (found.log_start_offset, found.high_water_mark) == (0, 0)
            assert sorted(found.isr) == [1, 2, 3]
            assert await manager.select_partition("a-b", "key") < len(partitions)

    asyncio.run(go())
