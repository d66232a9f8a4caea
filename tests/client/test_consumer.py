"""The consumer against our own broker: polls, groups, commits, seeks."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.client.conftest import Heard, World, poll_all, until

from summit.base.errors import Closed, Conflict, Invalid
from summit.client import OffsetCommitRequest, StreamConsumer, TopicPartition


async def fill(world: World, topic: str, count: int, partition: int = 0, start: int = 0) -> None:
    async with world.producer(lingerMs=1) as producer:
        await producer.send_batch(
            [
                {"topic": topic, "partition": partition, "value": f"{n}"}
                for n in range(start, start + count)
            ]
        )


def values(records: list[Any]) -> list[int]:
    return [int(record.text()) for record in records]


def test_poll_returns_what_is_there_and_honours_its_limits(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 25)
        loop = asyncio.get_running_loop()
        async with world.reading(topic, maxPollRecords=10) as consumer:
            sizes = []
            records: list[Any] = []
            while len(records) < 25:
                batch = await consumer.poll(5_000)
                sizes.append(len(batch))
                records += batch
            assert max(sizes) <= 10
            assert values(records) == list(range(25))
            assert [record.offset for record in records] == list(range(25))
            before = loop.time()
            assert await consumer.poll(60) == []
            assert 0.05 < loop.time() - before < 1
            assert await consumer.poll(0) == []
            await fill(world, topic, 1)
            assert len(await consumer.poll_batch(1_000, 5_000)) == 1

    asyncio.run(go())


def test_a_group_goes_on_where_it_committed(world: World) -> None:
    """Poll, process, `commit_offsets()`; what was not committed comes again."""

    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 10)
        manual = {"enableAutoCommit": False, "maxPollRecords": 4}
        async with world.reading(topic, group, **manual) as consumer:
            heard = Heard(consumer, "offsets:committed")
            assert values(await poll_all(consumer, 4)) == [0, 1, 2, 3]
            await consumer.commit_offsets()
            assert heard.of("offsets:committed")[0].offsets == {(topic, 0): 4}
            assert await consumer.committed() == {(topic, 0): 4}
            await poll_all(consumer, 4)
        async with world.reading(topic, group, **manual) as consumer:
            assert values(await poll_all(consumer, 4)) == [4, 5, 6, 7]
            await consumer.commit_offsets(
                [OffsetCommitRequest(group_id=group, topic=topic, partition=0, offset=9)]
            )
            with pytest.raises(Invalid, match="not someone-else"):
                await consumer.commit_offsets(
                    [{"groupId": "someone-else", "topic": topic, "partition": 0, "offset": 1}]
                )
        async with world.reading(topic, group, **manual) as consumer:
            assert values(await poll_all(consumer, 1)) == [9]

    asyncio.run(go())


def test_auto_commit_covers_polls_that_were_followed_by_another(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 6)
        config = {"maxPollRecords": 2, "autoCommitIntervalMs": 20}

        async def fails() -> None:
            async with world.reading(topic, group, **config) as consumer:
                heard = Heard(consumer, "offsets:committed")
                assert values(await poll_all(consumer, 2)) == [0, 1]
                await asyncio.sleep(0.1)
                assert not heard.events  # nobody said that they are done with
                assert values(await poll_all(consumer, 2)) == [2, 3]
                await until(lambda: heard.events)
                assert heard.of("offsets:committed")[0].offsets == {(topic, 0): 2}
                raise RuntimeError("the work on the second poll failed")

        with pytest.raises(RuntimeError):
            await fails()
        async with world.reading(topic, group, **config) as consumer:
            assert values(await poll_all(consumer, 2)) == [2, 3]
        async with world.reading(topic, group, **config) as consumer:  # closed in peace
            assert values(await poll_all(consumer, 2)) == [4, 5]

    asyncio.run(go())


def test_iteration_finishes_one_record_with_the_next(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 10)

        async def fails() -> None:
            async with world.reading(topic, group) as consumer:
                async for record in consumer:
                    if record.offset == 3:
                        raise RuntimeError("failed on record 3")

        with pytest.raises(RuntimeError):
            await fails()
        async with world.reading(topic, group) as consumer:
            assert values(await poll_all(consumer, 7)) == [3, 4, 5, 6, 7, 8, 9]
            asyncio.get_running_loop().call_later(
                0.05, lambda: asyncio.ensure_future(consumer.close())
            )
            assert [record async for record in consumer] == []  # ends when it is closed

    asyncio.run(go())


def test_latest_is_the_end_at_the_time_of_the_assignment(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 5)
        got: list[Any] = []
        async with world.reading(topic, autoOffsetReset="latest") as consumer:
            await consumer.start(got.append)
            await fill(world, topic, 2, start=5)
            await until(lambda: len(got) == 2)
        assert values(got) == [5, 6]

    asyncio.run(go())


def test_none_is_an_error_without_a_committed_offset(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 3)
        async with world.reading(topic, group, autoOffsetReset="none") as consumer:
            with pytest.raises(Invalid) as caught:
                await consumer.poll(5_000)
            assert caught.value.code == "consumer.no_offset"
            assert topic in str(caught.value)
            await consumer.commit_offsets([{"topic": topic, "partition": 0, "offset": 1}])
        async with world.reading(topic, group, autoOffsetReset="none") as consumer:
            assert values(await poll_all(consumer, 2)) == [1, 2]
        async with world.reading(topic, autoOffsetReset="none") as consumer:
            with pytest.raises(Invalid):
                await consumer.run(lambda record: None)

    asyncio.run(go())


def test_seek_position_and_lag(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 20)
        async with world.reading(topic) as consumer:
            with pytest.raises(Invalid) as caught:
                await consumer.seek(topic, 0, 3)
            assert caught.value.code == "consumer.not_assigned"
            await poll_all(consumer, 20)
            assert await consumer.position(topic, 0) == 20
            assert await consumer.lag() == {(topic, 0): 0}
            await consumer.seek(topic, 0, 7)
            assert await consumer.position(topic, 0) == 7
            assert await consumer.lag() == {(topic, 0): 13}
            assert values(await poll_all(consumer, 1))[0] == 7
            await consumer.seek_to_beginning()
            assert values(await poll_all(consumer, 1))[0] == 0
            await consumer.seek_to_end([(topic, 0)])
            assert await consumer.poll(100) == []
            await fill(world, topic, 1, start=20)
            assert values(await poll_all(consumer, 1)) == [20]

    asyncio.run(go())


def test_a_seek_drops_what_was_fetched_before_it(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 50)
        async with world.reading(topic) as consumer:
            record = await anext(consumer)  # fetches far more than it hands out
            assert record.offset == 0
            await consumer.seek(topic, 0, 40)
            assert [(await anext(consumer)).offset for _ in range(3)] == [40, 41, 42]
            await consumer.pause()
            assert await consumer.poll(100) == []
            await consumer.resume()
            assert (await anext(consumer)).offset == 43

    asyncio.run(go())


def test_pause_holds_one_partition_only(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        async with world.reading(topic) as consumer:
            await fill(world, topic, 5, partition=0)
            await poll_all(consumer, 5)
            await consumer.pause([(topic, 0)])
            await fill(world, topic, 5, partition=0)
            await fill(world, topic, 5, partition=1)
            records = await poll_all(consumer, 5)
            assert {record.partition for record in records} == {1}
            assert await consumer.poll(100) == []
            await consumer.resume([(topic, 0)])
            records = await poll_all(consumer, 5)
            assert [record.offset for record in records] == [5, 6, 7, 8, 9]

    asyncio.run(go())


def test_assigned_partitions_without_a_group(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(3)
        for partition in range(3):
            await fill(world, topic, 4, partition=partition)
        async with world.consumer() as consumer:
            await consumer.assign({(topic, 0): 2, (topic, 2): None})
            assert consumer.assignment == {TopicPartition(topic, 0), TopicPartition(topic, 2)}
            records = await poll_all(consumer, 6)
            found = sorted((record.partition, record.offset) for record in records)
            assert found == [(0, 2), (0, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
            await consumer.assign([(topic, 1)])
            assert len(await poll_all(consumer, 4)) == 4
            await consumer.assign([])
            assert await consumer.poll(50) == []

    asyncio.run(go())


def test_partitions_are_shared_and_move(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(4), world.group()
        async with world.reading(topic, group) as first:
            heard = Heard(first, "partitions:assigned", "partitions:revoked")
            got_first: list[Any] = []
            got_second: list[Any] = []
            await first.start(got_first.append)
            assert len(first.assignment) == 4
            await fill(world, topic, 10)
            await until(lambda: len(got_first) == 10)
            second = world.consumer(group)
            await second.connect()
            await second.subscribe([topic])
            await second.start(got_second.append)
            await until(lambda: len(first.assignment) == len(second.assignment) == 2)
            assert not first.assignment & second.assignment
            assert not heard.of("partitions:revoked")[0].lost
            for partition in range(4):
                await fill(world, topic, 5, partition=partition, start=100)
            await until(lambda: len(got_first) + len(got_second) == 30)
            await second.close()
            await until(lambda: len(first.assignment) == 4)
            await fill(world, topic, 4, partition=3, start=200)
            await fill(world, topic, 4, partition=0, start=200)
            await until(lambda: len(got_first) + len(got_second) == 38)
        # Nothing came twice: what the second had finished was committed when it left.
        seen = [(r.partition, r.offset) for r in got_first + got_second]
        assert len(set(seen)) == len(seen) == 38

    asyncio.run(go())


def test_a_pattern_takes_in_topics_made_later(world: World) -> None:
    async def go() -> None:
        stem = world.group()
        async with world.admin() as admin, world.consumer() as consumer:
            heard = Heard(consumer, "error")
            await admin.create_topic({"name": f"{stem}-one", "partitions": 1})
            await fill(world, f"{stem}-one", 1)
            await consumer.subscribe(re.compile(f"^{stem}-.*"))
            assert consumer.subscription == [f"^{stem}-.*"]
            assert (await poll_all(consumer, 1))[0].topic == f"{stem}-one"
            await admin.create_topic({"name": f"{stem}-two", "partitions": 1})
            await fill(world, f"{stem}-two", 1)
            assert (await poll_all(consumer, 1))[0].topic == f"{stem}-two"
            assert heard.events == []

    asyncio.run(go())


def test_a_topic_that_is_missing_is_told_and_taken_up_later(world: World) -> None:
    async def go() -> None:
        name = world.group() + "-later"
        async with world.reading([name]) as consumer, world.admin() as admin:
            heard = Heard(consumer, "error")
            got: list[Any] = []
            await consumer.start(got.append)
            assert heard.of("error")[0].error.code == "topic.unknown"
            await admin.create_topic({"name": name, "partitions": 1})
            await fill(world, name, 3)
            await until(lambda: len(got) == 3)

    asyncio.run(go())


def test_unsubscribe(world: World) -> None:
    async def go() -> None:
        one, two = await world.topic(), await world.topic()
        async with world.reading([one, two]) as consumer:
            await consumer.poll(100)
            await consumer.unsubscribe([one])
            assert consumer.subscription == [two]
            async with asyncio.timeout(90):
                while consumer.assignment != {TopicPartition(two, 0)}:
                    await consumer.poll(50)
            await consumer.unsubscribe()
            assert consumer.subscription == []
            await consumer.poll(50)
            assert consumer.assignment == set()

    asyncio.run(go())


def test_a_cancelled_poll_loses_nothing(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.reading(topic) as consumer:
            await consumer.poll(50)
            waiting = asyncio.ensure_future(consumer.poll(5_000))
            await asyncio.sleep(0.05)
            waiting.cancel()
            await fill(world, topic, 3)
            assert values(await poll_all(consumer, 3)) == [0, 1, 2]

    asyncio.run(go())


def test_life(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        consumer = world.consumer()
        with pytest.raises(Invalid) as caught:
            await consumer.subscribe([topic])
        assert caught.value.code == "client.not_connected"
        await consumer.connect()
        with pytest.raises(Conflict):
            await consumer.connect()
        with pytest.raises(Invalid) as caught:
            await consumer.start(lambda record: None)
        assert caught.value.code == "consumer.not_subscribed"
        await consumer.subscribe(topic)
        await consumer.start(lambda record: None)
        with pytest.raises(Conflict) as conflict:
            await consumer.start(lambda record: None)
        assert str(conflict.value) == "Consumer already running"
        with pytest.raises(Conflict):
            await consumer.poll()
        await consumer.stop()
        await consumer.start(lambda record: None)
        await consumer.close()
        await consumer.close()
        for call in (consumer.poll(), consumer.subscribe(topic), consumer.connect()):
            with pytest.raises(Closed):
                await call
        await world.consumer().close()  # never connected

    asyncio.run(go())


def test_a_slow_member_is_told_that_it_left(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        limits = {"sessionTimeoutMs": 300, "maxPollIntervalMs": 300}
        async with world.reading(topic, **limits) as consumer:
            heard = Heard(consumer, "error", "partitions:revoked")
            await consumer.poll(100)
            await asyncio.sleep(0.5)
            async with asyncio.timeout(90):
                while not heard.of("partitions:revoked"):
                    await consumer.poll(100)
            assert heard.of("error")[0].error.code == "consumer.poll_too_late"
            await fill(world, topic, 1)
            assert len(await poll_all(consumer, 1)) == 1  # it came back

    asyncio.run(go())


def test_in_process_brokers_are_dialled(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 1)
        consumer = StreamConsumer({"groupId": "g", "autoOffsetReset": "earliest"})
        await consumer.connect({0: world})
        await consumer.subscribe(topic)
        assert len(await poll_all(consumer, 1)) == 1
        await consumer.close()

    asyncio.run(go())


def test_seek_to_a_time(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as producer:
            for n in range(5):
                await producer.send({"topic": topic, "value": f"{n}", "timestamp": 1_000 + n})
        async with world.consumer() as consumer:
            await consumer.assign([(topic, 0)])
            await consumer.seek_to_time(1_003)
            assert [r.text() for r in await poll_all(consumer, 2)] == ["3", "4"]
            await consumer.seek_to_time(9_000)
            assert await consumer.poll(200) == []
            await consumer.seek_to_time(0, [(topic, 0)])
            assert [r.text() for r in await poll_all(consumer, 5)] == list("01234")
            with pytest.raises(Invalid):
                await consumer.seek_to_time(0, [(topic, 1)])

    asyncio.run(go())


def test_batches_are_finished_when_the_next_is_asked_for(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        async with world.producer() as producer:
            await producer.send_batch([{"topic": topic, "value": f"{n}"} for n in range(10)])
        got: list[list[str]] = []

        async def read() -> None:
            async with world.reading(topic, group) as consumer:
                async for batch in consumer.batches(4):
                    got.append([record.text() for record in batch])
                    if sum(map(len, got)) > 4:
                        raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await read()
        assert all(got)
        finished = sum(map(len, got[:-1]))
        async with world.reading(topic, group) as consumer:
            (first, *_) = await poll_all(consumer, 10 - finished)
            assert first.offset == finished

    asyncio.run(go())


def test_a_static_member_comes_back_without_a_rebalance(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(2), world.group()
        config = {"sessionTimeoutMs": 30_000, "groupInstanceId": "one"}
        async with world.reading(topic, group, sessionTimeoutMs=30_000) as other:
            heard = Heard(other, "partitions:revoked", "partitions:assigned")
            async with asyncio.timeout(60):
                while len(other.assignment) != 2:
                    await other.poll(20)
                first = world.consumer(group, **config)
                await first.connect()
                await first.subscribe(topic)
                while not (len(first.assignment) == len(other.assignment) == 1):
                    await first.poll(20)
                    await other.poll(20)
                mine, before = first.assignment, len(heard.events)
                await first.close()
                second = world.consumer(group, **config)
                await second.connect()
                await second.subscribe(topic)
                while second.assignment != mine:
                    await second.poll(20)
                    await other.poll(20)
                await second.close()
            assert len(heard.events) == before

    asyncio.run(go())
