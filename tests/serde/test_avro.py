"""Avro: round trips of random schemas, evolution, references, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from tests.serde.avro_values import schemas_with_values
from tests.serde.registry_server import Fault, RegistryServer

from summit.base.clock import ManualClock
from summit.base.errors import Corrupt, Invalid, SummitError, Unavailable
from summit.serde import AvroSerde, Schema, SchemaReference, SchemaRegistry

ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
NEWER = {
    **ORDER,
    "fields": [
        *ORDER["fields"],
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    ],
}


async def write(serde: Any, value: Any, topic: str = "orders") -> bytes:
    data = serde.serialize(topic, value, {})
    return await data if inspect.isawaitable(data) else data


async def read(serde: Any, data: bytes, topic: str = "orders") -> Any:
    value = serde.deserialize(topic, data, {})
    return await value if inspect.isawaitable(value) else value


@given(schemas_with_values())
def test_plain_values_come_back(made: Any) -> None:
    schema, values = made
    serde = AvroSerde(schema)
    for value in values:
        assert serde.deserialize("t", serde.serialize("t", value, {}), {}) == value
    assert AvroSerde(json.dumps(schema)).serialize("t", values[0], {}) == serde.serialize(
        "t", values[0], {}
    )


@settings(max_examples=25)
@given(schemas_with_values())
def test_values_come_back_through_a_registry(made: Any) -> None:
    schema, values = made

    async def go(server: RegistryServer) -> None:
        async with SchemaRegistry(server.url) as registry:
            writer, reader = AvroSerde(schema, registry=registry), AvroSerde(registry=registry)
            for value in values:
                data = await write(writer, value)
                assert data[:5] == bytes(4) + b"\1"
                assert data[5:] == AvroSerde(schema).serialize("t", value, {})
                assert await read(reader, data) == value

    with RegistryServer() as server:
        asyncio.run(go(server))
        assert len(server.requests) == 1 + 1  # registered once, read once


class Line(msgspec.Struct):
    sku: str
    at: datetime


@dataclasses.dataclass
class Basket:
    lines: list[Line]
    total: Decimal


BASKET = {
    "type": "record",
    "name": "Basket",
    "fields": [
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {"name": "sku", "type": "string"},
                        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                    ],
                },
            },
        },
        {
            "name": "total",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
    ],
}


def test_structs_and_dataclasses() -> None:
    serde = AvroSerde(BASKET, type=Basket)
    basket = Basket([Line("a", datetime(2026, 1, 2, tzinfo=UTC))], Decimal("1.25"))
    assert serde.deserialize("t", serde.serialize("t", basket, {}), {}) == basket
    with pytest.raises(Corrupt, match="missing required field `sku`"):
        AvroSerde(ORDER, type=Line).deserialize("t", b"\2\0", {})
    with pytest.raises(Invalid, match="Encoding objects of type object is unsupported"):
        serde.serialize("t", object(), {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"id": 2**31}, "shop.Order.id is <2147483648>"),
        ({"id": 1.5}, "shop.Order.id"),
        ({"id": True}, "shop.Order.id"),
        ({"id": "1"}, "shop.Order.id"),
        ({}, "shop.Order.id"),
        ({"id": 1, "note": 5}, "shop.Order.note"),
        ({"id": 1, "nite": "x"}, "nite"),
        (5, "expected"),
        ([], "expected"),
    ],
)
def test_a_value_of_another_shape_is_refused_by_its_field(value: Any, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        AvroSerde(ORDER).serialize("orders", value, {})
    assert caught.value.code == "record.unserializable"
    assert said in str(caught.value)
    assert "orders" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\2", b"\2\4", b"\2\0\0", b"\2\2\x7fabc", b"\xff" * 20])
def test_bytes_of_another_shape_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        AvroSerde(ORDER).deserialize("orders", data, {})
    assert caught.value.code == "record.undeserializable"


CHAIN = {
    "type": "record",
    "name": "Chain",
    "fields": [{"name": "next", "type": ["null", "Chain"]}],
}


def test_a_schema_that_uses_itself_cannot_end_the_process() -> None:
    serde = AvroSerde(CHAIN)
    value: Any = None
    for _ in range(50):
        value = {"next": value}
    assert serde.deserialize("t", serde.serialize("t", value, {}), {}) == value
    with pytest.raises(Corrupt, match="recursion"):
        serde.deserialize("t", b"\2" * 1_000_000 + b"\0", {})
    for _ in range(20_000):
        value = {"next": value}
    with pytest.raises(Invalid, match="recursion"):
        serde.serialize("t", value, {})
    while value is not None:  # not all at once, which would go as deep
        value = value["next"]


EMPTY = {"type": "record", "name": "E", "fields": [{"name": "n", "type": "null"}]}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": "null"},
        {"type": "map", "values": {"type": "array", "items": EMPTY}},
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "e", "type": EMPTY},
                {"name": "l", "type": {"type": "array", "items": "E"}},
            ],
        },
        {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},
    ],
)
def test_arrays_without_a_bound_are_refused(schema: Any) -> None:
    with pytest.raises(Invalid, match="no bound") as caught:
        AvroSerde(schema)
    assert caught.value.code == "schema.invalid"


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        '{"type": "strange"}',
        {"type": "record"},
        "Unknown",
        5,
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "Lost"}]},
    ],
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(Invalid) as caught:
        AvroSerde(schema)
    assert caught.value.code == "schema.invalid"


def test_a_reader_reads_what_older_and_newer_writers_wrote(server: RegistryServer) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            old, new = AvroSerde(ORDER, registry=registry), AvroSerde(NEWER, registry=registry)
            first = await write(old, {"id": 1})
            second = await write(new, {"id": 2, "tags": ["x"]})
            assert first[:5] != second[:5]
            assert await read(new, first) == {"id": 1, "note": None, "tags": []}
            assert await read(old, second) == {"id": 2, "note": None}
            bare = AvroSerde(registry=registry)
            assert await read(bare, first) == {"id": 1, "note": None}
            assert await read(bare, second) == {"id": 2, "note": None, "tags": ["x"]}
            other = AvroSerde(
                {**ORDER, "fields": [{"name": "id", "type": "string"}]}, registry=registry
            )
            with pytest.raises(Corrupt, match="as Avro"):
                await read(other, first)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("topic", "orders-key"),
        ("record", "shop.Order"),
        ("topic-record", "orders-shop.Order"),
        (lambda topic, part, record: f"{part}/{record}/{topic}", "key/shop.Order/orders"),
    ],
)
def test_subject_strategies(server: RegistryServer, strategy: Any, subject: str) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            serde = AvroSerde(ORDER, registry=registry, subject=strategy)
            await write(serde.for_part("key"), {"id": 1})
        assert list(server.subjects) == [subject]

    asyncio.run(go())


def test_what_is_not_to_be_registered_is_looked_up(server: RegistryServer) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            serde = AvroSerde(ORDER, registry=registry, auto_register=False)
            for _ in range(2):
                with pytest.raises(Invalid) as caught:
                    await write(serde, {"id": 1})
                assert caught.value.code == "registry.not_found"
            assert server.subjects == {}
            text = json.dumps(ORDER, separators=(",", ":"))
            server.put("orders-value", '"int"')
            server.put("orders-value", text)
            assert (await write(serde, {"id": 1}))[:5] == b"\0\0\0\0\2"

    asyncio.run(go())


def test_the_newest_schema_of_the_subject(server: RegistryServer) -> None:
    """With a schema of one's own or without; it is asked for again when it is old."""
    clock = ManualClock()

    async def go() -> None:
        async with SchemaRegistry({"url": server.url, "retries": 0}, clock=clock) as registry:
            for serde in (
                AvroSerde(registry=registry),
                AvroSerde(ORDER, registry=registry, use_latest=True),
            ):
                server.subjects.clear()
                clock.advance(60_001)
                with pytest.raises(Invalid, match="orders-value"):
                    await write(serde, {"id": 1})
                first = server.put("orders-value", json.dumps(ORDER))
                assert (await write(serde, {"id": 1}))[4] == first
                second = server.put("orders-value", json.dumps(NEWER))
                assert isinstance(serde.serialize("orders", {"id": 1}, {}), bytes)
                clock.advance(60_001)
                server.fail(Fault(503))
                assert (await write(serde, {"id": 1}))[4] == first  # the registry is away
                clock.advance(60_001)
                assert (await write(serde, {"id": 1, "tags": ["t"]}))[4] == second

    asyncio.run(go())


def test_references_and_several_kinds_in_a_topic(server: RegistryServer) -> None:
    """A union of records that stand in subjects of their own."""
    item = {
        "type": "record",
        "name": "Item",
        "namespace": "shop",
        "fields": [{"name": "sku", "type": "string"}],
    }
    order = {
        "type": "record", "name": "Order", "namespace": "shop",
        "fields": [
            {"name": "items", "type": {"type": "array", "items": "shop.Item"}},
            {"name": "first", "type": "Item"},
        ],
    }  # fmt: skip

    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            await registry.register("item", Schema(json.dumps(item)))
            uses_item = SchemaReference("shop.Item", "item", 1)
            await registry.register("order", Schema(json.dumps(order), references=(uses_item,)))
            serde = AvroSerde(
                ["shop.Item", "shop.Order"],
                registry=registry,
                references=[uses_item, SchemaReference("shop.Order", "order", 1)],
            )
            values = [{"sku": "a"}, {"items": [{"sku": "b"}], "first": {"sku": "c"}}]
            data = [await write(serde, value) for value in values]
            for reader in (serde, AvroSerde(registry=registry)):
                assert [await read(reader, each) for each in data] == values
            named = AvroSerde(order, registry=registry, references=[uses_item], subject="record")
            assert await read(named, await write(named, values[1])) == values[1]
            assert "shop.Order" in server.subjects
            with pytest.raises(Invalid, match="schema with a name"):
                await write(AvroSerde('"int"', registry=registry, subject="record"), 1)

    asyncio.run(go())


def test_records_of_an_unknown_schema_are_the_records_fault(server: RegistryServer) -> None:
    """A registry that is away, or closed to us, is not."""
    server.put("p", "{}", "PROTOBUF")
    server.put("bad", '{"type": "array", "items": "null"}')

    async def go() -> None:
        async with SchemaRegistry({"url": server.url, "retries": 0}) as registry:
            serde = AvroSerde(registry=registry)
            for data, said in (
                (b"", "does not begin"),
                (b"{}", "does not begin with a schema's id"),
                (b"\1\0\0\0\1", "does not begin"),
                (b"\0\0\0\0\x63x", "schema 99"),
                (b"\0\0\0\0\1x", "of type PROTOBUF"),
                (b"\0\0\0\0\2x", "no bound"),
            ):
                with pytest.raises(Corrupt, match=said) as caught:
                    await read(serde, data)
                assert caught.value.code == "record.undeserializable"
            for fault, kind in ((Fault(500), Unavailable), (Fault(403), Invalid)):
                server.fail(fault)
                with pytest.raises(kind) as other:
                    await read(serde, b"\0\0\0\0\x05x")
                assert isinstance(other.value, SummitError)
                assert other.value.code != "record.undeserializable"

    asyncio.run(go())


def test_it_needs_a_schema_or_a_registry(server: RegistryServer) -> None:
    with pytest.raises(Invalid):
        AvroSerde()
    with pytest.raises(Invalid):
        AvroSerde(ORDER, use_latest=True)
    with pytest.raises(Invalid, match="did you mean 'record'"):
        AvroSerde(ORDER, registry=SchemaRegistry(server.url), subject="recrod")
    with pytest.raises(Invalid):
        AvroSerde("shop.Item", references=[SchemaReference("shop.Item", "i", 1)])
