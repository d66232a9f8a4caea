"""Handlers: one call at a time per partition, retries, what counts as finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.client.conftest import Heard, World, poll_all, until

from summit.base.errors import Internal
from summit.client import ConsumerConfig, ConsumerRecord
from summit.client.giving_up import GivingUp
from summit.client.handling import Handling
from summit.client.positions import Positions


class Bench:
    """Runs a handler over made-up records, without a broker."""

    def __init__(self, handler: Callable[[ConsumerRecord], Any], **config: Any) -> None:
        self.positions = Positions()
        self.told: list[Any] = []
        settings = ConsumerConfig.from_dict({"groupId": "g", "handlerBackoffMs": 1, **config})
        self.giving_up = GivingUp(settings, lambda name, payload: self.told.append((name, payload)))
        self.handling = Handling(handler, settings, self.positions, self.giving_up)

    async def batch(self, *places: tuple[int, int]) -> None:
        records = [ConsumerRecord("a-b", partition, offset, 0) for partition, offset in places]
        self.positions.hand_out(records)
        await self.handling.batch(records)

    def due(self) -> dict[int, int]:
        return {key.partition: offset for key, offset in self.positions.due().items()}

    def left(self) -> list[tuple[int, int]]:
        return [(record.partition, record.offset) for record in self.handling.left]


def test_one_call_at_a_time_per_partition_and_partitions_side_by_side() -> None:
    running: dict[int, int] = {}
    most_at_once = 0
    order: list[tuple[int, int]] = []

    async def handler(record: ConsumerRecord) -> None:
        nonlocal most_at_once
        assert record.partition not in running
        running[record.partition] = record.offset
        most_at_once = max(most_at_once, len(running))
        await asyncio.sleep(0.001)
        del running[record.partition]
        order.append((record.partition, record.offset))

    async def go() -> None:
        bench = Bench(handler)
        await bench.batch(*((n % 3, n // 3) for n in range(12)))
        assert most_at_once == 3
        for partition in range(3):
            assert [at for p, at in order if p == partition] == [0, 1, 2, 3]
        assert bench.due() == {0: 4, 1: 4, 2: 4}

    asyncio.run(go())


def test_a_failing_record_blocks_its_partition_until_it_works() -> None:
    calls: list[tuple[int, int]] = []

    def handler(record: ConsumerRecord) -> None:
        calls.append((record.partition, record.offset))
        if record.offset == 1 and calls.count((0, 1)) < 3:
            raise ValueError("not yet")

    async def go() -> None:
        bench = Bench(handler)
        await bench.batch((0, 0), (0, 1), (0, 2))
        assert calls == [(0, 0), (0, 1), (0, 1), (0, 1), (0, 2)]
        assert bench.due() == {0: 3}
        assert bench.told == []

    asyncio.run(go())


def test_no_more_partitions_at_once_than_asked_for() -> None:
    running = most_at_once = 0

    async def handler(record: ConsumerRecord) -> None:
        nonlocal running, most_at_once
        running += 1
        most_at_once = max(most_at_once, running)
        await asyncio.sleep(0.001)
        running -= 1

    async def go() -> None:
        bench = Bench(handler, maxConcurrency=2)
        await bench.batch(*((n % 5, n // 5) for n in range(20)))
        assert most_at_once == 2
        assert bench.due() == dict.fromkeys(range(5), 4)

    asyncio.run(go())


def test_a_record_that_fails_for_good_stops_before_it() -> None:
    def handler(record: ConsumerRecord) -> None:
        if record.partition == 0 and record.offset == 1:
            raise ValueError("never")

    async def go() -> None:
        bench = Bench(handler, handlerRetries=2)
        with pytest.raises(Internal) as caught:
            await bench.batch((0, 0), (0, 1), (0, 2))
        assert caught.value.code == "consumer.handler_failed"
        assert caught.value.details["attempts"] == 3
        assert "never" in str(caught.value)
        assert isinstance(caught.value.__cause__, ValueError)
        assert bench.due() == {0: 1}
        assert bench.left() == [(0, 1), (0, 2)]
        assert bench.handling.stopping

    asyncio.run(go())


def test_the_other_partitions_end_their_running_call() -> None:
    async def handler(record: ConsumerRecord) -> None:
        await asyncio.sleep(0.002)
        if record.partition == 0:
            raise ValueError("never")
        await asyncio.sleep(0.02)

    async def go() -> None:
        bench = Bench(handler, handlerRetries=0)
        with pytest.raises(Internal):
            await bench.batch((0, 5), (1, 5), (1, 6))
        assert bench.due() == {1: 6}
        assert sorted(bench.left()) == [(0, 5), (1, 6)]

    asyncio.run(go())


def test_a_skipped_record_is_told_and_counted() -> None:
    def handler(record: ConsumerRecord) -> None:
        if record.offset == 1:
            raise ValueError("never")

    async def go() -> None:
        bench = Bench(handler, handlerRetries=1, onHandlerFailure="skip")
        await bench.batch((0, 0), (0, 1), (0, 2))
        ((name, payload),) = bench.told
        assert name == "error"
        assert (payload.record.offset, payload.attempts) == (1, 2)
        assert payload.error.code == "consumer.handler_failed"
        assert bench.giving_up.skipped == 1
        assert bench.due() == {0: 3}

    asyncio.run(go())


def test_stop_ends_after_the_running_call_and_during_a_pause() -> None:
    async def go() -> None:
        bench = Bench(lambda record: bench.handling.stop())
        await bench.batch((0, 0), (0, 1))
        assert bench.due() == {0: 1}
        assert bench.left() == [(0, 1)]

        def fails(record: ConsumerRecord) -> None:
            raise ValueError("again")

        waiting = Bench(fails, handlerBackoffMs=60_000)
        task = asyncio.ensure_future(waiting.batch((0, 0)))
        await asyncio.sleep(0)
        waiting.handling.stop()
        async with asyncio.timeout(5):
            await task
        assert waiting.left() == [(0, 0)]

    asyncio.run(go())


# ---- through the consumer ----


async def fill(world: World, topic: str, count: int) -> None:
    async with world.producer(lingerMs=1) as producer:
        await producer.send_batch([{"topic": topic, "value": f"{n}"} for n in range(count)])


def test_a_restart_goes_on_after_the_last_finished_record(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 20)
        got: list[int] = []

        async def handler(record: ConsumerRecord) -> None:
            got.append(record.offset)
            await asyncio.sleep(0)
            if record.offset == 7:
                await consumer.stop()  # this call is the last one

        async with world.reading(topic, group) as consumer:
            await consumer.run(handler)
            assert got == list(range(8))
            assert not consumer.running
        async with world.reading(topic, group) as consumer:
            assert [r.offset for r in await poll_all(consumer, 12)] == list(range(8, 20))

    asyncio.run(go())


def test_a_stopped_consumer_goes_on_with_what_it_had_fetched(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 20)
        got: list[int] = []
        async with world.reading(topic) as consumer:

            async def first(record: ConsumerRecord) -> None:
                got.append(record.offset)
                if len(got) == 5:
                    await consumer.stop()

            await consumer.run(first)
            await consumer.start(lambda record: got.append(record.offset))
            await until(lambda: len(got) == 20)
            assert got == list(range(20))
            assert consumer.skipped == 0

    asyncio.run(go())


def test_run_raises_and_the_group_stays_before_the_record(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 5)

        def handler(record: ConsumerRecord) -> None:
            if record.offset == 2:
                raise ValueError("poison")

        async with world.reading(topic, group, handlerRetries=1) as consumer:
            heard = Heard(consumer, "error")
            with pytest.raises(Internal):
                await consumer.run(handler)
            assert heard.of("error")[0].error.code == "consumer.handler_failed"
        async with world.reading(topic, group) as consumer:
            assert [r.offset for r in await poll_all(consumer, 3)] == [2, 3, 4]

    asyncio.run(go())


def test_commit_inside_a_handler_includes_the_record_in_hand(world: World) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        await fill(world, topic, 5)
        committed: list[Any] = []

        async def handler(record: ConsumerRecord) -> None:
            await consumer.commit_offsets()
            committed.append(await consumer.committed())
            if record.offset == 2:
                await consumer.close()  # ends by itself, after this call

        async with world.reading(topic, group, enableAutoCommit=False) as consumer:
            await consumer.run(handler)
            await until(lambda: consumer._closed)
        assert committed == [{(topic, 0): n} for n in (1, 2, 3)]
        async with world.reading(topic, group) as consumer:
            assert [r.offset for r in await poll_all(consumer, 2)] == [3, 4]

    asyncio.run(go())


def test_a_seek_inside_a_handler_takes_effect_at_once(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        await fill(world, topic, 10)
        got: list[int] = []

        async def handler(record: ConsumerRecord) -> None:
            got.append(record.offset)
            if got == [0, 1, 2]:
                await consumer.seek(topic, 0, 8)

        async with world.reading(topic) as consumer:
            await consumer.start(handler)
            await until(lambda: len(got) == 5)
        assert got == [0, 1, 2, 8, 9]

    asyncio.run(go())


def test_cancelling_run_stops_the_consumer(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.reading(topic) as consumer:
            task = asyncio.ensure_future(consumer.run(lambda record: None))
            await until(lambda: consumer.running)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not consumer.running

    asyncio.run(go())
