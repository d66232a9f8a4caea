"""`send_batch`: many records as one, with true results whatever befalls some of them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.client.conftest import Heard, World, until

from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.client import ProducerRecord, StreamProducer, TopicConfig
from summit.client.lanes import Lane


def is_at_rest(producer: StreamProducer) -> bool:
    deliveries = producer._deliveries
    assert deliveries is not None
    return not (producer.outstanding or producer._buffer.used_bytes or deliveries.open_lanes)


def test_every_result_is_where_its_record_stands(world: World) -> None:
    """Any mix of topics, keys, headers, times and partitions, against what is in the log."""
    rand = random.Random(7)

    async def go() -> None:
        topics = [await world.topic(3), await world.topic(1)]

        def record(n: int) -> Any:
            values: dict[str, Any] = {"topic": rand.choice(topics) if n > 1_500 else topics[0]}
            values["value"] = rand.choice([f"{n}", b"%d" % n, bytearray(b"%d" % n)])
            if rand.random() < 0.3:
                values["key"] = rand.choice(["ключ", b"k", ""])
            if rand.random() < 0.1:
                values["headers"] = rand.choice([{"n": f"{n}"}, {}, [("n", None)]])
            if rand.random() < 0.1:
                values["timestamp"] = 1_000_000 + n
            if rand.random() < 0.1:
                values["partition"] = 0 if values["topic"] == topics[1] else rand.randrange(3)
            return values if rand.random() < 0.2 else ProducerRecord(**values)

        records = [record(n) for n in range(4_000)]
        config = {"bufferMemory": 150_000, "idempotence": True, "lingerMs": 1}
        async with world.producer(**config) as producer, world.reader() as reader:
            results = await producer.send_batch(iter(records))
            assert is_at_rest(producer)
            assert [type(results), len(results)] == [list, 4_000]
            log: dict[tuple[str, int, int], Any] = {}
            for topic, partitions in zip(topics, (3, 1), strict=True):
                for partition in range(partitions):
                    found = await reader.consume(topic, partition, 0, 4_000)
                    log |= {(r.topic, r.partition, r.offset): r for r in found}
        assert len(log) == 4_000
        for n, (sent, result) in enumerate(zip(records, results, strict=True)):
            fields = sent if isinstance(sent, dict) else {
                name: getattr(sent, name) for name in sent.__struct_fields__
            }  # fmt: skip
            there = log[result.topic, result.partition, result.offset]
            assert (there.topic, there.text()) == (fields["topic"], f"{n}")
            assert there.timestamp == result.timestamp
            assert fields.get("timestamp") in (None, result.timestamp)
            assert fields.get("partition") in (None, result.partition)
        ends: dict[tuple[str, int], int] = {}
        for result in results:  # the order of the batch is the order in each partition
            key = (result.topic, result.partition)
            assert result.offset > ends.get(key, -1)
            ends[key] = result.offset

    asyncio.run(go())


def test_failures_of_every_kind_stand_among_what_was_written(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        records: list[Any] = [{"topic": topic, "value": f"{n}"} for n in range(3_000)]
        wrong: dict[int, Any] = {
            5: {"topic": topic, "partition": 9, "value": "x"},
            6: {"topic": topic, "value": 5},
            1_023: {"topic": topic, "value": b"x" * 2_000_000},
            1_024: {"topic": topic, "value": b"x" * 40_000_000},
            1_500: {"topic": f"{topic}-missing", "value": "x"},
            1_501: {"value": "x"},
            1_502: {"topic": topic, "colour": "red"},
            1_503: "no record",
            1_504: {"topic": ["a", "list"], "value": "x"},
            2_999: {"topic": topic, "timestamp": 0},
        }
        for index, record in wrong.items():
            records[index] = record
        async with world.producer() as producer, world.reader() as reader:
            heard = Heard(producer, "message:sent")
            with pytest.raises(Invalid) as caught:
                await producer.send_batch(records)
            assert caught.value.code == "partition.unknown"
            assert caught.value.details["index"] == 5
            assert caught.value.details["failed"] == len(wrong)
            assert is_at_rest(producer)
            found = [r for p in (0, 1) for r in await reader.consume(topic, p, 0, 3_000)]
            written = {f"{n}" for n in range(3_000)} - {f"{n}" for n in wrong}
            assert {record.text() for record in found} == written
            assert len(found) == len(written)
            told = {(p.partition, p["offset"]) for p in heard.of("message:sent")}
            assert told == {(record.partition, record.offset) for record in found}

    asyncio.run(go())


def test_what_the_broker_refuses_fails_alone(world: World) -> None:
    """The answer to a record may be an error; its neighbours in the lane were written."""

    async def go() -> None:
        topic = f"{await world.topic()}-small"
        async with world.admin() as admin:
            await admin.create_topic(TopicConfig(name=topic, partitions=1, max_message_bytes=1_000))
        records = [
            {"topic": topic, "value": b"x" * (3_000 if n % 7 == 3 else 10)} for n in range(50)
        ]
        async with world.producer(batchSize=0) as producer, world.reader() as reader:
            with pytest.raises(Invalid) as caught:
                await producer.send_batch(records)
            assert caught.value.code == "record.too_large"
            assert (caught.value.details["index"], caught.value.details["failed"]) == (3, 7)
            assert is_at_rest(producer)
            assert len(await reader.consume(topic, 0, 0, 50)) == 43

    asyncio.run(go())


def test_records_larger_than_half_the_buffer_pass_through_it(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        sizes = [10, 15_000, 10, 19_000, 25_000, 10, 12_000]
        async with world.producer(bufferMemory=20_000, maxBlockMs=5_000) as producer:
            with pytest.raises(Invalid) as caught:
                await producer.send_batch([{"topic": topic, "value": b"x" * n} for n in sizes])
            assert caught.value.code == "record.too_large"
            assert (caught.value.details["index"], caught.value.details["failed"]) == (4, 1)
            assert is_at_rest(producer)
            result = await producer.send({"topic": topic, "value": "x"})
            assert result.offset == 6

    asyncio.run(go())


def test_a_batch_waits_for_room_at_most_max_block_ms(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"bufferMemory": 4_000, "batchSize": 4_000, "lingerMs": 60_000, "maxBlockMs": 30}
        async with world.producer(**config) as producer:
            lingering = producer.send_nowait(topic, b"x" * 3_000)
            with pytest.raises(Unavailable) as caught:
                await producer.send_batch([{"topic": topic, "value": b"x" * 900} for _ in range(3)])
            assert caught.value.code == "producer.buffer_full"
            assert (caught.value.details["index"], caught.value.details["failed"]) == (0, 3)
            await producer.flush()
            assert lingering.result().offset == 0
            assert is_at_rest(producer)

    asyncio.run(go())


def test_a_caller_that_is_cancelled_while_it_waits_for_room(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"bufferMemory": 10_000, "batchSize": 10_000, "lingerMs": 60_000}
        async with world.producer(**config) as producer:
            records = [{"topic": topic, "value": b"x" * 900} for _ in range(100)]
            sending = asyncio.ensure_future(producer.send_batch(records))
            await until(lambda: producer._buffer._waiting)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await producer.flush()
            assert is_at_rest(producer)
            sending = asyncio.ensure_future(producer.send_batch(records[:5]))
            await until(lambda: producer.outstanding == 5)
            await producer.flush()
            offsets = [result.offset for result in await sending]
            assert offsets == list(range(offsets[0], offsets[0] + 5))

    asyncio.run(go())


def test_closing_under_a_batch_sends_what_was_given_and_fails_the_rest(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"lingerMs": 60_000, "batchSize": 1_000_000}
        records = [{"topic": topic, "value": f"{n}"} for n in range(2_000)]
        producer = world.producer(**config)
        await producer.connect()
        sending = asyncio.ensure_future(producer.send_batch(records))
        await until(lambda: producer.outstanding == 2_000)
        await producer.close()
        assert [result.offset for result in await sending] == list(range(2_000))

        producer = world.producer(bufferMemory=20_000, lingerMs=60_000)
        await producer.connect()
        sending = asyncio.ensure_future(producer.send_batch(records))  # most of it not given away
        await until(lambda: producer._buffer._waiting)
        await producer.close()
        with pytest.raises(Closed) as caught:
            await sending
        assert caught.value.details["index"] > 0

    asyncio.run(go())


def test_closing_fails_what_no_broker_answers() -> None:
    from confluent_kafka import Producer

    mock = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "x", "log_level": 0})
    port = next(iter(mock.list_topics(timeout=5).brokers.values())).port

    async def go() -> None:
        config = {"bootstrapServers": [f"127.0.0.1:{port}"], "lingerMs": 0, "idempotence": False}
        producer = StreamProducer(config)
        await producer.connect()
        await producer.send_batch([{"topic": "t", "value": "x"}] * 3)
        nonlocal mock
        del mock  # the brokers are gone
        sending = asyncio.ensure_future(producer.send_batch([{"topic": "t", "value": "x"}] * 2_000))
        await until(lambda: producer.outstanding == 2_000)
        await producer.close(timeout_ms=10)
        with pytest.raises(Closed) as caught:
            await sending
        assert caught.value.code == "client.closed"
        assert caught.value.details["failed"] == 2_000
        assert is_at_rest(producer)

    asyncio.run(go())


def test_batches_side_by_side_share_a_buffer_and_keep_their_results(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(3)
        async with world.producer(bufferMemory=60_000) as producer, world.reader() as reader:
            batches = [
                [{"topic": topic, "key": f"{m}", "value": f"{m} {n}"} for n in range(1 + 300 * m)]
                for m in range(8)
            ]
            alone = [producer.send({"topic": topic, "value": f"alone {n}"}) for n in range(20)]
            found = await asyncio.gather(*map(producer.send_batch, batches), *alone)
            assert is_at_rest(producer)
            log = {
                (partition, record.offset): record.text()
                for partition in range(3)
                for record in await reader.consume(topic, partition, 0, 10_000)
            }
        for m, results in enumerate(found[:8]):
            assert isinstance(results, list)
            stands = [log[result.partition, result.offset] for result in results]
            assert stands == [f"{m} {n}" for n in range(1 + 300 * m)]

    asyncio.run(go())


def test_small_batches_one_after_the_other(world: World) -> None:
    """Few on their way: a thread brings their answers, and the loop those of many."""

    async def go() -> None:
        topic = await world.topic()
        async with world.producer() as producer:
            at = 0
            for count in (1, 3, 600, 1, 0, 64, 65, 511, 512, 513, 1_025, 2):
                results = await asyncio.wait_for(
                    producer.send_batch([{"topic": topic, "value": "x"}] * count), 10
                )
                assert [result.offset for result in results] == list(range(at, at + count))
                at += count
                await asyncio.sleep(0.001 * (count % 3))
            assert is_at_rest(producer)

    asyncio.run(go())


def test_acks_0_knows_no_offsets(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(acks=0) as producer:
            results = await producer.send_batch([{"topic": topic, "value": "x"}] * 1_100)
            assert {(r.topic, r.partition, r.offset) for r in results} == {(topic, 0, -1)}

    asyncio.run(go())


def test_batches_of_transactions(world: World) -> None:
    async def go() -> None:
        topic = await world.topic(2)
        config = {"transactionalId": f"{topic}-t", "idempotence": True}
        records = [{"topic": topic, "value": f"{n}", "partition": n % 2} for n in range(1_500)]
        async with world.producer(**config) as producer:
            with pytest.raises(Invalid) as caught:
                await producer.send_batch(records)
            assert caught.value.details["failed"] == 1_500
            async with producer.transaction():
                results = await producer.send_batch(records)
                assert [r.offset for r in results] == [n // 2 for n in range(1_500)]
            assert producer._transactions is not None
            ends = producer._transactions._traces.last_offsets
            assert ends == {(topic, 0): 749, (topic, 1): 749}
            await producer.begin_transaction()
            await producer.send_batch(records[:10])
            await producer.abort_transaction()
            await producer.begin_transaction()
            with pytest.raises(Invalid):
                await producer.send_batch([*records[:3], {"topic": topic, "partition": 9}])
            await producer.abort_transaction()
        async with world.producer(**config, lingerMs=5_000, batchSize=1_000_000) as producer:
            await producer.begin_transaction()
            sending = asyncio.ensure_future(producer.send_batch(records))
            await until(lambda: producer.outstanding == 1_500)
            await producer.abort_transaction()
            with pytest.raises(Conflict) as conflict:
                await sending
            assert conflict.value.code == "producer.transaction_aborted"
            assert is_at_rest(producer)
        async with world.reading(topic, isolationLevel="read_committed") as consumer:
            found: list[str] = []
            async with asyncio.timeout(10):
                while len(found) < 1_500:
                    found += [record.text() for record in await consumer.poll(200)]
        assert sorted(found) == sorted(record["value"] for record in records)

    asyncio.run(go())


class Answer:
    """As much of librdkafka's message as a lane looks at."""

    def __init__(self, offset: int | None) -> None:
        self._offset = offset

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 3

    def offset(self) -> int | None:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return (1, 77)


def test_a_lane_is_full_when_every_place_in_use_is_answered() -> None:
    told: list[Lane] = []
    lane = Lane(told.append)
    for round_ in range(3):  # used again and again, also larger than before
        lane.open(4 + round_, "t")
        for place in (2, 0):
            lane.callbacks[place](None, Answer(place + 10 * round_))
        assert not lane.is_full
        assert not told
        lane.seal(1 + round_, 3, None)  # place 3 and what is beyond was not used
        assert not lane.is_full
        lane.callbacks[1]("error", Answer(None))
        assert lane.is_full
        assert told == [lane]
        assert [r and r.offset for r in lane.results[:3]] == [10 * round_, None, 2 + 10 * round_]
        assert list(lane.errors) == [1]
        lane.free()
        assert not lane.is_full
        assert lane.results == [None] * (4 + round_)
        told.clear()


def test_a_lane_whose_last_answer_comes_before_it_is_sealed() -> None:
    told: list[Lane] = []
    lane = Lane(told.append)
    lane.open(2, None)
    lane.callbacks[0](None, Answer(5))
    lane.seal(1, 1, None)
    assert lane.is_full
    assert not told
    assert lane.results[0] is not None
    assert lane.results[0].topic == "t"


def test_records_given_together_have_one_future_and_their_own_answers(world: World) -> None:
    """In order; what librdkafka refuses fails alone; without room nothing is taken."""

    async def go() -> None:
        topic = await world.topic(2)
        messages: list[Any] = [(b"%d" % n, None, [("n", b"%d" % n)]) for n in range(3_000)]
        messages[7] = (b"x" * 2_000_000, None, None)
        messages[8] = (None, b"key", None)
        async with world.producer(bufferMemory=8_000_000) as producer, world.reader() as reader:
            first = producer.send_many_nowait(topic, messages[:2_000], 1)
            second = producer.send_many_nowait(topic, messages[2_000:], 1)
            results, failures = await first
            assert [(n, fault.code) for n, fault in failures.items()] == [(7, "record.too_large")]
            assert results[7] is None
            offsets = [each.offset for each in [*results, *(await second).results] if each]
            assert offsets == [*range(2_999)]
            found = await reader.consume(topic, 1, 0, 2_999)
            sent = [(v, k, h or []) for v, k, h in messages[:7] + messages[8:]]
            assert [(r.value, r.key, list(r.headers.pairs)) for r in found] == sent
            nowhere = await producer.send_many_nowait(topic, messages[:2], 9)
            assert {fault.code for fault in nowhere.failures.values()} == {"partition.unknown"}
            assert is_at_rest(producer)
            big = [(b"x" * 900_000, None, None)] * 8
            last = producer.send_many_nowait(topic, big)
            with pytest.raises(Unavailable) as full:
                producer.send_many_nowait(topic, big)
            assert full.value.code == "producer.buffer_full"
            assert len((await last).results) == 8
            assert is_at_rest(producer)
        with pytest.raises(Closed):
            producer.send_many_nowait(topic, messages[:2])

    asyncio.run(go())
