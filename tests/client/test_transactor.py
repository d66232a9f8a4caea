"""`Transactor` and `GroupMember`: whole transactions, refusals, fencing, handing over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from summit.base.clock import SystemClock
from summit.base.errors import Closed, Conflict, Invalid
from summit.client import ClusterAdmin, librdkafka
from summit.client.consumer import StreamConsumer
from summit.client.member import GroupMember
from summit.client.settings import ConsumerConfig, ProducerConfig
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing, Transactor, Written
from summit.client.types import TopicPartition
from summit.stream_processing import MessageBroker

GROUP = "workers"
IS_MEMBER = True
FIRST = TopicPartition("in", 0)


def nothing(_: list[Written]) -> list[Outgoing]:
    return []


class Owner:
    """Notes what the group says, in order."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.told: list[str] = []
        self.before_giving: Any = None

    async def assigned(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.told.append("assigned")
        self.held |= {p.partition for p in partitions}
        return dict.fromkeys(partitions, 0)

    async def revoked(self, partitions: list[TopicPartition]) -> None:
        if self.before_giving is not None:
            await self.before_giving()
        self.told.append("revoked")
        self.held -= {p.partition for p in partitions}

    async def lost(self, partitions: list[TopicPartition]) -> None:
        self.told.append("lost")
        self.held -= {p.partition for p in partitions}


async def until(done: Any) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0.01)


def member(address: str, instance_id: str | None = None) -> GroupMember:
    config = ConsumerConfig(
        group_id=GROUP, bootstrap_servers=[address], isolation_level="read_committed",
        session_timeout_ms=6_000, heartbeat_interval_ms=100, enable_auto_commit=False,
    )  # fmt: skip
    return GroupMember(config, instance_id)


def transactor(address: str, name: str = "one") -> Transactor:
    config = ProducerConfig(
        bootstrap_servers=[address], transactional_id=name, transaction_timeout_ms=10_000
    )
    return Transactor(config, SystemClock(), is_member=IS_MEMBER)


async def read(address: str, topic: str) -> list[bytes | None]:
    """Every committed value of a topic of one partition."""
    config = {"bootstrapServers": [address], "groupId": "r", "isolationLevel": "read_committed"}
    async with StreamConsumer(config, tell_ends=True) as consumer:
        await consumer.assign({(topic, 0): 0})
        found: list[bytes | None] = []
        async with ClusterAdmin({"bootstrapServers": [address]}) as admin:
            end = (await admin.offsets(topic))[0][1]
        async with asyncio.timeout(60):
            while consumer.read_to().get(TopicPartition(topic, 0), -1) < end:
                found += [record.value for record in await consumer.poll(100)]
        return found


def run(work: Any) -> None:
    async def main() -> None:
        async with (
            MessageBroker.in_memory() as broker,
            ClusterAdmin({"bootstrapServers": [broker.address]}) as admin,
        ):
            for name, count in (("in", 1), ("out", 1), ("told", 1), ("shares", 8)):
                await admin.create_if_missing(TopicConfig(name=name, partitions=count))
            await admin.create_if_missing(
                TopicConfig(name="small", partitions=1, max_message_bytes=1_000)
            )
            await asyncio.wait_for(work(broker.address, admin), 100)

    asyncio.run(main())


def test_records_and_offsets_are_there_together() -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        owner, one, writer = Owner(), member(address), transactor(address)
        await writer.start()
        await one.join("shares", owner, lambda: None)
        await until(lambda: len(owner.held) == 8)

        def closing(written: list[Written]) -> list[Outgoing]:
            return [Outgoing("told", None, str([w.offset for w in written]).encode())]

        watched = [Outgoing("out", b"k", b"a"), Outgoing("out", b"k", b"b")]
        others = [Outgoing("out", None, b"c", 0)]
        written = await writer.write(watched, others, {FIRST: 7}, one.metadata, closing)
        assert sorted(place.offset for place in written) == [1, 2]
        assert await admin.stable_offsets(GROUP, [FIRST]) == {FIRST: 7}
        assert sorted(await read(address, "out")) == [b"a", b"b", b"c"]
        assert await read(address, "told") == [str([w.offset for w in written]).encode()]
        await one.leave()
        await writer.stop()

    run(work)


def test_what_a_topic_refuses_is_named_and_the_rest_can_be_written_again() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        writer = transactor(address)
        await writer.start()
        records = [Outgoing("out", None, b"fits"), Outgoing("small", None, b"x" * 5_000)]
        with pytest.raises(Invalid) as caught:
            await writer.write(records, [], {}, None, nothing)
        assert (caught.value.code, caught.value.details["indexes"]) == ("record.too_large", [1])
        await writer.write(records[:1], [], {}, None, nothing)
        assert await read(address, "out") == [b"fits"]
        await writer.stop()

    run(work)


@pytest.mark.parametrize(("count", "apart"), [(1, ()), (1, (0,)), (3_000, ())])
def test_what_nobody_watches_and_is_too_large_is_said(count: int, apart: tuple[int, ...]) -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        writer = transactor(address)
        await writer.start()
        watched = [Outgoing("out", None, b"x" * 900)] * count
        large = Outgoing("small", None, b"x" * 5_000)
        with pytest.raises(Conflict) as caught:
            await writer.write(watched, [large], {}, None, nothing, apart)
        assert "too large" in str(caught.value)
        await writer.write(watched[:1], [], {}, None, nothing)
        assert await read(address, "out") == [watched[0].value]
        await writer.stop()

    run(work)


class Denied:
    """A producer whose transaction has failed with its first records: it may not write there."""

    def __init__(self) -> None:
        self.has_failed = False
        self.produced: list[str] = []

    def begin_transaction(self) -> None:
        if self.has_failed:
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    def produce(self, topic: str, *_: Any, **__: Any) -> None:
        self.produced.append(topic)

    def poll(self, _: float) -> None:
        """Nothing to report."""

    def flush(self, _: float) -> int:
        self.has_failed = True
        return 0

    def abort_transaction(self, _: float) -> None:
        """As it should be."""


def test_what_nobody_watches_and_is_denied_is_blamed_on_none_that_is_watched() -> None:
    async def main() -> None:
        writer = transactor("127.0.0.1:1")
        handle = writer._handle = Denied()
        writer._library = librdkafka.load()
        watched = [Outgoing("out", b"k", b"a"), Outgoing("told", b"k", b"b")]
        with pytest.raises(Invalid) as caught:
            await writer.write(watched, [Outgoing("in", b"k", b"c")], {}, None, nothing, {1})
        assert not {"indexes", "suspects", "denied"} & set(caught.value.details)
        assert handle.produced == ["in"]
        writer._handle = None
        await writer.stop()

    asyncio.run(main())


def test_what_is_refused_while_more_is_handed_over_is_named() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        writer = transactor(address)
        await writer.start()
        watched = [Outgoing("small", b"k", b"x" * 900)] * 20_000
        with pytest.raises(Invalid) as caught:
            await writer.write(watched, [], {}, None, nothing)
        assert caught.value.code == "record.too_large"
        assert caught.value.details["suspects"][0] == 0
        await writer.stop()

    run(work)


def test_an_old_proof_of_membership_is_refused_cleanly() -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        owner, one, writer = Owner(), member(address), transactor(address)
        await writer.start()
        await one.join("shares", owner, lambda: None)
        await until(lambda: len(owner.held) == 8)
        old = one.metadata
        other, two = Owner(), member(address)
        await two.join("shares", other, lambda: None)
        await until(lambda: len(owner.held) == len(other.held) == 4)
        assert not owner.held & other.held
        records = [Outgoing("out", None, b"v")]
        with pytest.raises(Conflict):
            await writer.write(records, [], {FIRST: 3}, old, nothing)
        assert await admin.stable_offsets(GROUP, [FIRST]) == {}
        await writer.write(records, [], {FIRST: 3}, one.metadata, nothing)
        assert await admin.stable_offsets(GROUP, [FIRST]) == {FIRST: 3}
        assert await read(address, "out") == [b"v"]
        await two.leave()
        await one.leave()
        await writer.stop()

    run(work)


def test_a_newer_one_of_the_name_fences_the_older() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        older, newer = transactor(address), transactor(address)
        await older.start()
        await newer.start()
        with pytest.raises(Closed):
            await older.write([Outgoing("out", None, b"zombie")], [], {}, None, nothing)
        await newer.write([Outgoing("out", None, b"alive")], [], {}, None, nothing)
        assert await read(address, "out") == [b"alive"]
        await older.stop()
        await newer.stop()

    run(work)


def test_partitions_go_only_when_their_owner_has_finished() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        owner, one = Owner(), member(address)
        may_go = asyncio.Event()
        owner.before_giving = may_go.wait
        await one.join("shares", owner, lambda: None)
        await until(lambda: len(owner.held) == 8)
        other, two = Owner(), member(address)
        await two.join("shares", other, lambda: None)
        await asyncio.sleep(0.5)
        assert (len(owner.held), other.held) == (8, set())
        may_go.set()
        await until(lambda: len(owner.held) == len(other.held) == 4)
        await one.leave()
        await until(lambda: len(other.held) == 8)
        await two.leave()

    run(work)


def test_without_a_name_records_are_readable_at_once() -> None:
    async def run() -> None:
        async with MessageBroker.in_memory() as broker:
            await broker.create_topic({"name": "out", "partitions": 1})
            await broker.create_topic({"name": "small", "partitions": 1, "maxMessageBytes": 1_000})
            plain = Transactor(ProducerConfig(bootstrap_servers=[broker.address]), SystemClock())
            await plain.start()
            try:
                told: list[Written] = []

                def closing(written: list[Written]) -> list[Outgoing]:
                    told.extend(written)
                    return [Outgoing("out", None, b"last", 0)]

                watched = [Outgoing("out", None, b"%d" % n, 0) for n in range(3)]
                written = await plain.write(watched, [], {FIRST: 7}, None, closing)
                assert written == told == [Written(0, n) for n in range(3)]
                big = [Outgoing("out", None, b"x" * 2_000_000, 0), watched[0]]
                with pytest.raises(Invalid) as refused:
                    await plain.write(big, [], {}, None, nothing)
                assert refused.value.details["indexes"] == [0]
                # Nor is what nobody watches lost without a word: no commit would tell of it.
                small = Outgoing("small", None, b"x" * 5_000, 0)
                with pytest.raises(Invalid) as refused:
                    await plain.write(watched[:1], [small], {}, None, nothing)
                assert not {"indexes", "suspects"} & refused.value.details.keys()
                assert await plain.write(watched, [], {}, None, nothing)
            finally:
                await plain.stop()
            config = {"bootstrapServers": [broker.address], "groupId": "t"}
            async with StreamConsumer({**config, "isolationLevel": "read_committed"}) as consumer:
                await consumer.assign({TopicPartition("out", 0): 0})
                values = [record.value for record in await consumer.poll(1_000)]
            assert values[:4] == [b"0", b"1", b"2", b"last"]

    asyncio.run(run())
