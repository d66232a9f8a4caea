"""Confluent's own serializers as a peer: theirs reads ours, ours reads theirs."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.serde.avro_values import schemas_with_values
from tests.serde.proto_files import Deep, Line, Money, Note, Order, Other
from tests.serde.registry_server import RegistryServer
from tests.serde.test_avro import read, write
from tests.serde.test_protobuf import ORDER

from summit.serde import AvroSerde, JsonSchemaSerde, ProtobufSerde, SchemaRegistry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they import warns of what will be
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
    from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

pytestmark = pytest.mark.interop
CONTEXT = SerializationContext("orders", MessageField.VALUE)


@pytest.fixture
def theirs(server: RegistryServer) -> Iterator[Any]:
    with SchemaRegistryClient({"url": server.url}) as client:
        yield client


def both(server: RegistryServer, use: Any) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            await use(registry)

    asyncio.run(go())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(schemas_with_values())
def test_avro_both_ways(server: RegistryServer, theirs: Any, made: Any) -> None:
    """The same bytes, from the same schema under the same id."""
    schema, values = made
    server.levels["orders-value"] = "NONE"
    text = json.dumps(schema, separators=(",", ":"))

    async def use(registry: SchemaRegistry) -> None:
        ours, plain = AvroSerde(text, registry=registry), AvroSerde(registry=registry)
        serializer = AvroSerializer(theirs, text)
        deserializer = AvroDeserializer(theirs)
        for value in values:
            data = await write(ours, value)
            assert serializer(value, CONTEXT) == data
            if len(data) > 5:  # they refuse a record that has no bytes, such as one null
                assert deserializer(data, CONTEXT) == value
            assert await read(plain, data) == value

    both(server, use)


@pytest.mark.parametrize(
    "message", [Other(id=7), ORDER, Line(sku="a"), Note(text="x"), Deep(), Money(units=-1)]
)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_protobuf_both_ways(server: RegistryServer, theirs: Any, message: Any, first: str) -> None:
    """Whoever registers first: the other finds the same schemas, imports among them."""

    async def use(registry: SchemaRegistry) -> None:
        kind = type(message)
        ours = ProtobufSerde(kind, registry=registry)
        serializer = ProtobufSerializer(kind, theirs)
        deserializer = ProtobufDeserializer(kind, {}, theirs)
        if first == "theirs":
            data = serializer(message, CONTEXT)
            assert await write(ours, message) == data
        else:
            data = await write(ours, message)
            assert serializer(message, CONTEXT) == data
        assert deserializer(data, CONTEXT) == message
        assert await read(ours, data) == message
        dynamic = await read(ProtobufSerde(registry=registry), data)
        assert dynamic.SerializeToString() == message.SerializeToString()
        assert len(server.subjects["orders-value"]) == 1

    both(server, use)


def test_they_read_our_order_with_its_parts(server: RegistryServer, theirs: Any) -> None:
    """Not only equal to itself: the fields as they were set."""

    async def use(registry: SchemaRegistry) -> None:
        data = await write(ProtobufSerde(Order, registry=registry), ORDER)
        order = ProtobufDeserializer(Order, {}, theirs)(data, CONTEXT)
        assert (order.id, order.lines[0].count, order.price.units) == ("o-1", -2, 5)

    both(server, use)


def test_json_schema_both_ways(server: RegistryServer, theirs: Any) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "type": "object",
        "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
        "required": ["id"],
    }
    text = json.dumps(schema, separators=(",", ":"))
    value = {"id": 1, "tags": ["ü"]}

    async def use(registry: SchemaRegistry) -> None:
        ours, bare = JsonSchemaSerde(text, registry=registry), JsonSchemaSerde(registry=registry)
        mine = await write(ours, value)
        their = JSONSerializer(text, theirs)(value, CONTEXT)
        assert mine[:5] == their[:5]
        for data in (mine, their):
            assert JSONDeserializer(text, None, theirs)(data, CONTEXT) == value
            assert await read(ours, data) == await read(bare, data) == value

    both(server, use)
