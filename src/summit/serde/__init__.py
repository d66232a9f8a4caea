"""Serializers and deserializers of keys and values: plain formats, and those that have a schema."""

from summit.serde.named import SerializationFormat, check_name, deserializer_of, serializer_of
from summit.serde.plain import BytesSerde, JsonSerde, MsgpackSerde, StringSerde
from summit.serde.protocol import (
    PARTS,
    Deserializer,
    HeaderMap,
    Part,
    Serializer,
    undeserializable,
    unserializable,
)

__all__ = [
    "BytesSerde",
    "Deserializer",
    "HeaderMap",
    "JsonSerde",
    "MsgpackSerde",
    "PARTS",
    "Part",
    "SerializationFormat",
    "Serializer",
    "StringSerde",
    "check_name",
    "deserializer_of",
    "serializer_of",
    "undeserializable",
    "unserializable",
]
