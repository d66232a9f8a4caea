"""The managers over a real Apache Kafka cluster of three brokers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from summit.stream_processing import (
    PartitionManager,
    ProducerConfig,
    ReplicationManager,
    StreamProducer,
    TopicManager,
)

pytestmark = pytest.mark.cluster


def over_a_topic(servers: str, work: Callable[[str, TopicManager], Awaitable[None]]) -> None:
    async def go() -> None:
        name = f"_client-{uuid.uuid4().hex}.a-b"
        async with TopicManager(servers) as topics:
            made = await topics.create_topic(
                {"name": name, "partitions": 4, "replicationFactor": 3, "minInSyncReplicas": 2}
            )
            try:
                assert (made.partitions, made.replication_factor, made.warnings) == (4, 3, [])
                await work(name, topics)
            finally:
                await topics.delete_topic(name)

    asyncio.run(go())


async def seen(check: Callable[[], Awaitable[bool]]) -> None:
    """The brokers of a cluster hear of a change one after the other."""
    async with asyncio.timeout(60):
        while not await check():
            await asyncio.sleep(0.1)


def test_settings_are_the_clusters(kafka_cluster: str) -> None:
    async def work(name: str, topics: TopicManager) -> None:
        config = await topics.get_topic_config(name)
        assert (config.replication_factor, config.min_in_sync_replicas) == (3, 2)
        changed = await topics.update_topic_config(name, {"retentionMs": 90_000, "partitions": 5})
        assert (changed.retention_ms, changed.partitions) == (90_000, 5)
        assert (await topics.get_topic_config(name)).partitions == 5
        assert await topics.topic_exists(name)

    over_a_topic(kafka_cluster, work)


def test_partitions_have_leaders_which_can_be_rebalanced(kafka_cluster: str) -> None:
    async def work(name: str, topics: TopicManager) -> None:
        async with PartitionManager(kafka_cluster) as manager:

            async def led() -> bool:
                found = await manager.rebalance_partitions([name]) if await known() else [0]
                partitions = await manager.get_topic_partitions(name)
                return not found and all(each.leader == each.replicas[0] for each in partitions)

            async def known() -> bool:
                return await topics.topic_exists(name)

            await seen(led)
            assert len(await manager.create_partitions(name, 6)) == 6
            assert (await manager.get_partition_metadata(name, 5)).high_water_mark == 0

    over_a_topic(kafka_cluster, work)


def test_a_record_is_with_every_replica_and_no_follower_is_behind(kafka_cluster: str) -> None:
    async def work(name: str, topics: TopicManager) -> None:
        producer = StreamProducer(ProducerConfig(acks="all"))
        await producer.connect(kafka_cluster)
        result = await producer.send({"topic": name, "partition": 0, "value": "v"})
        await producer.close()
        told: list[Any] = []
        manager = ReplicationManager(kafka_cluster)
        manager.on("message:replicated", told.append)
        async with manager:

            async def in_sync() -> bool:
                return len((await manager.setup_replication(name, 0)).isr) == 3

            await seen(in_sync)
            assert len(await manager.replicate(result)) == 3
            (followers,) = (await manager.check_status()).values()
            assert [each.lag_messages for each in followers] == [0, 0]
            assert not any(each.is_lagging for each in followers)
            (record,) = await manager.handle_fetch_request(name, 0, 0)
            assert record.text() == "v"
        assert [payload.offset for payload in told] == [0]

    over_a_topic(kafka_cluster, work)
