"""Transactions through the producer: whole or not at all, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from tests.client.conftest import Heard, World
from tests.client.proxy import Proxy

from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.client import LogReader, StreamProducer, TopicPartition
from summit.protocol.end_txn import END_TXN


def producer_of(world: World, name: str, address: str = "", **config: Any) -> StreamProducer:
    defaults = {"bootstrapServers": address or world.address, "lingerMs": 0}
    return StreamProducer(defaults | {"transactionalId": name} | config)


async def seen(world: World, topic: str) -> list[str]:
    """What readers of committed records find, once the markers of all transactions stand there.

    A cluster's coordinator answers when the decision is certain, before the markers are written.
    """
    async with world.admin() as admin, asyncio.timeout(60):
        while await admin.offsets(topic) != await admin.offsets(topic, committed=True):
            await asyncio.sleep(0.01)
    async with LogReader({"bootstrapServers": world.address}, committed=True) as reader:
        return [record.text() for record in await reader.consume(topic, 0, 0)]


def test_whole_or_not_at_all(world: World) -> None:
    async def go() -> None:
        topic, other = await world.topic(), await world.topic()
        async with producer_of(world, world.group()) as producer:
            for value, end in (
                ("a", producer.commit_transaction),
                ("b", producer.abort_transaction),
                ("c", producer.commit_transaction),
            ):
                await producer.begin_transaction()
                producer.send_nowait(topic, value)
                await producer.send({"topic": other, "value": value})
                await end()
            await producer.begin_transaction()
            await producer.commit_transaction()  # of nothing
        assert await seen(world, topic) == await seen(world, other) == ["a", "c"]

    asyncio.run(go())


def test_a_block_commits_or_aborts(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with producer_of(world, world.group()) as producer:
            async with producer.transaction():
                await producer.send({"topic": topic, "value": "kept"})

            async def fail() -> None:
                async with producer.transaction():
                    await producer.send({"topic": topic, "value": "dropped"})
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            async with producer.transaction():
                await producer.send({"topic": topic, "value": "kept too"})
        assert await seen(world, topic) == ["kept", "kept too"]

    asyncio.run(go())


def test_what_is_out_of_turn_is_refused(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as plain:
            with pytest.raises(Invalid) as caught:
                await plain.begin_transaction()
            assert caught.value.code == "producer.not_transactional"
        producer = producer_of(world, world.group())
        with pytest.raises(Invalid) as caught:
            await producer.begin_transaction()
        assert caught.value.code == "client.not_connected"
        async with producer:
            for call in (producer.commit_transaction, producer.abort_transaction):
                with pytest.raises(Invalid) as caught:
                    await call()
                assert caught.value.code == "producer.no_transaction"
            with pytest.raises(Invalid) as caught:
                await producer.send({"topic": topic, "value": "x"})
            assert caught.value.code == "producer.no_transaction"
            with pytest.raises(Invalid) as caught:
                await producer.recover_transaction()
            assert caught.value.code == "producer.nothing_in_doubt"
            await producer.begin_transaction()
            with pytest.raises(Conflict) as conflict:
                await producer.begin_transaction()
            assert conflict.value.code == "producer.transaction_open"
            # A record that is refused makes the transaction one that can only be aborted.
            with pytest.raises(Invalid):
                await producer.send({"topic": topic, "value": "x", "partition": 7})
            await producer.send({"topic": topic, "value": "y"})
        with pytest.raises(Closed):
            await producer.begin_transaction()
        assert await seen(world, topic) == []  # closing aborted it

    asyncio.run(go())


def test_offsets_are_committed_with_the_records(world: World) -> None:
    async def go() -> None:
        source, target, group = await world.topic(), await world.topic(), world.group()
        async with world.producer() as producer:
            await producer.send_batch([{"topic": source, "value": f"{n}"} for n in range(6)])
        key = TopicPartition(source, 0)
        async with (
            world.reading(
                source,
                group,
                enableAutoCommit=False,
                maxPollRecords=2,
                isolationLevel="read_committed",  # waits for the offsets of open transactions
            ) as consumer,
            producer_of(world, world.group()) as producer,
        ):
            copied = 0
            while copied < 4:
                records = await consumer.poll(500)
                if not records:
                    continue
                async with producer.transaction():
                    for record in records:
                        producer.send_nowait(target, record.value)
                    await producer.send_offsets_to_transaction(
                        {key: records[-1].offset + 1}, consumer
                    )
                copied += len(records)
            assert (await consumer.committed())[key] == copied == 4
            await producer.begin_transaction()
            await producer.send_offsets_to_transaction({key: 6}, consumer)
            await producer.abort_transaction()
            assert (await consumer.committed())[key] == 4
        async with (
            world.consumer(group, isolationLevel="read_committed") as consumer,
            producer_of(world, world.group()) as producer,
        ):
            await producer.begin_transaction()
            with pytest.raises(Invalid) as caught:
                await producer.send_offsets_to_transaction({key: 6}, consumer)
            assert "enableAutoCommit" in str(caught.value)
            await producer.send_offsets_to_transaction([(source, 0, 5)], group)
            await producer.commit_transaction()
            assert (await consumer.committed([key]))[key] == 5
        assert await seen(world, target) == ["0", "1", "2", "3"]

    asyncio.run(go())


def test_a_newer_producer_shuts_the_older_out(world: World) -> None:
    async def go() -> None:
        topic, name = await world.topic(), world.group()
        old, new = producer_of(world, name), producer_of(world, name)
        await old.connect()
        await old.begin_transaction()
        await old.send({"topic": topic, "value": "of the old"})
        await new.connect()
        await new.begin_transaction()
        await new.send({"topic": topic, "value": "of the new"})
        with pytest.raises(Closed) as caught:
            await old.commit_transaction()
        assert caught.value.code == "client.fenced"
        assert caught.value.details["outcome"] == "aborted"
        with pytest.raises(Closed):
            await old.begin_transaction()
        await new.commit_transaction()
        await old.close()
        await new.close()
        assert await seen(world, topic) == ["of the new"]

    asyncio.run(go())


def test_a_commit_whose_answer_is_lost_is_a_commit(world: World) -> None:
    """Again and again: the broker has it, the producer's connection is cut."""

    async def go() -> None:
        topic = await world.topic()
        async with Proxy(world.address) as proxy:
            producer = producer_of(world, world.group(), proxy.address)
            async with producer:
                for n in range(3):
                    proxy.drop_answer[END_TXN.key] = 1
                    async with producer.transaction():
                        await producer.send({"topic": topic, "value": f"{n}"})
                    assert not proxy.drop_answer[END_TXN.key]
        assert await seen(world, topic) == ["0", "1", "2"]

    asyncio.run(go())


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("with_records", [True, False])
def test_without_any_answer_the_log_tells(world: World, arrives: bool, with_records: bool) -> None:
    """Every answer to the commit is lost until the producer gives up and takes a new epoch."""

    async def go() -> None:
        topic, group = await world.topic(), world.group()
        key = TopicPartition(topic, 0)
        async with Proxy(world.address) as proxy:
            config = {"maxBlockMs": 4_000, "requestTimeoutMs": 2_000}
            producer = producer_of(world, world.group(), proxy.address, **config)
            reading = world.consumer(group, isolationLevel="read_committed")
            async with producer, reading as consumer:
                heard = Heard(producer, "transaction:recovered")
                lost = proxy.drop_answer if arrives else proxy.drop_request
                await producer.begin_transaction()
                if with_records:
                    await producer.send({"topic": topic, "value": "in doubt"})
                await producer.send_offsets_to_transaction({key: 1}, group)
                lost[END_TXN.key] = 1_000_000
                if arrives:
                    await producer.commit_transaction()
                else:
                    with pytest.raises(Conflict) as caught:
                        await producer.commit_transaction()
                    assert caught.value.code == "producer.transaction_aborted"
                    assert caught.value.retriable
                assert (await consumer.committed([key]))[key] == (1 if arrives else None)
                assert [e.outcome for e in heard.of("transaction:recovered")] == [
                    "committed" if arrives else "aborted"
                ]
                lost.clear()
                async with producer.transaction():  # it goes on under its new epoch
                    await producer.send({"topic": topic, "value": "after"})
        before = ["in doubt"] if arrives and with_records else []
        assert await seen(world, topic) == [*before, "after"]

    asyncio.run(go())


def test_a_cancelled_commit_is_in_doubt_until_it_is_looked_up(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with Proxy(world.address) as proxy:
            producer = producer_of(world, world.group(), proxy.address)
            async with producer:
                await producer.begin_transaction()
                await producer.send({"topic": topic, "value": "x"})
                proxy.drop_answer[END_TXN.key] = 1_000_000
                commit = asyncio.ensure_future(producer.commit_transaction())
                async with asyncio.timeout(60):
                    while not proxy.seen[END_TXN.key]:
                        await asyncio.sleep(0.01)
                commit.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await commit
                proxy.drop_answer.clear()
                with pytest.raises(Conflict) as caught:
                    await producer.begin_transaction()
                assert caught.value.code == "producer.transaction_in_doubt"
                with pytest.raises(Conflict) as caught:
                    await producer.abort_transaction()
                assert caught.value.code == "producer.transaction_committed"
                await producer.begin_transaction()
                await producer.abort_transaction()
        assert await seen(world, topic) == ["x"]

    asyncio.run(go())


def test_what_cannot_be_found_out_stays_in_doubt(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with Proxy(world.address) as proxy:
            config = {"maxBlockMs": 1_500, "requestTimeoutMs": 1_000, "connectTimeoutMs": 1_000}
            producer = producer_of(world, world.group(), proxy.address, **config)
            async with producer:
                await producer.begin_transaction()
                await producer.send({"topic": topic, "value": "x"})
                proxy.is_cut = True
                with pytest.raises(Unavailable) as caught:
                    await producer.commit_transaction()
                assert caught.value.code == "producer.outcome_unknown"
                with pytest.raises(Unavailable):
                    await producer.recover_transaction()
                proxy.is_cut = False
                async with asyncio.timeout(60):
                    while await recovered(producer) != "aborted":
                        pass
                async with producer.transaction():
                    await producer.send({"topic": topic, "value": "y"})
        assert await seen(world, topic) == ["y"]

    asyncio.run(go())


async def recovered(producer: StreamProducer) -> str:
    """What `recover_transaction` finds, or nothing while brokers do not answer yet."""
    try:
        return await producer.recover_transaction()
    except Unavailable:
        return ""


def test_offsets_can_be_sent_after_all_brokers_were_away(world: World) -> None:
    """A short absence; after longer ones librdkafka was seen to wait for ever (`librdkafka.py`)."""

    async def go() -> None:
        topic, group = await world.topic(), world.group()
        async with Proxy(world.address) as proxy:
            producer = producer_of(world, world.group(), proxy.address)
            async with producer:
                lost = Heard(producer, "error")
                async with producer.transaction():
                    await producer.send({"topic": topic, "value": "x"})
                proxy.is_cut = True
                async with asyncio.timeout(60):
                    while not lost.events:
                        await asyncio.sleep(0.01)
                proxy.is_cut = False
                async with asyncio.timeout(60), producer.transaction():
                    await producer.send_offsets_to_transaction({(topic, 0): 1}, group)
        async with world.consumer(group, isolationLevel="read_committed") as consumer:
            assert (await consumer.committed([(topic, 0)]))[TopicPartition(topic, 0)] == 1

    asyncio.run(go())


_KILLED = """
import asyncio, sys
from summit.client import StreamProducer

async def go():
    producer = StreamProducer({"bootstrapServers": sys.argv[1], "transactionalId": sys.argv[3]})
    await producer.connect()
    await producer.begin_transaction()
    await producer.send({"topic": sys.argv[2], "value": "of the dead"})
    print("sent", flush=True)
    await asyncio.sleep(600)

asyncio.run(go())
"""


def test_a_killed_producer_leaves_nothing_behind(world: World) -> None:
    async def go() -> None:
        topic, name = await world.topic(), world.group()
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, world.address, topic, name], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            assert line.strip() == b"sent"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        async with producer_of(world, name) as heir, heir.transaction():
            await heir.send({"topic": topic, "value": "of the heir"})
        assert await seen(world, topic) == ["of the heir"]

    asyncio.run(go())
