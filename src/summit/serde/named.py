"""Serializers by name, as a configuration names them, and whatever else a user may give."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from summit.base.config import suggestion
from summit.base.errors import Invalid
from summit.serde.avro import AvroSerde
from summit.serde.json_schema import JsonSchemaSerde
from summit.serde.plain import BytesSerde, JsonSerde, MsgpackSerde, StringSerde
from summit.serde.protobuf import ProtobufSerde
from summit.serde.protocol import (
    DeserializeFunction,
    Deserializer,
    HeaderMap,
    Part,
    Placed,
    SerializeFunction,
    Serializer,
)
from summit.serde.registry import SchemaRegistry


class SerializationFormat(StrEnum):
    """The formats that have a name."""

    BYTES = "bytes"
    STRING = "string"
    JSON = "json"
    MSGPACK = "msgpack"
    AVRO = "avro"
    PROTOBUF = "protobuf"
    JSON_SCHEMA = "json-schema"


_PLAIN: Final[dict[str, Callable[[], Any]]] = {
    SerializationFormat.BYTES: BytesSerde,
    SerializationFormat.STRING: StringSerde,
    SerializationFormat.JSON: JsonSerde,
    SerializationFormat.MSGPACK: MsgpackSerde,
}
_WITH_REGISTRY: Final[dict[SerializationFormat, Callable[[SchemaRegistry], Any]]] = {
    SerializationFormat.AVRO: lambda registry: AvroSerde(registry=registry),
    SerializationFormat.PROTOBUF: lambda registry: ProtobufSerde(registry=registry),
    SerializationFormat.JSON_SCHEMA: lambda registry: JsonSchemaSerde(registry=registry),
}

REGISTRY_FORMATS: Final = tuple(str(name) for name in _WITH_REGISTRY)


def serializer_of(given: Any, part: Part, registry: SchemaRegistry | None = None) -> Serializer:
    """What a user gave as a serializer: a name, an object with `serialize`, or a function.

    Raises: Invalid("serde.unknown"), ("serde.no_registry"), ("extra.missing").
    """
    found: Any = _resolved(given, part, "serialize", registry)
    return _SerializeCall(found) if not isinstance(found, Serializer) else found


def deserializer_of(given: Any, part: Part, registry: SchemaRegistry | None = None) -> Deserializer:
    """What a user gave as a deserializer: a name, an object with `deserialize`, or a function.

    Raises: Invalid("serde.unknown"), ("serde.no_registry"), ("extra.missing").
    """
    found: Any = _resolved(given, part, "deserialize", registry)
    return _DeserializeCall(found) if not isinstance(found, Deserializer) else found


def check_name(name: str, part: Part) -> None:
    """Raises Invalid("serde.unknown") for a name that no format has."""
    known = [each.value for each in SerializationFormat]
    if name not in known:
        raise Invalid(
            "serde.unknown", given=f"'{name}'", part=part, hint=suggestion(name, known),
            known=", ".join(known),
        )  # fmt: skip


def _resolved(given: Any, part: Part, method: str, registry: SchemaRegistry | None) -> Any:
    if isinstance(given, str):
        check_name(given, part)
        make = _PLAIN.get(given)
        if make is not None:
            given = make()
        elif registry is not None:
            given = _WITH_REGISTRY[SerializationFormat(given)](registry)
        else:
            raise Invalid("serde.no_registry", format=given, part=part)
    is_class = isinstance(given, type) and hasattr(given, method)
    if is_class or not (hasattr(given, method) or callable(given)):
        hint = ": make an instance of it" if is_class else f": it has no method '{method}'"
        raise Invalid(
            "serde.unknown", given=repr(given), part=part, hint=hint,
            known=", ".join(each.value for each in SerializationFormat),
        )  # fmt: skip
    return given.for_part(part) if isinstance(given, Placed) else given


class _SerializeCall:
    """A user's function of one argument as a serializer."""

    def __init__(self, function: SerializeFunction) -> None:
        self._function = function

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes:
        return self._function(value)


class _DeserializeCall:
    """A user's function of one argument as a deserializer."""

    def __init__(self, function: DeserializeFunction) -> None:
        self._function = function

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> Any:
        return self._function(data)
