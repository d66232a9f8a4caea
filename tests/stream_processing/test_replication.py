"""`ReplicationManager`: what it says of one broker and of a cluster, and when it says something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import Producer

from summit.base.clock import ManualClock
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.client import Cluster, TopicPartition
from summit.stream_processing import (
    EmbeddedBroker,
    Follower,
    MessageBroker,
    Partition,
    ProducerConfig,
    ProducerResult,
    ReplicationConfig,
    ReplicationManager,
    StreamProducer,
    TopicManager,
)
from summit.stream_processing.followers import Watch

EVENTS = ("replication:status-checked", "isr:updated", "message:replicated", "error")
Heard = list[tuple[str, dict[str, Any]]]


def heard(manager: ReplicationManager) -> Heard:
    events: Heard = []
    for name in EVENTS:
        manager.on(name, lambda payload, name=name: events.append((name, dict(payload))))
    return events


@asynccontextmanager
async def over_one(
    **config: Any,
) -> AsyncIterator[tuple[EmbeddedBroker, ReplicationManager, Heard]]:
    config = {"replica_fetch_wait_max_ms": 20, "replica_lag_time_max_ms": 600_000, **config}
    with EmbeddedBroker.in_memory(broker_id=4) as broker:
        async with TopicManager(broker) as topics:
            await topics.create_topic({"name": "a-b", "partitions": 2})
        manager = ReplicationManager(broker, replication=config)
        events = heard(manager)
        async with manager:
            yield broker, manager, events


async def written(broker: Any, value: str = "v") -> ProducerResult:
    producer = StreamProducer(ProducerConfig(linger_ms=0))
    await producer.connect(broker)
    result = await producer.send({"topic": "a-b", "partition": 0, "value": value})
    await producer.close()
    return result


# ---- one broker: it says that there is one ----


def test_a_lone_broker_has_one_replica_in_sync_and_no_followers() -> None:
    async def go() -> None:
        async with over_one() as (broker, manager, events):
            one = Partition(topic="a-b", partition=0, leader=4, replicas=[4], isr=[4])
            assert await manager.setup_replication("a-b", 0) == one
            assert await manager.setup_replication("a-b", 0, [4]) == one
            assert await manager.check_status() == {TopicPartition("a-b", 0): []}
            assert await manager.update_isr("a-b", 0) == [4]
            assert await manager.update_isr("a-b", 0, [4]) == [4]
            assert await manager.replicate(await written(broker)) == [4]
            assert events == [
                ("replication:status-checked", {"topic": "a-b", "partition": 0, "followers": []})
            ]
            assert manager.remove_replication("a-b", 0)
            assert not manager.remove_replication("a-b", 0)
            assert await manager.check_status() == {}
            assert len(events) == 1

    asyncio.run(go())


def test_what_one_broker_cannot_do_is_refused_by_name() -> None:
    async def go() -> None:
        async with over_one() as (_, manager, events):
            with pytest.raises(Invalid, match="a lone broker holds the one copy") as caught:
                await manager.setup_replication("a-b", 0, [4, 5, 6])
            assert caught.value.code == "replication.not_ours"
            with pytest.raises(Invalid) as caught:
                await manager.update_isr("a-b", 0, [4, 5])
            assert caught.value.code == "partition.fact"
            for place, text in ((("nowhere", 0), "does not exist"), (("a-b", 2), "no partition 2")):
                for call in (manager.setup_replication, manager.update_isr):
                    with pytest.raises(Invalid, match=text):
                        await call(*place)
                with pytest.raises(Invalid, match=text):
                    await manager.replicate(ProducerResult(*place, 0, 0))
                with pytest.raises(Invalid, match=text):
                    await manager.handle_fetch_request(*place, 0)
            assert events == []

    asyncio.run(go())


def test_check_min_isr_counts_brokers() -> None:
    manager = ReplicationManager(replication={"minInSyncReplicas": 2})
    assert not manager.check_min_isr([1])
    assert not manager.check_min_isr([1, 1])
    assert manager.check_min_isr([1, 2])
    assert manager.check_min_isr([1], 1)
    assert not manager.check_min_isr([], 1)


def test_a_fetch_gives_what_the_leader_has_within_its_size() -> None:
    async def go() -> None:
        async with over_one(replica_fetch_max_bytes=2_500) as (broker, manager, _):
            for number in range(5):
                await written(broker, f"{number}" * 1_000)
            records = await manager.handle_fetch_request("a-b", 0, 1)
            assert [record.offset for record in records] == [1, 2]
            assert records[0].text() == "1" * 1_000
            assert records[0].checksum is not None
            assert [r.offset for r in await manager.handle_fetch_request("a-b", 0, 3, 1)] == [3]
            assert await manager.handle_fetch_request("a-b", 0, 5) == []
            with pytest.raises(Invalid) as caught:
                await manager.handle_fetch_request("a-b", 0, 6)
            assert caught.value.code == "consumer.offset_out_of_range"
            for offset, size in ((-1, None), (0, 0)):
                with pytest.raises(Invalid):
                    await manager.handle_fetch_request("a-b", 0, offset, size)

    asyncio.run(go())


def test_a_fetch_at_the_end_waits_for_a_record() -> None:
    async def go() -> None:
        async with over_one(replica_fetch_wait_max_ms=20_000) as (broker, manager, _):
            waiting = asyncio.ensure_future(manager.handle_fetch_request("a-b", 0, 0))
            await written(broker, "came later")
            assert [record.text() for record in await waiting] == ["came later"]

    asyncio.run(go())


def test_replicate_waits_for_no_record_that_was_never_written() -> None:
    async def go() -> None:
        async with over_one() as (_, manager, _):
            with pytest.raises(Unavailable, match="not replicated yet"):  # it may be on its way
                await manager.replicate(ProducerResult("a-b", 0, 0, 0), timeout_ms=30)
            with pytest.raises(Invalid) as caught:
                await manager.replicate(ProducerResult("a-b", 0, 7, 0))
            assert caught.value.code == "consumer.offset_out_of_range"

    asyncio.run(go())


def test_it_looks_every_so_often_until_it_is_stopped_and_forgets_deleted_topics() -> None:
    async def go() -> None:
        async with over_one(replica_lag_time_max_ms=20) as (broker, manager, events):
            await manager.setup_replication("a-b", 0)
            await manager.setup_replication("a-b", 1)
            await until(lambda: len(events) >= 6)
            async with TopicManager(broker) as topics:
                await topics.delete_topic("a-b")
            await until(lambda: events[-1][0] == "error")
            errors = [payload["error"].code for name, payload in events if name == "error"]
            assert errors == ["topic.unknown", "topic.unknown"]
            with pytest.raises(Conflict):
                await manager.start()
            await manager.stop()
            await manager.stop()
            count = len(events)
            with pytest.raises(Invalid, match="not connected"):
                await manager.check_status()
            await manager.start()
            assert len(events) == count

    asyncio.run(go())


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not check():
            await asyncio.sleep(0.01)


# ---- a cluster of three: the brokers that librdkafka brings for its own tests ----


def test_a_cluster_says_who_holds_a_record() -> None:
    mock = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "x", "log_level": 0})
    nodes = mock.list_topics("a-b", timeout=90).brokers.values()
    servers = ",".join(f"{node.host}:{node.port}" for node in nodes)

    async def go() -> None:
        manager = ReplicationManager(servers, replication={"replicaFetchWaitMaxMs": 20})
        events = heard(manager)
        async with manager:
            found = await manager.setup_replication("a-b", 0)
            assert (sorted(found.replicas), sorted(found.isr)) == ([1, 2, 3], [1, 2, 3])
            with pytest.raises(Invalid, match="the cluster placed them"):
                await manager.setup_replication("a-b", 0, [1])
            result = await written(servers, "copied")
            assert sorted(await manager.replicate(result)) == [1, 2, 3]
            ((name, payload),) = events
            assert name == "message:replicated"
            assert (payload["topic"], payload["offset"], payload["partition"]) == ("a-b", 0, 0)
            (record,) = await manager.handle_fetch_request("a-b", 0, 0)
            assert record.text() == "copied"

    asyncio.run(go())
    mock.flush(1)


# ---- looks at a cluster that changes, one after the other ----


class ChangingCluster:
    """Stands for an `Admin`: gives the states of a cluster that a test sets."""

    def __init__(self) -> None:
        self.state = Cluster(brokers={}, topics={})

    def set(self, isr: list[int], leader: int = 1) -> None:
        part = Partition(topic="a-b", partition=0, leader=leader, replicas=[1, 2, 3], isr=isr)
        # Brokers that cannot be reached: their followers' lag is not known.
        self.state = Cluster(brokers={1: "127.0.0.1:1"}, topics={"a-b": [part]})

    async def cluster(self) -> Cluster:
        return self.state


Looks = Callable[[ReplicationManager, ChangingCluster, Heard], Awaitable[None]]


def over_changes(work: Looks) -> None:
    async def go() -> None:
        manager = ReplicationManager()
        admin = ChangingCluster()
        admin.set([1, 2, 3])
        manager._connected = admin  # type: ignore[assignment]
        await work(manager, admin, heard(manager))

    asyncio.run(go())


def test_isr_updated_only_when_it_was() -> None:
    async def work(manager: ReplicationManager, admin: ChangingCluster, events: Heard) -> None:
        await manager.setup_replication("a-b", 0)
        for isr in ([1, 2, 3], [3, 2, 1], [1, 2], [1, 2], [1, 2, 3]):
            admin.set(isr)
            await manager.check_status()
        told = [payload["isr"] for name, payload in events if name == "isr:updated"]
        assert told == [[1, 2], [1, 2, 3]]
        admin.set([1])
        assert await manager.update_isr("a-b", 0) == [1]
        assert events[-1] == ("isr:updated", {"topic": "a-b", "partition": 0, "isr": [1]})
        assert await manager.update_isr("a-b", 0) == [1]
        assert sum(name == "isr:updated" for name, _ in events) == 3

    over_changes(work)


def test_followers_are_told_and_silent_brokers_once() -> None:
    async def work(manager: ReplicationManager, admin: ChangingCluster, events: Heard) -> None:
        await manager.setup_replication("a-b", 0)
        admin.set([2, 1], leader=2)
        for _ in range(3):
            status = await manager.check_status()
        followers = [
            Follower(broker_id=1, in_sync=True, lag_messages=None, is_lagging=False),
            Follower(broker_id=3, in_sync=False, lag_messages=None, is_lagging=True),
        ]
        assert status == {TopicPartition("a-b", 0): followers}
        checked = [payload for name, payload in events if name == "replication:status-checked"]
        assert checked == [{"topic": "a-b", "partition": 0, "followers": followers}] * 3
        assert sum(name == "error" for name, _ in events) == 1  # broker 1, which does not answer

    over_changes(work)


def test_a_follower_lags_when_it_is_too_far_behind_for_too_long() -> None:
    clock = ManualClock()
    config = ReplicationConfig(replica_lag_max_messages=100, replica_lag_time_max_ms=1_000)
    watch = Watch([1, 2], config)
    found = Partition(topic="a-b", partition=0, leader=1, replicas=[1, 2], isr=[1, 2])

    def look(lag: int | None) -> bool:
        (follower,) = watch.followers(found, {2: lag}, clock.monotonic_ms())
        assert (follower.broker_id, follower.lag_messages) == (2, lag)
        return follower.is_lagging

    assert not look(101)
    clock.advance(999)
    assert not look(5_000)
    clock.advance(1)
    assert look(101)
    assert not look(100)  # it has caught up
    assert not look(101)
    clock.advance(600)
    assert not look(None)  # not known is no news
    clock.advance(400)
    assert look(101)


# ---- settings ----


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"minInSyncReplicas": 0}, "min_in_sync_replicas"),
        ({"replicaLagTimeMaxMs": 1}, "replica_lag_time_max_ms"),
        ({"replicaLagMaxMessages": -1}, "replica_lag_max_messages"),
        ({"replicaFetchMaxBytes": 0}, "replica_fetch_max_bytes"),
        ({"replicaFetchWaitMaxMs": -1}, "replica_fetch_wait_max_ms"),
        ({"replicaLagTimeMax": 1}, "did you mean"),
    ],
)
def test_what_a_configuration_refuses(values: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        ReplicationManager(replication=values)


def test_the_defaults_are_those_of_the_guide() -> None:
    assert ReplicationConfig().to_dict() == {
        "minInSyncReplicas": 1, "replicaLagTimeMaxMs": 10_000, "replicaLagMaxMessages": 1_000,
        "replicaFetchMaxBytes": 1 << 20, "replicaFetchWaitMaxMs": 500,
    }  # fmt: skip


def test_it_stands_over_a_message_broker_too() -> None:
    async def go() -> None:
        async with MessageBroker.in_memory(broker_id=2) as broker:
            await broker.create_topic({"name": "a-b", "partitions": 1})
            async with ReplicationManager(broker) as manager:
                assert (await manager.setup_replication("a-b", 0)).isr == [2]

    asyncio.run(go())
