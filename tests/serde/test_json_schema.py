"""JSON Schema: what fits comes back, what does not is named, nothing is fetched from elsewhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serde.registry_server import RegistryServer
from tests.serde.test_avro import read, write

from summit.base.errors import Corrupt, Invalid
from summit.serde import JsonSchemaSerde, Schema, SchemaReference, SchemaRegistry

ORDER = {
    "title": "Order",
    "type": "object",
    "properties": {
        "id": {"type": "integer", "minimum": 0},
        "lines": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["id"],
    "additionalProperties": False,
}


class Order(msgspec.Struct, omit_defaults=True):
    id: int
    lines: list[str] = []


@given(st.integers(0, 2**63 - 1), st.lists(st.text(st.characters(codec="utf-8"))))
def test_what_fits_comes_back(id_: int, lines: list[str]) -> None:
    for schema in (ORDER, json.dumps(ORDER)):
        serde, typed = JsonSchemaSerde(schema), JsonSchemaSerde(schema, type=Order)
        data = typed.serialize("t", Order(id_, lines), {})
        assert typed.deserialize("t", data, {}) == Order(id_, lines)
        assert serde.deserialize("t", data, {}) == json.loads(data)


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ({"id": -1}, "/id", "minimum"),
        ({"id": 1, "lines": ["a", 5]}, "/lines/1", "string"),
        ({}, "", "id"),
        ({"id": 1, "lime": 5}, "", "lime"),
        ([], "", "object"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, path: str, said: str) -> None:
    serde = JsonSchemaSerde(ORDER)
    with pytest.raises(Invalid, match=said) as caught:
        serde.serialize("orders", value, {})
    assert caught.value.code == "record.unserializable"
    assert caught.value.details["path"] == path
    with pytest.raises(Corrupt, match=said):
        serde.deserialize("orders", json.dumps(value).encode(), {})
    with pytest.raises(Corrupt):
        serde.deserialize("orders", b"{", {})


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        {"type": "strange"},
        {"$ref": "http://127.0.0.1:9/x.json"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "#/$defs/lost"},
        5,
    ],
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(Invalid) as caught:
        JsonSchemaSerde(schema)
    assert caught.value.code == "schema.invalid"


def test_through_a_registry(server: RegistryServer) -> None:
    """With a schema of one's own, by the newest, and with references by name or by address."""

    async def go() -> None:
        async with SchemaRegistry(server.url) as registry:
            serde = JsonSchemaSerde(ORDER, registry=registry, subject="topic-record")
            data = await write(serde, {"id": 1})
            assert data == b'\0\0\0\0\1{"id":1}'
            assert list(server.subjects) == ["orders-Order"]
            server.put("orders-value", json.dumps({"type": "integer"}), "JSON")
            latest = JsonSchemaSerde(registry=registry)
            assert await write(latest, 5) == b"\0\0\0\0\0025"
            with pytest.raises(Invalid, match="integer"):
                await write(latest, "x")
            assert await read(latest, data) == {"id": 1}
            with pytest.raises(Corrupt, match="integer"):
                await read(latest, b'\0\0\0\0\2"x"')
            server.put("avro", '"int"')
            with pytest.raises(Corrupt, match="of type AVRO"):
                await read(latest, b"\0\0\0\0\0035")
            await registry.register("item", Schema('{"type":"string"}', "JSON"))
            for name in ("item.json", "http://shop.example/item.json"):
                uses = JsonSchemaSerde(
                    {"type": "array", "items": {"$ref": name}},
                    registry=registry,
                    references=[SchemaReference(name, "item", 1)],
                )
                array = await write(uses, ["a"], "arrays")
                assert await read(uses, array) == await read(latest, array) == ["a"]
                with pytest.raises(Invalid, match="string"):
                    await write(uses, [5], "arrays")

    asyncio.run(go())


def test_it_needs_a_schema_or_a_registry() -> None:
    with pytest.raises(Invalid):
        JsonSchemaSerde()
    with pytest.raises(Invalid):
        JsonSchemaSerde({"$ref": "a"}, references=[SchemaReference("a", "a", 1)])
