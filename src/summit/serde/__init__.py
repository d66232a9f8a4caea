"""Serializers and deserializers of keys and values: plain formats, and those that have a schema."""

from summit.serde.as_json import to_json
from summit.serde.avro import AvroSerde
from summit.serde.json_schema import JsonSchemaSerde
from summit.serde.named import (
    REGISTRY_FORMATS,
    SerializationFormat,
    check_name,
    deserializer_of,
    serializer_of,
)
from summit.serde.plain import BytesSerde, JsonSerde, MsgpackSerde, StringSerde
from summit.serde.protobuf import ProtobufSerde
from summit.serde.protocol import (
    PARTS,
    Deserializer,
    HeaderMap,
    Part,
    Serializer,
    undeserializable,
    unserializable,
)
from summit.serde.registry import SchemaRegistry
from summit.serde.registry_settings import SchemaRegistryConfig
from summit.serde.schemas import Compatibility, RegisteredSchema, Schema, SchemaReference
from summit.serde.subjects import SubjectStrategy

__all__ = [
    "AvroSerde",
    "Compatibility",
    "ProtobufSerde",
    "REGISTRY_FORMATS",
    "RegisteredSchema",
    "Schema",
    "SchemaReference",
    "SchemaRegistry",
    "SchemaRegistryConfig",
    "SubjectStrategy",
    "BytesSerde",
    "Deserializer",
    "HeaderMap",
    "JsonSchemaSerde",
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
    "to_json",
    "undeserializable",
    "unserializable",
]
