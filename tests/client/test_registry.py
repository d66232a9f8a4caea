"""Producer and consumer with a schema registry: by name from the configuration, and by objects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.conftest import World, poll_all, until
from tests.serde.proto_files import Line, Order, Other
from tests.serde.registry_server import Fault, RegistryServer
from tests.serde.test_avro import NEWER, ORDER

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.client import (
    ConsumerConfig,
    ConsumerRecord,
    DeadLetter,
    ProducerConfig,
    StreamConsumer,
    StreamProducer,
    dead_letter_topic,
)
from summit.serde import AvroSerde, ProtobufSerde, SchemaRegistry


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def reading(world: World, server: RegistryServer, **more: Any) -> dict[str, Any]:
    return {
        "bootstrapServers": world.address,
        "groupId": world.group(),
        "autoOffsetReset": "earliest",
        "handlerBackoffMs": 1,
        "schemaRegistry": {"url": server.url, "retries": 0},
        **more,
    }


def test_avro_by_its_name(world: World, server: RegistryServer) -> None:
    """Keys and values have subjects of their own; the schema is the newest of the subject."""

    async def go() -> None:
        topic = await world.topic()
        server.put(f"{topic}-key", '"string"')
        server.put(f"{topic}-value", json.dumps(ORDER))
        config = {
            "keySerializer": "avro",
            "valueSerializer": "avro",
            "schemaRegistry": server.url,
        }
        values = [{"id": n, "note": None} for n in range(50)] + [None]
        async with world.producer(**config) as producer:
            await producer.send_batch(
                [{"topic": topic, "key": "k", "value": value} for value in values]
            )
            await producer.send({"topic": topic, "value": values[0]})
            await producer.send_nowait(topic, values[1], "now")
            assert len(server.requests) == 2
            with pytest.raises(Invalid, match=r"shop\.Order\.id") as caught:
                await producer.send_batch(
                    [{"topic": topic, "value": {"id": n}} for n in (1, 2, "x", 4)]
                )
            assert caught.value.details["index"] == 2
        names = {"keyDeserializer": "avro", "valueDeserializer": "avro"}
        async with StreamConsumer(reading(world, server, **names)) as consumer:
            await consumer.subscribe(topic)
            found = await poll_all(consumer, 53)
            assert [record.value for record in found] == [*values, *values[:2]]
            assert [record.key for record in found] == ["k"] * 51 + [None, "now"]
            assert len(server.requests) == 4

    asyncio.run(go())


def test_protobuf_messages_of_several_kinds(world: World, server: RegistryServer) -> None:
    """Written by objects, read by the format's name: the registry describes them."""

    async def go() -> None:
        topic = await world.topic()
        order = Order(id="a", lines=[Line(sku="s", count=2)])
        async with SchemaRegistry(server.url) as registry:
            serde = ProtobufSerde(registry=registry, subject="topic-record")
            config = {"bootstrapServers": world.address, "lingerMs": 0}
            async with StreamProducer(config, value_serializer=serde) as producer:
                await producer.send_batch(
                    [{"topic": topic, "value": value} for value in (order, Other(id=1))]
                )
        config = reading(world, server, valueDeserializer="protobuf")
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(topic)
            first, second = (record.value for record in await poll_all(consumer, 2))
            assert (first.lines[0].sku, second.id) == ("s", 1)
            assert second.DESCRIPTOR.full_name == "shop.Other"

    asyncio.run(go())


def test_the_loop_runs_while_the_registry_is_asked(embedded: World, server: RegistryServer) -> None:
    async def go() -> None:
        topic = await embedded.topic()
        server.fail(Fault(delay_s=0.3))
        config = {"bootstrapServers": embedded.address, "lingerMs": 0}
        async with SchemaRegistry(server.url) as registry:
            serde = AvroSerde(ORDER, registry=registry)
            async with StreamProducer(config, value_serializer=serde) as producer:
                with pytest.raises(Conflict, match="without waiting"):
                    producer.send_nowait(topic, {"id": 0})
                sends = [
                    asyncio.create_task(producer.send({"topic": topic, "value": {"id": n}}))
                    for n in range(20)
                ]
                turns = 0
                while not sends[0].done():
                    await asyncio.sleep(0.001)
                    turns += 1
                assert turns > 20
                offsets = [(await send).offset for send in sends]
                assert offsets == list(range(20))
                assert len(server.requests) == 1

    asyncio.run(go())


def test_a_registry_that_refuses_or_is_away(embedded: World, server: RegistryServer) -> None:
    """The producer tells it and sends nothing; what it is told can be done again or not."""

    async def go() -> None:
        topic = await embedded.topic()
        config = {"bootstrapServers": embedded.address, "lingerMs": 0}
        server.put(f"{topic}-value", json.dumps(ORDER))
        changed = {**ORDER, "fields": [*ORDER["fields"], {"name": "must", "type": "int"}]}
        async with SchemaRegistry({"url": server.url, "retries": 0}) as registry:
            serde = AvroSerde(changed, registry=registry)
            async with StreamProducer(config, value_serializer=serde) as producer:
                with pytest.raises(Invalid) as caught:
                    await producer.send({"topic": topic, "value": {"id": 1, "must": 1}})
                assert caught.value.code == "registry.incompatible"
                server.fail(Fault(503))
                with pytest.raises(Unavailable) as away:
                    await producer.send_batch([{"topic": topic, "value": {"id": 1, "must": 1}}])
                assert away.value.retriable
                assert away.value.details["index"] == 0
                server.levels[f"{topic}-value"] = "NONE"
                result = await producer.send({"topic": topic, "value": {"id": 1, "must": 1}})
                assert result.offset == 0

    asyncio.run(go())


def test_records_nobody_can_read_and_a_registry_that_is_away(
    world: World, server: RegistryServer
) -> None:
    """Those are put aside with their bytes; while the registry is away none is."""

    async def go() -> None:
        topic = await world.topic()
        id_ = server.put(f"{topic}-value", json.dumps(NEWER))
        good = bytes((0, 0, 0, 0, id_)) + b"\2\0\0"
        values = [good, b"{}", b"\0\0\0\0\x63zz", good[:6], good]
        async with world.producer() as producer:
            await producer.send_batch([{"topic": topic, "value": value} for value in values])
        handled: list[ConsumerRecord] = []
        config = reading(
            world, server, valueDeserializer="avro", onHandlerFailure="dead-letter",
            handlerRetries=1,
        )  # fmt: skip
        server.fail(Fault(503), times=2)
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(topic)
            with pytest.raises(Unavailable):
                await consumer.run(handled.append)
            assert (handled, consumer.dead_lettered) == ([], 0)
            server.fail(Fault(503))
            await consumer.start(handled.append)
            await until(lambda: len(handled) == 2)
            assert consumer.dead_lettered == 3
            await consumer.stop()
            assert (await consumer.committed())[topic, 0] == 5
        assert [record.value["id"] for record in handled] == [1, 1]
        async with world.reader() as reader:
            records = await reader.consume(dead_letter_topic(topic), 0, 0)
        letters = [DeadLetter.decode(record.value) for record in records]
        assert [letter.value for letter in letters] == values[1:4]
        assert {letter.error.stage for letter in letters} == {"deserialize"}
        assert "schema 99" in letters[1].error.message

    asyncio.run(go())


def test_a_registry_that_denies_stops_the_consumer(embedded: World, server: RegistryServer) -> None:
    """It is no fault of the records: not one of them is put aside."""

    async def go() -> None:
        topic = await embedded.topic()
        async with embedded.producer() as producer:
            await producer.send({"topic": topic, "value": b"\0\0\0\0\1x"})
        server.authorization = "Bearer x"
        config = reading(embedded, server, valueDeserializer="avro", onHandlerFailure="skip")
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(topic)
            with pytest.raises(Invalid, match="does not allow it"):
                await consumer.run(lambda record: None)
            with pytest.raises(Invalid, match="does not allow it"):
                await poll_all(consumer, 1)
            assert consumer.skipped == 0
            server.authorization = None
            server.put("s", '"string"')
            await consumer.poll(500)  # now it is: the text is cut off
            assert consumer.skipped == 1

    asyncio.run(go())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"valueSerializer": "avro"}, "needs a schemaRegistry"),
        ({"keySerializer": "protobuf"}, "needs a schemaRegistry"),
        ({"schemaRegistry": "http://x"}, "by their names use it"),
        ({"schemaRegistry": "http://x", "valueSerializer": "json"}, "by their names use it"),
        ({"schemaRegistry": "x:80", "valueSerializer": "avro"}, "it is not http"),
        ({"schemaRegistry": {"url": "http://x", "nope": 1}, "valueSerializer": "avro"}, "nope"),
    ],
)
def test_settings_that_do_not_go_together(config: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        ProducerConfig.from_dict(config)
    config = {name.replace("Serializer", "Deserializer"): each for name, each in config.items()}
    with pytest.raises(Invalid, match=said):
        ConsumerConfig.from_dict({"groupId": "g", **config})


def test_a_configuration_may_be_written_and_read_again() -> None:
    config = ProducerConfig.from_dict(
        {"schemaRegistry": {"url": "http://x", "bearerToken": "t"}, "valueSerializer": "avro"}
    )
    assert ProducerConfig.from_dict(config.to_dict()) == config
    snake = {"schema_registry": {"url": "http://x", "bearer_token": "t"}}
    assert ProducerConfig.from_dict({"value_serializer": "avro", **snake}) == config
