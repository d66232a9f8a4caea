"""Serializers in the producer, deserializers in the consumer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.client.conftest import Heard, World, poll_all, until

from summit.base.errors import Conflict, Corrupt, Invalid, Unavailable
from summit.client import (
    ConsumerConfig,
    ConsumerRecord,
    DeadLetter,
    ProducerConfig,
    ProducerRecord,
    StreamConsumer,
    StreamProducer,
    dead_letter_topic,
)


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_values_come_back_by_name(world: World, name: str) -> None:
    """Headers, order and tombstones too; by all three ways to send and all three to read."""

    async def go() -> None:
        topic = await world.topic()
        values: list[Any] = [{"n": 1, "ü": [1.5, None]}, "text", 7, None, [True]]
        config = {"keySerializer": "string", "valueSerializer": name}
        async with world.producer(**config) as producer:
            for n, value in enumerate(values):
                record = ProducerRecord(topic=topic, key=str(n), value=value, headers={"h": "x"})
                await producer.send(record)
            await producer.send_batch([{"topic": topic, "value": value} for value in values])
            for value in values:
                await producer.send_nowait(topic, value)
        reading = {"keyDeserializer": "string", "valueDeserializer": name}
        async with world.reading(topic, **reading) as consumer:
            found = await poll_all(consumer, 15)
            assert [record.value for record in found] == values * 3
            assert [record.key for record in found[:5]] == ["0", "1", "2", "3", "4"]
            assert found[0].headers["h"] == b"x"
        async with world.reading(topic, **reading) as consumer:
            assert [(await anext(consumer)).value for _ in range(5)] == values
        async with world.reading(topic, **reading) as consumer:
            handled: list[ConsumerRecord] = []
            await consumer.start(handled.append)
            await until(lambda: len(handled) == 15)
            assert [record.value for record in handled] == values * 3
        async with world.reading(topic) as consumer:  # without: bytes, as ever
            assert {type(record.value) for record in await poll_all(consumer, 15)} <= {
                bytes,
                type(None),
            }

    asyncio.run(go())


def test_what_is_given_goes_before_what_is_configured(embedded: World) -> None:
    async def go() -> None:
        topic = await embedded.topic()
        config = {"bootstrapServers": embedded.address, "valueSerializer": "json"}
        async with StreamProducer(config, value_serializer=str.encode) as producer:
            await producer.send({"topic": topic, "value": "plain"})
        async with StreamConsumer(
            {
                "bootstrapServers": embedded.address,
                "groupId": embedded.group(),
                "autoOffsetReset": "earliest",
            },
            value_deserializer=len,
        ) as consumer:
            await consumer.subscribe(topic)
            assert (await anext(consumer)).value == 5

    asyncio.run(go())


@pytest.mark.parametrize(
    "config", [ProducerConfig, lambda **kw: ConsumerConfig(group_id="g", **kw)]
)
def test_an_unknown_name_is_refused_at_construction(config: Any) -> None:
    side = "serializer" if config is ProducerConfig else "deserializer"
    with pytest.raises(Invalid, match="did you mean 'json'"):
        config(**{f"value_{side}": "jsn"})
    with pytest.raises(Invalid, match="no serializer for a key"):
        config(**{f"key_{side}": "pickle"})


def test_nothing_of_a_batch_is_sent_when_one_value_cannot_be(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        async with world.producer(valueSerializer="json") as producer, world.reader() as reader:
            records = [{"topic": topic, "value": {"n": n}} for n in range(1_000)]
            records[700] = {"topic": topic, "value": {"n": {"deep": [0, object()]}}}
            with pytest.raises(Invalid) as caught:
                await producer.send_batch(records)
            error = caught.value
            assert error.code == "record.unserializable"
            assert error.details["index"] == 700
            assert error.details["path"] == "/n/deep/1"
            assert topic in str(error)
            assert "value" in str(error)
            assert producer.outstanding == 0
            assert await reader.consume(topic, 0, 0) == []
            assert len(await producer.send_batch(records[:700])) == 700

    asyncio.run(go())


def test_errors_of_a_users_serializer_are_ours(embedded: World) -> None:
    async def go() -> None:
        def fails(value: Any) -> bytes:
            raise ZeroDivisionError("no")

        config = {"bootstrapServers": embedded.address, "lingerMs": 0}
        topic = await embedded.topic()
        async with StreamProducer(config, key_serializer=fails) as producer:
            await producer.send({"topic": topic, "value": "a key of None never comes to it"})
            for call in (
                lambda: producer.send({"topic": topic, "key": 1}),
                lambda: producer.send_batch([{"topic": topic, "key": 1}]),
            ):
                with pytest.raises(Invalid, match=r"the key of .*ZeroDivisionError\('no'\)"):
                    await call()
            with pytest.raises(Invalid, match="ZeroDivisionError"):
                producer.send_nowait(topic, "v", 1)
        async with StreamProducer(config, value_serializer=str) as producer:
            with pytest.raises(Invalid, match="gave str instead of bytes"):
                await producer.send({"topic": topic, "value": 1})

    asyncio.run(go())


class Waiting:
    """Gives bytes once it is released, as one that asks a registry; refuses 'bad'."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    def serialize(self, topic: str, value: str, headers: Any) -> Any:
        return value.encode() if self.released.is_set() else self._later(value)

    async def _later(self, value: str) -> bytes:
        await self.released.wait()
        return value.encode()


def test_order_holds_while_a_serializer_waits(embedded: World) -> None:
    """Others of the topic wait, tombstones too; other topics do not."""

    async def go() -> None:
        topic, other = await embedded.topic(), await embedded.topic()
        waiting = Waiting()
        config = {"bootstrapServers": embedded.address, "lingerMs": 0}
        async with StreamProducer(config, value_serializer=waiting) as producer:
            values = ["a", None, "b", None, "c"]
            sends = [
                asyncio.create_task(producer.send({"topic": topic, "key": "k", "value": value}))
                for value in values
            ]
            await asyncio.sleep(0)
            with pytest.raises(Conflict) as caught:
                producer.send_nowait(topic, "now")
            assert caught.value.code == "serde.not_ready"
            with pytest.raises(Conflict):
                producer.send_nowait(topic, None)
            await producer.send({"topic": other, "value": None})
            sends[2].cancel()
            await asyncio.sleep(0)
            assert [task.done() for task in sends] == [False, False, True, False, False]
            waiting.released.set()
            done = await asyncio.gather(*(sends[n] for n in (0, 1, 3, 4)))
            assert [result.offset for result in done] == [0, 1, 2, 3]
            assert (await producer.send_nowait(topic, "now")).offset == 4
        async with embedded.reader() as reader:
            found = await reader.consume(topic, 0, 0)
            assert [record.value for record in found] == [b"a", None, None, b"c", b"now"]

    asyncio.run(go())


@pytest.mark.parametrize("way", ["handler", "poll", "iterate", "batches"])
@pytest.mark.parametrize("policy", ["dead-letter", "skip"])
def test_what_cannot_be_read_is_put_aside(world: World, way: str, policy: str) -> None:
    async def go() -> None:
        topic, group = await world.topic(), world.group()
        values = [b"1", b"{bad", b"\xff", b"2", b"bad", b"3"]
        async with world.producer() as producer:
            await producer.send_batch(
                [{"topic": topic, "key": "k", "value": value} for value in values]
            )
        config = {"valueDeserializer": "json", "onHandlerFailure": policy}
        found: list[ConsumerRecord] = []
        async with world.reading(topic, group, **config) as consumer:
            heard = Heard(consumer, "error")
            if way == "handler":
                await consumer.start(found.append)
                await until(lambda: len(found) == 3)
            elif way == "poll":
                found = await poll_all(consumer, 3)
            elif way == "iterate":
                found = [await anext(consumer) for _ in range(3)]
            else:
                async for batch in consumer.batches():
                    found += batch
                    if len(found) == 3:
                        break
            count = consumer.dead_lettered if policy == "dead-letter" else consumer.skipped
            assert count == 3
        assert [(record.value, record.key) for record in found] == [(n, b"k") for n in (1, 2, 3)]
        told = heard.of("error")
        assert [each.error.code for each in told] == ["record.undeserializable"] * 3
        assert [each.record.value for each in told] == [b"{bad", b"\xff", b"bad"]
        assert "offset 1" in str(told[0].error)
        async with world.consumer(group) as consumer:
            assert (await consumer.committed([(topic, 0)]))[topic, 0] == 6
        if policy == "dead-letter":
            async with world.reader() as reader:
                records = await reader.consume(dead_letter_topic(topic), 0, 0)
            letters = [DeadLetter.decode(record.value) for record in records]
            assert [letter.value for letter in letters] == [b"{bad", b"\xff", b"bad"]
            assert {letter.error.stage for letter in letters} == {"deserialize"}
            assert {letter.error.code for letter in letters} == {"record.undeserializable"}

    asyncio.run(go())


def test_by_default_the_consumer_stops_before_it(world: World) -> None:
    """`poll` gives what stands before it, then raises again and again until a seek behind it."""

    async def go() -> None:
        topic, group = await world.topic(2), world.group()
        async with world.producer() as producer:
            for value in (b"1", b"bad", b"2"):
                await producer.send({"topic": topic, "partition": 1, "value": value})
        async with world.reading(topic, group, valueDeserializer="json") as consumer:
            assert [record.value for record in await poll_all(consumer, 1)] == [1]
            for _ in range(3):
                with pytest.raises(Corrupt) as caught:
                    await consumer.poll(5_000)
                assert caught.value.details["offset"] == 1
            with pytest.raises(Corrupt):
                await anext(consumer)
            assert await consumer.position(topic, 1) == 1
            await consumer.commit_offsets()
            assert (await consumer.committed())[topic, 1] == 1
            await consumer.seek(topic, 1, 2)
            assert [record.value for record in await poll_all(consumer, 1)] == [2]
        group = world.group()
        async with world.reading(topic, group, valueDeserializer="json") as consumer:
            handled: list[Any] = []
            with pytest.raises(Corrupt):
                await consumer.run(lambda record: handled.append(record.value))
            assert handled == [1]
            assert consumer.skipped == consumer.dead_lettered == 0
        async with world.reading(topic, group) as consumer:  # the bytes are still to be had
            assert [record.value for record in await poll_all(consumer, 2)] == [b"bad", b"2"]

    asyncio.run(go())


class Flaky:
    """A deserializer whose registry is away for its first calls."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.calls = 0

    async def deserialize(self, topic: str, data: bytes, headers: Any) -> str:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls <= self.away:
            raise Unavailable("client.timeout", reason="away")
        return data.decode()


def _config(world: World, **more: Any) -> dict[str, Any]:
    return {
        "bootstrapServers": world.address,
        "groupId": world.group(),
        "autoOffsetReset": "earliest",
        "handlerBackoffMs": 1,
        **more,
    }


def test_what_is_not_the_records_fault_is_tried_again(embedded: World) -> None:
    """Neither dead letter nor skipped record, whatever `onHandlerFailure` says."""

    async def go() -> None:
        topic = await embedded.topic()
        async with embedded.producer() as producer:
            await producer.send_batch([{"topic": topic, "value": v} for v in ("a", "b")])
        config = _config(embedded, onHandlerFailure="dead-letter", handlerRetries=2)
        async with StreamConsumer(config, value_deserializer=Flaky(2)) as consumer:
            await consumer.subscribe(topic)
            handled: list[str] = []
            await consumer.start(lambda record: handled.append(record.value))
            await until(lambda: handled == ["a", "b"])
        config = _config(embedded, onHandlerFailure="dead-letter", handlerRetries=2)
        async with StreamConsumer(config, value_deserializer=Flaky(3)) as consumer:
            await consumer.subscribe(topic)
            with pytest.raises(Unavailable):
                await consumer.run(handled.append)
            assert consumer.dead_lettered == 0
            found = await poll_all(consumer, 2)
            assert [record.value for record in found] == ["a", "b"]
        async with StreamConsumer(config, value_deserializer=Flaky(1)) as consumer:
            await consumer.assign({(topic, 0): 0})
            with pytest.raises(Unavailable):
                await consumer.poll(5_000)
            assert len(await poll_all(consumer, 2)) == 2

    asyncio.run(go())


def test_a_poll_that_is_cancelled_while_it_waits_for_values_loses_none(embedded: World) -> None:
    async def go() -> None:
        topic = await embedded.topic()
        async with embedded.producer() as producer:
            await producer.send_batch([{"topic": topic, "value": str(n)} for n in range(6)])
        release, reached = asyncio.Event(), asyncio.Event()

        class Slow:
            async def deserialize(self, topic: str, data: bytes, headers: Any) -> str:
                if data == b"3":
                    reached.set()
                    await release.wait()
                return data.decode()

        async with StreamConsumer(_config(embedded), value_deserializer=Slow()) as consumer:
            await consumer.subscribe(topic)
            polling = asyncio.create_task(consumer.poll(10_000))
            await asyncio.wait_for(reached.wait(), 10)
            polling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await polling
            reached.clear()
            polling = asyncio.create_task(consumer.poll(10_000))
            await asyncio.wait_for(reached.wait(), 10)
            await consumer.seek(topic, 0, 5)  # what is in hand was moved away from
            release.set()
            assert [record.value for record in await polling] == ["5"]
            await consumer.seek(topic, 0, 0)
            found = await poll_all(consumer, 6)
            assert [record.value for record in found] == list("012345")

    asyncio.run(go())


def test_a_handler_gets_a_fresh_value_at_each_try(embedded: World) -> None:
    async def go() -> None:
        topic = await embedded.topic()
        async with embedded.producer(valueSerializer="json") as producer:
            await producer.send({"topic": topic, "value": {"n": 1}})
        seen: list[Any] = []

        def handler(record: ConsumerRecord) -> None:
            seen.append(dict(record.value))
            record.value["n"] = 2
            if len(seen) < 3:
                raise ValueError

        config = _config(embedded, valueDeserializer="json", onHandlerFailure="dead-letter")
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(topic)
            await consumer.start(handler)
            await until(lambda: len(seen) == 3)
        assert seen == [{"n": 1}] * 3

    asyncio.run(go())


def test_a_failed_handlers_dead_letter_has_the_bytes(embedded: World) -> None:
    async def go() -> None:
        topic = await embedded.topic()
        async with embedded.producer() as producer:
            await producer.send({"topic": topic, "key": "k", "value": '{ "n": 1 }'})

        def handler(record: ConsumerRecord) -> None:
            raise KeyError(record.value["m"])

        config = _config(
            embedded, valueDeserializer="json", onHandlerFailure="dead-letter", handlerRetries=0
        )
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(topic)
            await consumer.start(handler)
            await until(lambda: consumer.dead_lettered == 1)
        async with embedded.reader() as reader:
            (record,) = await reader.consume(dead_letter_topic(topic), 0, 0)
        letter = DeadLetter.decode(record.value)
        assert (letter.key, letter.value) == (b"k", b'{ "n": 1 }')
        assert letter.error.stage.startswith("consumer ")

    asyncio.run(go())


def test_in_a_transaction_a_value_that_cannot_be_written_aborts_it(world: World) -> None:
    async def go() -> None:
        topic = await world.topic()
        config = {"transactionalId": topic, "idempotence": True, "valueSerializer": "json"}
        async with world.producer(**config) as producer:

            async def half() -> None:
                async with producer.transaction():
                    await producer.send({"topic": topic, "value": 1})
                    await producer.send({"topic": topic, "value": object()})

            with pytest.raises(Invalid) as caught:
                await half()
            assert caught.value.code == "record.unserializable"
            async with producer.transaction():
                await producer.send({"topic": topic, "value": 2})
        config = {"isolationLevel": "read_committed", "valueDeserializer": "json"}
        async with world.reading(topic, **config) as consumer:
            assert [record.value for record in await poll_all(consumer, 1)] == [2]

    asyncio.run(go())
