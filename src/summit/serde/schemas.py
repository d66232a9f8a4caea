"""Schemas as a registry knows them: only data."""

from __future__ import annotations

from typing import Literal

import msgspec

SchemaType = Literal["AVRO", "PROTOBUF", "JSON"]


class SchemaReference(msgspec.Struct, frozen=True):
    """A schema that another one uses.

    Args:
        name: As it is named there: a full record name, the path of a .proto file, a URL.
        subject: Where it stands in the registry.
        version: Which version of it.
    """

    name: str
    subject: str
    version: int


class Schema(msgspec.Struct, frozen=True):
    """One schema.

    Args:
        text: Avro and JSON Schema: JSON. Protobuf: the .proto file, or the base64 of its
            FileDescriptorProto.
        type: Its language.
        references: What it uses of other subjects.
    """

    text: str
    type: SchemaType = "AVRO"
    references: tuple[SchemaReference, ...] = ()


class RegisteredSchema(msgspec.Struct, frozen=True):
    """A schema's place in the registry. The same schema has one id in all subjects."""

    subject: str
    version: int
    id: int
    schema: Schema


class Compatibility(msgspec.Struct, frozen=True):
    """Whether a schema may follow those of its subject, and what speaks against it."""

    is_compatible: bool
    messages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.is_compatible
