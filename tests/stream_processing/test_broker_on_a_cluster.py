"""`MessageBroker` with `bootstrap_servers`: the cluster's own topics, leaders and figures."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.stream_processing import BrokerConfig, MessageBroker, StreamProducer


@pytest.mark.cluster
def test_it_manages_and_observes_the_cluster(kafka_cluster: str) -> None:
    async def go() -> None:
        heard: list[Any] = []
        broker = MessageBroker(bootstrap_servers=kafka_cluster)
        assert not broker.is_leader_broker()
        assert set(broker.get_metrics().to_dict().values()) == {None}
        for event in ("broker:started", "topic:created", "message:produced", "metrics:updated",
                      "messages:consumed", "topic:deleted", "broker:stopped"):  # fmt: skip
            broker.on(event, lambda payload, event=event: heard.append((event, payload)))
        name = f"_client-{uuid4().hex}"
        async with broker:
            with pytest.raises(Conflict):
                await broker.start()
            assert broker.is_leader_broker()
            assert broker.get_broker_id() in (1, 2, 3)
            assert broker.address == kafka_cluster
            made = await broker.create_topic(
                {"name": name, "partitions": 4, "replicationFactor": 3, "minInSyncReplicas": 2}
            )
            assert (made.replication_factor, made.warnings) == (3, [])
            for partition in await broker.get_topic_partitions(name):
                assert sorted(partition.replicas) == sorted(partition.isr) == [1, 2, 3]
                assert partition.leader in partition.replicas
            for partition in range(4):  # led by several brokers
                result = await broker.produce(
                    {"topic": name, "partition": partition, "value": f"v{partition}"}
                )
                assert (result.partition, result.offset) == (partition, 0)
                (record,) = await broker.consume(name, partition, 0)
                assert record.text() == f"v{partition}"
                assert record.checksum is not None
            assert await broker.consume(name, 0, 1) == []
            with pytest.raises(Invalid):
                await broker.consume(name, 0, 7)
            with pytest.raises(Invalid, match="does not exist"):
                await broker.consume("none", 0, 0)
            info = await broker.get_partition_info(name, 0)
            assert (info.high_water_mark, sorted(info.isr)) == (1, [1, 2, 3])
            producer = StreamProducer({"lingerMs": 0})
            await producer.connect(broker)  # dials the cluster
            await producer.send({"topic": name, "partition": 0, "value": "x"})
            await producer.close()

            async with asyncio.timeout(60):
                while (metrics := broker.get_metrics()).messages_in_per_sec is None:
                    await asyncio.sleep(0.05)
            assert metrics.active_controller_count == 1
            assert metrics.under_replicated_partitions == metrics.offline_partitions_count == 0
            assert metrics.leader_election_rate is not None
            assert metrics.replication_bytes_in_per_sec == metrics.replication_bytes_out_per_sec
            assert metrics.messages_out_per_sec is metrics.unclean_leader_elections_per_sec is None
            async with asyncio.timeout(60):
                while not any(event == "metrics:updated" for event, _ in heard):
                    await asyncio.sleep(0.05)
            await broker.delete_topic(name)
        with pytest.raises(Closed):
            await broker.list_topics()
        events = [event for event, _ in heard]
        assert events[0] == "broker:started"
        assert events[-1] == "broker:stopped"
        assert events.count("message:produced") == 4

    asyncio.run(go())


def test_without_a_cluster_starting_says_so() -> None:
    async def go() -> None:
        broker = MessageBroker(bootstrap_servers=["127.0.0.1:1"])
        with pytest.raises(Unavailable):
            await broker.start()
        with pytest.raises(Closed):
            _ = broker.address
        await broker.stop()

    asyncio.run(go())


@pytest.mark.parametrize("field", ["port", "dataDir", "brokerId", "inMemory", "durability"])
def test_what_only_an_embedded_broker_can_be_told_is_refused(field: str) -> None:
    values = {"port": 1, "dataDir": "x", "brokerId": 3, "inMemory": True, "durability": "os"}
    with pytest.raises(Invalid, match=field):
        BrokerConfig.from_dict({"bootstrapServers": "one:1", field: values[field]})
