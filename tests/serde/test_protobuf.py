"""Protobuf: round trips, which message of which file it is, imports, and what is refused."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serde.proto_files import (
    MONEY,
    ORDERS,
    Deep,
    Line,
    Money,
    Note,
    Order,
    Other,
    message_class,
    pool_of,
)
from tests.serde.registry_server import Fault, RegistryServer
from tests.serde.test_avro import read, write

from summit.base.errors import Corrupt, Invalid, Unavailable
from summit.serde import ProtobufSerde, SchemaRegistry
from summit.serde.wire_format import decode_indexes, encode_indexes

ORDER = Order(
    id="o-1",
    lines=[Line(sku="a", count=-2)],
    price=Money(units=5),
    at={"seconds": 3},
    weight=1.5,
)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=8).map(tuple), st.binary())
def test_indexes_come_back(indexes: tuple[int, ...], rest: bytes) -> None:
    data = b"x" + encode_indexes(indexes) + rest
    assert decode_indexes("t", data, 1) == (indexes, len(data) - len(rest))


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02", b"\xff" * 12, b"\xfe\xff\x7f", b"\x04\x02"]
)
def test_indexes_that_cannot_be_are_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_indexes("t", data, 0)


@given(st.text(st.characters(codec="utf-8")), st.lists(st.integers(-(2**31), 2**31 - 1)))
def test_plain_messages_come_back(id_: str, counts: list[int]) -> None:
    serde = ProtobufSerde(Order)
    order = Order(id=id_, lines=[Line(sku="ü", count=count) for count in counts])
    data = serde.serialize("t", order, {})
    assert data == order.SerializeToString()
    assert serde.deserialize("t", data, {}) == order


@pytest.mark.parametrize(
    ("message", "indexes"),
    [
        (Other(id=7), b"\x00"),
        (ORDER, b"\x02\x02"),
        (Line(sku="a"), b"\x04\x02\x00"),
        (Note(text="x"), b"\x04\x02\x02"),
        (Deep(), b"\x06\x02\x02\x00"),
    ],
)
def test_the_wire_format(server: RegistryServer, message: Any, indexes: bytes) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            for serde in (
                ProtobufSerde(type(message), registry=registry),
                ProtobufSerde(registry=registry),
            ):
                data = await write(serde, message)
                id_ = server.subjects["orders-value"][1]
                assert data == bytes((0, 0, 0, 0, id_)) + indexes + message.SerializeToString()
                back = await read(serde, data)
                assert back.SerializeToString() == message.SerializeToString()
                assert back.DESCRIPTOR.full_name == message.DESCRIPTOR.full_name
                assert await read(serde, data) == back
        assert set(server.subjects) == {"orders-value", "shop/money.proto"}

    asyncio.run(go())


def test_a_message_of_another_type_is_refused(server: RegistryServer) -> None:
    """It might be read as the wanted one without an error: only its name tells."""

    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            anything = ProtobufSerde(registry=registry, subject="topic-record")
            data = [await write(anything, each) for each in (Other(id=1), Money(units=5))]
            assert "orders-shop.Other" in server.subjects
            only_others = ProtobufSerde(Other, registry=registry)
            assert (await read(only_others, data[0])).id == 1
            with pytest.raises(Corrupt, match=r"it is a shop.Money, not a shop.Other"):
                await read(only_others, data[1])
            with pytest.raises(Corrupt, match="no message"):
                await read(anything, data[0][:5] + b"\x02\x12")
            with pytest.raises(Corrupt, match="as Protobuf"):
                await read(only_others, data[0] + b"\xff")
            for wrong in (5, b"x", Money()):
                with pytest.raises(Invalid, match=r"it is no shop\.Other"):
                    await write(only_others, wrong)
            with pytest.raises(Invalid, match="Protobuf message"):
                await write(anything, {"id": 1})

    asyncio.run(go())


def test_schemas_that_stand_there_as_text(server: RegistryServer) -> None:
    """As Java's serializers register them; then the registry is asked for descriptors."""
    money, orders = 'syntax = "proto3"; // money', 'syntax = "proto3"; // orders'
    for text, file in ((money, MONEY), (orders, ORDERS)):
        server.descriptors[text] = base64.b64encode(file.SerializeToString()).decode()
    server.put("money", money, "PROTOBUF")
    uses = [{"name": "shop/money.proto", "subject": "money", "version": 1}]
    server.put("orders-value", orders, "PROTOBUF", uses)

    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            data = b"\0\0\0\0\2\2\2" + ORDER.SerializeToString()
            assert await read(ProtobufSerde(Order, registry=registry), data) == ORDER
            found = await read(ProtobufSerde(registry=registry), data)
            assert found.SerializeToString() == ORDER.SerializeToString()
            with pytest.raises(Corrupt, match=r"it is a shop\.Order, not a shop\.Other"):
                await read(ProtobufSerde(Other, registry=registry), data)

    asyncio.run(go())


def test_a_registry_that_gives_only_text(server: RegistryServer) -> None:
    """Enough for a class of one's own and its place in the file, too little without."""
    server.put("orders-value", 'syntax = "proto3"; package shop; message Other {}', "PROTOBUF")
    server.put("orders-value", '"int"')

    async def go() -> None:
        async with SchemaRegistry({"url": server.url, "retries": 0}) as registry:
            data = b"\0\0\0\0\1\0" + Other(id=7).SerializeToString()
            assert (await read(ProtobufSerde(Other, registry=registry), data)).id == 7
            with pytest.raises(Corrupt, match="another message"):
                await read(ProtobufSerde(Order, registry=registry), data)
            with pytest.raises(Unavailable, match="cannot make a descriptor"):
                await read(ProtobufSerde(registry=registry), data)
            with pytest.raises(Corrupt, match="of type AVRO"):
                await read(ProtobufSerde(Other, registry=registry), b"\0\0\0\0\2\0")
            server.fail(Fault(503))
            with pytest.raises(Unavailable):
                await read(ProtobufSerde(Other, registry=registry), b"\0\0\0\0\3\0")

    asyncio.run(go())


def test_the_newest_schema_may_number_messages_otherwise(server: RegistryServer) -> None:
    newer = type(ORDERS)()
    newer.CopyFrom(ORDERS)
    first, second = list(newer.message_type)
    del newer.message_type[:]
    newer.message_type.extend([second, first])
    pool = pool_of(MONEY, newer)

    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            await write(
                ProtobufSerde(message_class("Other", pool), registry=registry),
                message_class("Other", pool)(),
            )
            serde = ProtobufSerde(Other, registry=registry, use_latest=True)
            data = await write(serde, Other(id=3))
            assert data[5:7] == b"\x02\x02"  # the second one there, the first one here
            assert (await read(serde, data)).id == 3
            gone = ProtobufSerde(Money, registry=registry, use_latest=True)
            with pytest.raises(Invalid, match=r"no message shop.Money"):
                await write(gone, Money())

    asyncio.run(go())


def test_imports_that_are_not_registered(server: RegistryServer) -> None:
    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            serde = ProtobufSerde(Order, registry=registry, auto_register=False)
            with pytest.raises(Invalid, match=r"shop/money.proto"):
                await write(serde, ORDER)
            assert server.subjects == {}

    asyncio.run(go())


def test_it_needs_a_class_or_a_registry() -> None:
    for wrong in (None, int, ORDER, "Order"):
        with pytest.raises(Invalid):
            ProtobufSerde(wrong)
