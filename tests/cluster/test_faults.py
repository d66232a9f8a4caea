"""Brokers die under load: nothing acknowledged is lost, transactions stay whole, we see it.

    make test-faults

Each test prints what it saw.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from tests.cluster.load import Load, Watch, healthy, read_all, under_load, until
from tests.clusters import CONFIGS
from tests.flow.world import failure, five_failures, world

from summit.base.errors import Invalid, SummitError
from summit.client import ClusterAdmin, TopicConfig
from summit.cluster import KafkaCluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

_serial = itertools.count()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A cluster that these tests may break."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("faults"), brokers=3, configs=CONFIGS)
    asyncio.run(cluster.up())
    yield cluster
    asyncio.run(cluster.down())


@pytest.fixture
def topic() -> str:
    return f"_load-{next(_serial)}"


async def leader_of(servers: str, topic: str, partition: int = 0) -> int:
    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        return (await admin.partition_states([topic]))[partition].leader


async def controller_of(servers: str) -> int:
    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        while True:
            found = (await admin.describe_cluster()).controller_id
            if found is not None:
                return found
            await asyncio.sleep(0.1)


async def say(what: str, load: Load, watch: Watch) -> None:
    """Check the load, and tell."""
    count = await load.check()
    print(
        f"\n{what}: {count} records acknowledged, none lost; {len(load.failed)} given up; "
        f"{load.doubled} stored twice; "
        f"up to {watch.worst} partitions under-replicated, "
        f"up to {watch.elections:.1f} elections/s seen"
    )


def test_the_leader_is_killed(kafka: KafkaCluster, topic: str) -> None:
    servers = kafka.bootstrap_servers

    async def go() -> None:
        async with under_load(servers, topic) as (load, watch):
            for partition in (0, 1):
                node = await leader_of(servers, topic, partition)
                kafka.kill_node(node)
                await load.more()
                await until(lambda: watch.worst > 0)
                await kafka.start_node(node)
                await load.more()
                await healthy(watch)
        assert load.failed == []
        assert watch.elections > 0
        await say("two leaders killed, one after the other", load, watch)

    asyncio.run(go())


def test_two_of_three_are_killed(kafka: KafkaCluster, topic: str) -> None:
    servers = kafka.bootstrap_servers

    async def go() -> None:
        async with under_load(servers, topic, deliveryTimeoutMs=3_000) as (load, watch):
            victims = [1, 2]
            for node in victims:
                kafka.kill_node(node)
            await until(lambda: load.failed)  # with one copy nothing is acknowledged
            before = load.count()
            seen = len(load.failed)
            await until(lambda: len(load.failed) > seen + 100)
            assert load.count() == before, "acknowledged with a single copy"
            for node in victims:
                await kafka.start_node(node, wait=False)
            await load.more()
            await healthy(watch)
        assert watch.worst > 0 or None in watch.seen
        await say("two of three killed", load, watch)

    asyncio.run(go())


def test_a_rolling_restart(kafka: KafkaCluster, topic: str) -> None:
    servers = kafka.bootstrap_servers

    async def go() -> None:
        async with under_load(servers, topic) as (load, watch):
            for node in (1, 2, 3):
                await kafka.stop_node(node)
                await load.more(100)
                await kafka.start_node(node)
                await healthy(watch)
        assert load.failed == [], "nobody noticed"
        await say("every broker restarted", load, watch)

    asyncio.run(go())


def test_the_controller_is_killed(kafka: KafkaCluster, topic: str) -> None:
    servers = kafka.bootstrap_servers

    async def go() -> None:
        async with under_load(servers, topic) as (load, watch):
            node = await controller_of(servers)
            kafka.kill_node(node)
            await load.more()
            other = await controller_of(servers)
            while other == node:
                await asyncio.sleep(0.1)
                other = await controller_of(servers)
            async with ClusterAdmin({"bootstrapServers": servers}) as admin:
                made = await admin.create_topic(
                    TopicConfig(name=f"{topic}-meanwhile", partitions=1, replication_factor=2)
                )
                assert made.replication_factor == 2
            await kafka.start_node(node)
            await healthy(watch)
        assert load.failed == []
        await say(f"controller {node} killed, {other} took over", load, watch)

    asyncio.run(go())


class Transfers:
    """Transactions of four records each, two in each of two topics."""

    def __init__(self, servers: str, topics: tuple[str, str]) -> None:
        self.config = {"bootstrap.servers": servers, "transactional.id": topics[0]}
        self.topics = topics
        self.committed: list[int] = []
        self.unknown: list[int] = []
        self.stopped = False

    def run(self) -> None:
        producer = self._begin()
        for number in itertools.count():
            if self.stopped:
                return
            try:
                producer.begin_transaction()
                for topic, part in itertools.product(self.topics, "ab"):
                    producer.produce(topic, f"{number} {part}".encode(), partition=0)
                if number % 5 == 4:
                    producer.flush(60)
                    producer.abort_transaction(60)
                    continue
                producer.commit_transaction(60)
                self.committed.append(number)
            except (KafkaException, BufferError):
                self.unknown.append(number)
                producer = self._begin()  # fences the old one, which ends what it left open

    def _begin(self) -> Any:
        for _ in range(30):
            producer = Producer(self.config)
            try:
                producer.init_transactions(30)
            except KafkaException:
                continue
            return producer
        raise AssertionError("no transactional producer could be made")


def test_transactions_stay_whole(kafka: KafkaCluster, topic: str) -> None:
    servers = kafka.bootstrap_servers
    topics = (f"{topic}-from", f"{topic}-to")

    async def go() -> None:
        async with ClusterAdmin({"bootstrapServers": servers}) as admin:
            for name in topics:
                await admin.create_topic(
                    {"name": name, "partitions": 1, "replicationFactor": 3,
                     "minInSyncReplicas": 2}
                )  # fmt: skip
        transfers = Transfers(servers, topics)
        running = asyncio.create_task(asyncio.to_thread(transfers.run))
        await until(lambda: len(transfers.committed) > 20)
        async with ClusterAdmin({"bootstrapServers": servers}) as admin:
            coordinator = (await admin.describe_transaction(topics[0])).coordinator
        for victim in (coordinator, await leader_of(servers, topics[1])):
            kafka.kill_node(victim)
            done = len(transfers.committed)
            await until(lambda done=done: len(transfers.committed) > done + 20)
            await kafka.start_node(victim)
        transfers.stopped = True
        await running
        seen: list[dict[int, list[str]]] = []
        for name in topics:
            found: dict[int, list[str]] = {}
            for record in await read_all(servers, name, 0, committed=True):
                number, part = record.text().split()
                found.setdefault(int(number), []).append(part)
            seen.append(found)
        assert seen[0] == seen[1], "torn between two topics"
        assert all(parts == ["a", "b"] for parts in seen[0].values()), "half or twice"
        assert set(transfers.committed) <= set(seen[0]), "committed and lost"
        extra = set(seen[0]) - set(transfers.committed)
        assert extra <= set(transfers.unknown), "aborted and seen"
        print(
            f"\ncoordinator and leader killed: {len(transfers.committed)} transactions committed, "
            f"all whole; {len(transfers.unknown)} without a clear answer, {len(extra)} of them "
            "committed"
        )

    asyncio.run(go())


def test_alerts_come_once_while_leaders_die(kafka: KafkaCluster) -> None:
    servers = kafka.bootstrap_servers.split(",")

    async def go() -> None:
        async with ClusterAdmin({"bootstrapServers": servers}) as admin:
            for name in await admin.list_topics():
                if name.startswith(("_summit", "alerts", "auth")):
                    await admin.delete_topic(name)
            async with world(servers) as w:
                await w.start_worker(session_timeout_ms=3_000)
                await w.apply(five_failures())
                for n in range(30):
                    if n in (10, 20):
                        found = await admin.partition_states(["auth", "_summit.progress"])
                        victim = found[0].leader
                        kafka.kill_node(victim)
                    for k in range(5):
                        await w.send(failure(n * 600 + k, ip=f"ip-{n}"), partition=n % 2)
                    if n in (15, 25):
                        await kafka.start_node(victim)
                place = await w.send(failure(0, eventType="other"))
                await w.alerts.wait_readable(place.topic, place.partition, place.offset, 90_000)
                places = [await w.send(failure(0, eventType="other"), partition=p) for p in (0, 1)]
                for place in places:
                    await w.alerts.wait_readable(place.topic, place.partition, place.offset, 90_000)
                keys = sorted(alert.key["ip"] for alert in w.all_alerts())
                assert keys == sorted(f"ip-{n}" for n in range(30))
                print("\nleaders killed under a worker: 30 of 30 alerts, each once")

    asyncio.run(go())


def test_a_wrong_name_is_no_fault(kafka: KafkaCluster) -> None:
    """After all that, the cluster still says what is wrong, at once."""

    async def go() -> None:
        async with ClusterAdmin({"bootstrapServers": kafka.bootstrap_servers}) as admin:
            with pytest.raises(Invalid):
                await admin.offsets("none")
            with pytest.raises(SummitError):
                await admin.create_topic({"name": "x", "partitions": 0})

    asyncio.run(go())
