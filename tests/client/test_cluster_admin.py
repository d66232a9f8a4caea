"""What `ClusterAdmin` tells of brokers, copies, disks and transactions: on both back ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.client.conftest import World, poll_all

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.client import TopicConfig, TopicPartition


async def filled(world: World, count: int = 3, partitions: int = 1) -> str:
    name = await world.topic(partitions)
    async with world.producer() as producer:
        for n in range(count):
            await producer.send({"topic": name, "value": b"%d" % n, "partition": n % partitions})
    return name


def test_the_brokers_and_their_controller(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            cluster = await admin.describe_cluster()
            assert [broker.id for broker in cluster.brokers] == list(range(1, world.brokers + 1))
            assert cluster.live == cluster.brokers
            assert cluster.controller_id in range(1, world.brokers + 1)
            ports = {int(address.rpartition(":")[2]) for address in world.address.split(",")}
            assert {broker.port for broker in cluster.brokers} == ports
            assert [voter.id for voter in cluster.voters] == (
                [1] if world.brokers == 1 else [1, 2, 3]
            )

    asyncio.run(go())


def test_copies_leaders_and_epochs_of_partitions(world: World) -> None:
    async def go() -> None:
        name = await filled(world, partitions=2)
        async with world.admin() as admin:
            states = await admin.partition_states([name])
            assert [state.partition for state in states] == [0, 1]
            for state in states:
                assert state.leader in state.replicas
                assert (
                    sorted(state.isr) == sorted(state.replicas) == list(range(1, world.brokers + 1))
                )
                assert state.leader_epoch >= 0
                assert (state.is_offline, state.is_under_replicated) == (False, False)
            assert {state.topic for state in await admin.partition_states()} >= {name}
            with pytest.raises(Invalid) as caught:
                await admin.partition_states(["none"])
            assert caught.value.code == "topic.unknown"

    asyncio.run(go())


def test_leaders_are_elected_where_they_do_not_lead(world: World) -> None:
    async def go() -> None:
        name = await filled(world)
        async with world.admin() as admin:
            assert await admin.elect_leaders([TopicPartition(name, 0)]) == []  # it leads

    asyncio.run(go())


def test_disks(world: World) -> None:
    async def go() -> None:
        name = await filled(world)
        async with world.admin() as admin:
            dirs = await admin.log_dirs()
            assert {each.broker_id for each in dirs} == set(range(1, world.brokers + 1))
            for each in dirs:
                assert each.error is None
                (copy,) = [copy for copy in each.replicas if copy.topic == name]
                assert (copy.partition, copy.offset_lag) == (0, 0)
                assert copy.size_bytes > 0
                assert each.usable_bytes is None or 0 < each.usable_bytes <= each.total_bytes
            assert {each.broker_id for each in await admin.log_dirs([1])} == {1}
            with pytest.raises(Unavailable):
                await admin.log_dirs([99])

    asyncio.run(go())


def test_configs_of_a_broker(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            before = (await admin.broker_configs(1))["log.retention.ms"]
            await admin.alter_broker(1, {"log.retention.ms": "86400001"})
            found = (await admin.broker_configs(1))["log.retention.ms"]
            assert (found.value, found.source) == ("86400001", "broker")
            await admin.alter_broker(1, {"log.retention.ms": None})
            assert (await admin.broker_configs(1))["log.retention.ms"] == before
            with pytest.raises(Invalid):
                await admin.alter_broker(1, {"log.retention.ms": "soon"})

    asyncio.run(go())


def test_where_a_config_comes_from(world: World) -> None:
    async def go() -> None:
        name = await world.topic()
        async with world.admin() as admin:
            await admin.alter_topic(name, {"retention.ms": "1234567"})
            configs = await admin.topic_configs(name)
            assert (configs["retention.ms"].source, configs["retention.ms"].is_default) == (
                "topic", False,
            )  # fmt: skip
            assert configs["segment.ms"].is_default
            least = configs["min.insync.replicas"]
            if world.brokers == 1:
                assert least.value == "1"
            else:  # a cluster with eligible leader replicas keeps it cluster-wide
                assert (least.value, least.source) == ("2", "cluster")
            with pytest.raises(Invalid) as caught:
                await admin.topic_configs("none")
            assert caught.value.code == "topic.unknown"

    asyncio.run(go())


def test_a_topic_that_summit_needs_has_copies(world: World) -> None:
    async def go() -> None:
        async with world.admin() as admin:
            name = world.group()
            made = await admin.create_if_missing(TopicConfig(name=name, partitions=1))
            assert made is not None
            assert (made.replication_factor, made.warnings) == (world.brokers, [])
            least = (await admin.topic_configs(name))["min.insync.replicas"].value
            assert least == ("1" if world.brokers == 1 else "2")
            assert await admin.create_if_missing(TopicConfig(name=name, partitions=9)) is None
            assert len((await admin.describe_topics([name]))[0].partitions) == 1

    asyncio.run(go())


def test_commits_of_a_group_are_forgotten(world: World) -> None:
    async def go() -> None:
        name, group = await filled(world, partitions=2), world.group()
        async with world.admin() as admin:
            both = {TopicPartition(name, 0): 1, TopicPartition(name, 1): 1}
            await admin.set_group_offsets(group, both)
            await admin.delete_group_offsets(group, [TopicPartition(name, 0)])
            assert await admin.group_offsets(group) == {TopicPartition(name, 1): 1}
            with pytest.raises(Invalid) as caught:
                await admin.delete_group_offsets(world.group(), list(both))
            assert caught.value.code == "group.unknown"
            async with world.reading([name], group) as consumer:
                await poll_all(consumer, 1)
                with pytest.raises(Conflict):
                    await admin.delete_group_offsets(group, [TopicPartition(name, 1)])

    asyncio.run(go())


def open_transaction(world: World, topic: str, name: str) -> Any:
    """A producer that has written one record and not said what becomes of it."""
    producer = Producer({"bootstrap.servers": world.address, "transactional.id": name})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"undecided")
    producer.flush(20)
    return producer


def test_transactions(world: World) -> None:
    async def go() -> None:
        topic, name = await filled(world), world.group()
        producer = await asyncio.to_thread(open_transaction, world, topic, name)
        async with world.admin() as admin:
            (listed,) = [
                each for each in await admin.list_transactions() if each.transactional_id == name
            ]
            assert listed.state == "Ongoing"
            assert listed in await admin.list_transactions(["Ongoing"])
            assert listed not in await admin.list_transactions(["Empty"])
            with pytest.raises(Invalid):
                await admin.list_transactions(["Asleep"])
            described = await admin.describe_transaction(name)
            assert described.producer_id == listed.producer_id
            assert described.partitions == [TopicPartition(topic, 0)]
            assert described.started_ms is not None
            with pytest.raises(Invalid) as caught:
                await admin.describe_transaction("none")
            assert caught.value.code == "transaction.id_unknown"
            assert (await admin.offsets(topic))[0] == (0, 4)
            assert (await admin.offsets(topic, committed=True))[0] == (0, 3)
            await asyncio.to_thread(producer.commit_transaction, 20)
            while (await admin.describe_transaction(name)).state != "CompleteCommit":
                await asyncio.sleep(0.02)
            assert (await admin.describe_transaction(name)).started_ms is None
            end = (await admin.offsets(topic, committed=True))[0]
            assert end == (0, 5)  # a marker has followed

    asyncio.run(go())


def test_a_hanging_transaction_is_ended(world: World) -> None:
    async def go() -> None:
        topic = await filled(world)
        producer = await asyncio.to_thread(open_transaction, world, topic, world.group())
        async with world.admin() as admin:
            (writer,) = [
                each
                for each in await admin.describe_producers(topic, 0)
                if each.open_since_offset is not None
            ]
            assert writer.open_since_offset == 3
            await admin.abort_transaction(writer)
            assert (await admin.offsets(topic, committed=True))[0] == (0, 5)
            found = {each.producer_id: each for each in await admin.describe_producers(topic, 0)}
            assert found[writer.producer_id].open_since_offset is None
            for bad in (admin.describe_producers("none", 0), admin.describe_producers(topic, 7)):
                with pytest.raises(Invalid):
                    await bad
        async with world.reading(topic, isolationLevel="read_committed") as consumer:
            assert [record.text() for record in await poll_all(consumer, 3)] == ["0", "1", "2"]
        del producer

    asyncio.run(go())
