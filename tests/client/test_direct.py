"""Transactions on the shorter way: what it writes, and what it leaves to librdkafka."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.client.conftest import World
from tests.client.test_transactor import (
    FIRST,
    GROUP,
    Owner,
    member,
    nothing,
    read,
    run,
    transactor,
    until,
)

from summit.base.clock import SystemClock
from summit.base.errors import Invalid, Unavailable
from summit.client import ClusterAdmin, LogReader
from summit.client import transactor as transactor_file
from summit.client.blocking_link import BlockingLink
from summit.client.direct import DirectTransactions
from summit.client.member import GroupMember
from summit.client.placement import keyed_partition
from summit.client.proof import Proof, proof_of
from summit.client.settings import ConsumerConfig, ProducerConfig
from summit.client.transactor import Outgoing, Transactor, Written
from summit.client.types import TopicPartition


async def joined(address: str) -> GroupMember:
    owner, one = Owner(), member(address)
    await one.join("shares", owner, lambda: None)
    await until(lambda: len(owner.held) == 8)
    return one


def direct_of(writer: Transactor) -> DirectTransactions:
    direct = writer._direct
    assert direct is not None
    return direct


def cut(writer: Transactor) -> None:
    """End all connections of a transactor, as a broker or a network would."""
    for link in direct_of(writer)._links.values():
        link._socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("metadata", "proof"),
    [
        (b"CGMDv2:\xff\xff\xff\xffg\0\0\x01", Proof("g", -1, "", None)),
        (b"CGMDv2:\x07\0\0\0g\0m\0\0i\0", Proof("g", 7, "m", "i")),
        (b"CGMDv3:\x07\0\0\0g\0m\0\x01", None),
        (b"CGMDv2:\x07\0\0\0g\0m", None),
        (b"CGMDv2:\x07\0\0\0g\0m\0\x00i", None),
        (b"CGMDv2:\x07\0", None),
        (object(), None),
    ],
)
def test_a_membership_that_is_not_understood_is_none(metadata: Any, proof: Proof | None) -> None:
    assert proof_of(metadata) == proof


def test_records_beyond_a_batch_stand_in_their_order() -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        values = [b"%04d" % n + b"x" * 1_000 for n in range(100)]  # a batch holds 16 of them
        watched = [Outgoing("out", None, value, 0) for value in values]
        told: list[int] = []

        def closing(written: list[Written]) -> list[Outgoing]:
            told.extend(place.offset for place in written)
            return [Outgoing("told", b"k", b"t", headers=[("h", b"v")], timestamp_ms=5)]

        for at in (1, 2):
            await writer.write(watched, [], {FIRST: at}, one.metadata, closing)
        assert writer.is_direct
        assert told == [*range(100), *range(101, 201)]  # a marker stands between
        assert await read(address, "out") == values * 2
        assert await read(address, "told") == [b"t", b"t"]
        assert (await admin.group_offsets(GROUP))[FIRST] == 2
        await one.leave()
        await writer.stop()

    run(work)


def test_many_transactions_on_our_broker_and_on_a_cluster(world: World) -> None:
    async def go() -> None:
        source, out = await world.topic(3), await world.topic(3)
        config = ConsumerConfig(
            group_id=world.group(), bootstrap_servers=world.address, enable_auto_commit=False
        )
        one, owner = GroupMember(config), Owner()
        await one.join(source, owner, lambda: None)
        await until(lambda: len(owner.held) == 3)
        writer = Transactor(
            ProducerConfig(
                bootstrap_servers=world.address, transactional_id=world.group(),
                transaction_timeout_ms=10_000,
            ),
            SystemClock(), is_member=True,
        )  # fmt: skip
        await writer.start()
        assert writer.is_direct

        def closing(written: list[Written]) -> list[Outgoing]:
            return [Outgoing(out, None, b"%d" % written[0].offset, 0)]

        for n in range(10):
            key = b"%d" % n
            watched = [Outgoing(out, key, key)]
            written = await writer.write(
                watched, [], {TopicPartition(source, n % 3): n + 1}, one.metadata, closing
            )
            assert written[0].partition == keyed_partition(key, 3)
        assert writer.is_direct
        async with world.admin() as admin:
            offsets = await admin.group_offsets(config.group_id)
            assert {place.partition: at for place, at in offsets.items()} == {0: 10, 1: 8, 2: 9}
            ends = await admin.offsets(out, committed=True)
        async with LogReader({"bootstrapServers": world.address}, committed=True) as reader:
            found = [
                record.value
                for partition, (first, end) in ends.items()
                async for records in reader.read(out, partition, first, end)
                for record in records
                if record.key is not None
            ]
        assert sorted(v or b"" for v in found) == [b"%d" % n for n in range(10)]
        await one.leave()
        await writer.stop()

    asyncio.run(go())


def test_a_transaction_of_nothing_is_none() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        writer = transactor(address)
        await writer.start()
        assert await writer.write([], [], {}, None, nothing) == []
        assert await writer.write([], [Outgoing("out", b"k", b"a")], {}, None, nothing) == []
        assert writer.is_direct
        assert await read(address, "out") == [b"a"]
        await writer.stop()

    run(work)


def test_a_connection_that_ended_while_nothing_was_written_is_made_anew() -> None:
    async def work(address: str, _: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        cut(writer)
        await writer.write([Outgoing("out", b"k", b"a")], [], {FIRST: 1}, one.metadata, nothing)
        assert writer.is_direct
        assert await read(address, "out") == [b"a"]
        await one.leave()
        await writer.stop()

    run(work)


def test_what_breaks_off_before_its_end_is_written_once_the_long_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        breaks = [True]

        def closing(_: list[Written]) -> list[Outgoing]:
            if breaks.pop():
                cut(writer)
                breaks.append(False)
            return [Outgoing("told", b"k", b"t")]

        alert = [Outgoing("out", b"k", b"a")]
        await writer.write(alert, [], {FIRST: 3}, one.metadata, closing)
        assert not writer.is_direct
        assert await read(address, "out") == [b"a"]
        assert await read(address, "told") == [b"t"]
        assert (await admin.group_offsets(GROUP))[FIRST] == 3
        await writer.write(alert, [], {FIRST: 4}, one.metadata, nothing)
        assert not writer.is_direct  # for a while
        monkeypatch.setattr(writer, "_direct_at_ms", 0)
        await writer.write(alert, [], {FIRST: 5}, one.metadata, nothing)
        assert writer.is_direct
        assert await read(address, "out") == [b"a"] * 3
        await one.leave()
        await writer.stop()

    run(work)


def test_a_refused_record_is_named_and_the_shorter_way_taken_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactor_file, "_LONG_WAY_MS", 0)

    async def work(address: str, admin: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        both = [Outgoing("out", b"k", b"a"), Outgoing("small", b"k", b"x" * 2_000)]
        with pytest.raises(Invalid) as caught:
            await writer.write(both, [], {FIRST: 1}, one.metadata, nothing)
        assert caught.value.details["indexes"] == [1]
        await writer.renew()
        await writer.write(both[:1], [], {FIRST: 2}, one.metadata, nothing)
        assert writer.is_direct
        assert await read(address, "out") == [b"a"]
        assert (await admin.group_offsets(GROUP))[FIRST] == 2
        await one.leave()
        await writer.stop()

    run(work)


def test_without_a_clean_answer_nobody_goes_on_before_it_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        end = DirectTransactions._end

        def loses_the_answer(self: DirectTransactions, **how: Any) -> int:
            end(self, **how)
            raise EOFError("lost")

        monkeypatch.setattr(DirectTransactions, "_end", loses_the_answer)
        with pytest.raises(Unavailable):
            await writer.write([Outgoing("out", b"k", b"a")], [], {FIRST: 1}, one.metadata, nothing)
        monkeypatch.undo()
        await writer.stop()
        again = transactor(address)
        await again.start()
        assert (await admin.group_offsets(GROUP))[FIRST] == 1  # it had been committed
        assert await read(address, "out") == [b"a"]
        await one.leave()
        await again.stop()

    run(work)


def test_the_end_travels_behind_the_last_records_and_tells_where_those_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    send = BlockingLink.send

    def noted(self: BlockingLink, api: Any, version: int, request: Any) -> None:
        sent.append(api.name)
        send(self, api, version, request)

    async def work(address: str, admin: ClusterAdmin) -> None:
        one, writer = await joined(address), transactor(address)
        await writer.start()
        monkeypatch.setattr(BlockingLink, "send", noted)

        def closing(text: bytes) -> Callable[[list[Written]], list[Outgoing]]:
            return lambda _: [Outgoing("small", b"k", text)]

        for n in (1, 2):
            alert = [Outgoing("out", b"k", b"%d" % n)]
            sent.clear()
            await writer.write(alert, [], {FIRST: n}, one.metadata, closing(b"t"))
        assert sent == ["Produce", "TxnOffsetCommit", "Produce", "EndTxn"]
        assert await read(address, "small") == [b"t", b"t"]
        with pytest.raises(Unavailable, match="MESSAGE_TOO_LARGE of the last records"):
            await writer.write(alert, [], {FIRST: 3}, one.metadata, closing(b"x" * 2_000))
        await writer.renew()  # as whoever has no clean answer does
        assert (await admin.group_offsets(GROUP))[FIRST] == 3  # and there finds that it stands
        assert await read(address, "out") == [b"1", b"2", b"2"]
        # More than a batch of them goes first, as it did.
        sent.clear()
        many = [Outgoing("out", b"k", b"x" * 900, 0)] * 40
        await writer.write(alert, [], {FIRST: 4}, one.metadata, lambda _: many)
        assert sent.count("Produce") > 3
        assert writer.is_direct
        assert len(await read(address, "out")) == 44
        await one.leave()
        await writer.stop()

    run(work)


def test_an_address_that_never_answers_is_soon_passed_over() -> None:
    async def work(address: str, admin: ClusterAdmin) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and that is all
            config = ProducerConfig(
                bootstrap_servers=[f"127.0.0.1:{silent.getsockname()[1]}", address],
                transactional_id="w", transaction_timeout_ms=120_000,
            )  # fmt: skip
            writer = Transactor(config, SystemClock(), is_member=True)
            await asyncio.wait_for(writer.start(), 60)
            assert writer.is_direct
            assert direct_of(writer)._away == {config.servers[0]}
            await writer.stop()

    run(work)
