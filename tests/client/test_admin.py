"""Topics, offsets and groups, asked of our own broker and of a cluster."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.conftest import World, poll_all

from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.client import Admin, Partition, TopicConfig, TopicPartition
from summit.client.admin.topics import _Plan


def test_topics(world: World) -> None:
    async def go() -> None:
        name = world.group() + ".entity.created"
        async with world.admin() as admin:
            made = await admin.create_topic(
                TopicConfig(name=name, partitions=3, retention_ms=86_400_000)
            )
            copies = world.brokers  # the default of the test cluster
            assert (made.name, made.partitions, made.replication_factor) == (name, 3, copies)
            assert made.warnings == []
            assert name in await admin.list_topics()
            (topic,) = await admin.describe_topics([name])
            assert topic.topic_id == made.topic_id
            last = topic.partitions[2]
            assert last == Partition(
                topic=name, partition=2, leader=last.leader, replicas=last.replicas,
                isr=last.replicas,
            )  # fmt: skip
            assert last.leader in last.replicas
            assert sorted(last.replicas) == list(range(1, world.brokers + 1))
            assert name in [topic.name for topic in await admin.describe_topics()]
            with pytest.raises(Conflict) as conflict:
                await admin.create_topic({"name": name, "partitions": 3})
            assert str(conflict.value) == f"Topic {name} already exists"
            await admin.delete_topic(name)
            assert name not in await admin.list_topics()
            for call in (
                admin.delete_topic(name), admin.describe_topics([name]), admin.offsets(name)
            ):  # fmt: skip
                with pytest.raises(Invalid) as caught:
                    await call
                assert str(caught.value) == f"Topic {name} does not exist"
            again = await admin.create_topic({"name": name})
            assert again.topic_id != made.topic_id

    asyncio.run(go())


def test_more_replicas_than_brokers_are_lowered_with_a_warning(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            wanted = world.brokers + 2
            made = await admin.create_topic(
                {"name": world.group(), "partitions": 2, "replicationFactor": wanted}
            )
            assert made.replication_factor == world.brokers
            assert made.wanted_replication_factor == wanted
            assert "under-replicated" in made.warnings[0]
            if world.broker is not None:
                assert world.broker.metrics()["under_replicated_partitions"] >= 2
            with pytest.raises(Invalid):  # a Kafka client is refused, as by Kafka
                await admin._create(TopicConfig(name="x"), _Plan(wanted, {}))

    asyncio.run(go())


def test_the_codec_is_kept_with_fewer_copies(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            made = await admin.create_topic(
                {
                    "name": world.group(), "compressionType": "lz4",
                    "replicationFactor": world.brokers + 1,
                }
            )  # fmt: skip
            assert ["under-replicated" in text for text in made.warnings] == [True]
            assert (await admin.topic_configs(made.name))["compression.type"].value == "lz4"

    asyncio.run(go())


def test_what_the_broker_refuses_is_told(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            with pytest.raises(Invalid, match=r"partition count|number of partitions"):
                await admin.create_topic({"name": "too-many", "partitions": 50_000})

    asyncio.run(go())


def test_offsets_by_place_and_by_time(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        async with world.producer() as producer, world.admin() as admin:
            for n in range(10):
                await producer.send(
                    {"topic": topic, "value": "x", "partition": n % 2, "timestamp": 1_000 + n}
                )
            assert await admin.offsets(topic) == {0: (0, 5), 1: (0, 5)}
            assert await admin.offsets_for_time(topic, 1_005) == {0: 3, 1: 2}
            assert await admin.offsets_for_time(topic, 9_000) == {0: None, 1: None}

    asyncio.run(go())


def test_offsets_of_a_group(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        async with world.producer() as producer, world.admin() as admin:
            await producer.send({"topic": topic, "value": "x"})
            assert await admin.group_offsets(group) == {}
            async with world.reading(topic, group) as consumer:
                await poll_all(consumer, 1)
                assert group in await admin.list_groups()
                described = await admin.describe_group(group)
                assert described.state == "stable"
                assert described.members[0].partitions == [TopicPartition(topic, 0)]
            assert await admin.group_offsets(group) == {(topic, 0): 1}
            assert (await admin.describe_group(group)).members == []

    asyncio.run(go())


def test_life() -> None:
    async def go() -> None:
        admin = Admin({"bootstrapServers": "127.0.0.1:1", "connectTimeoutMs": 200})
        with pytest.raises(Invalid) as caught:
            await admin.list_topics()
        assert caught.value.code == "client.not_connected"
        with pytest.raises(Unavailable):
            await admin.connect()
        await admin.close()
        with pytest.raises(Closed):
            await admin.connect()

    asyncio.run(go())
