"""What a user may give as a serializer."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.serde import (
    JsonSerde,
    SchemaRegistry,
    SerializationFormat,
    deserializer_of,
    serializer_of,
)


@pytest.mark.parametrize("name", ["string", "json", "msgpack"])
def test_a_name_works_both_ways(name: str) -> None:
    data = serializer_of(name, "value").serialize("t", "x", {})
    assert deserializer_of(SerializationFormat(name), "key").deserialize("t", data, {}) == "x"  # type: ignore[arg-type]


def test_objects_and_functions() -> None:
    serde = JsonSerde()
    assert serializer_of(serde, "value") is serde
    assert serializer_of(str.encode, "value").serialize("t", "x", {}) == b"x"
    assert deserializer_of(len, "value").deserialize("t", b"abc", {}) == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jason", "did you mean 'json'"),
        (5, "no method 'serialize'"),
        (JsonSerde, "make an instance"),
    ],
)
def test_anything_else_is_refused(given: Any, said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        serializer_of(given, "key")
    assert caught.value.code == "serde.unknown"


def test_keys_and_values_may_be_treated_apart() -> None:
    class Apart:
        def __init__(self, part: str = "") -> None:
            self.part = part

        def for_part(self, part: str) -> Apart:
            return Apart(part)

        def serialize(self, topic: str, value: Any, headers: Any) -> bytes:
            return self.part.encode()

    assert serializer_of(Apart(), "key").serialize("t", 1, {}) == b"key"


@pytest.mark.parametrize(
    ("name", "module"),
    [("avro", "fastavro"), ("protobuf", "google.protobuf"), ("json-schema", "jsonschema_rs")],
)
def test_a_format_whose_library_is_not_there_says_what_to_install(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = SchemaRegistry("http://127.0.0.1:1")
    assert serializer_of(name, "key", registry) is not deserializer_of(name, "key", registry)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Invalid) as caught:
        serializer_of(name, "key", registry)
    assert f"pip install 'summit-streams[{name.replace('-', '')}]'" in str(caught.value)


@pytest.mark.parametrize("name", ["avro", "protobuf", "json-schema"])
def test_a_format_with_a_schema_needs_a_registry(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        deserializer_of(name, "value")
    assert caught.value.code == "serde.no_registry"
