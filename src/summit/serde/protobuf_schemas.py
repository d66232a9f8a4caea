"""Protobuf schemas: which message of which file, and files that only the registry knows.

A file is registered as the base64 of its FileDescriptorProto, under the names of the files that it
imports; those that come with Protobuf itself are not registered. Messages are numbered as they
stand in the descriptor, the entries of maps among them.
"""

from __future__ import annotations

import importlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any, Final

from summit.base.errors import Invalid
from summit.serde.schemas import Schema

_WHAT: Final = "Protobuf"
_WITH_PROTOBUF: Final = (  # each behind those it imports
    "any", "source_context", "type", "api", "descriptor", "duration", "empty", "field_mask",
    "struct", "timestamp", "wrappers",
)  # fmt: skip


def load() -> Any:
    """Protobuf's `message` module. Raises Invalid("extra.missing")."""
    try:
        from google.protobuf import message
    except ImportError as error:
        raise Invalid("extra.missing", what=_WHAT, extra="protobuf") from error
    return message


def is_with_protobuf(file: str) -> bool:
    """Whether a .proto file comes with Protobuf itself."""
    return file.startswith("google/protobuf/")


def indexes_of(descriptor: Any) -> tuple[int, ...]:
    """Which message of its file it is: the place at each level of nesting, outermost first."""
    indexes: list[int] = []
    current = descriptor
    while current.containing_type is not None:
        names = [each.full_name for each in current.containing_type.nested_types]
        indexes.append(names.index(current.full_name))
        current = current.containing_type
    indexes.append(list(current.file.message_types_by_name).index(current.name))
    return tuple(reversed(indexes))


def text_of(file: Any) -> str:
    """A file's descriptor as the registry takes it."""
    return b64encode(file.serialized_pb).decode()


def is_descriptor(schema: Schema) -> bool:
    """Whether the schema's text is a descriptor, not a .proto file."""
    from google.protobuf import descriptor_pb2

    try:
        _proto(descriptor_pb2, schema)
    except Invalid:
        return False
    return True


def file_of(schema: Schema, references: Mapping[str, Schema]) -> Any:
    """The descriptor of a registered file, in a pool of its own.

    Args:
        schema: Its text is the base64 of a FileDescriptorProto, as those of the references.
        references: The files that it imports, each behind those it imports itself.
    Raises: Invalid("schema.invalid").
    """
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for name in _WITH_PROTOBUF:
        module = importlib.import_module(f"google.protobuf.{name}_pb2")
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    try:
        for name, used in references.items():
            if is_with_protobuf(name):
                continue
            proto = _proto(descriptor_pb2, used)
            proto.name = name  # registries may call it otherwise
            pool.AddSerializedFile(proto.SerializeToString())
        proto = _proto(descriptor_pb2, schema)
        if not proto.name:
            proto.name = "default.proto"
        pool.AddSerializedFile(proto.SerializeToString())
        return pool.FindFileByName(proto.name)
    except (TypeError, KeyError, ValueError) as error:
        raise Invalid("schema.invalid", what=_WHAT, reason=str(error)) from error


def message_of(file: Any, indexes: tuple[int, ...]) -> Any:
    """The message of a file that the indexes name. Raises IndexError."""
    if min(indexes) < 0:
        raise IndexError(indexes)
    current = list(file.message_types_by_name.values())[indexes[0]]
    for index in indexes[1:]:
        current = current.nested_types[index]
    return current


def find_message(file: Any, name: str) -> Any:
    """The message of that full name in a file. Raises Invalid("schema.invalid")."""
    try:
        found = file.pool.FindMessageTypeByName(name)
    except KeyError:
        found = None
    if found is None or found.file.name != file.name:
        raise Invalid("schema.invalid", what=_WHAT, reason=f"it has no message {name}")
    return found


def _proto(descriptor_pb2: Any, schema: Schema) -> Any:
    if schema.type != "PROTOBUF":
        raise Invalid("schema.invalid", what=_WHAT, reason=f"it is of type {schema.type}")
    from google.protobuf.message import DecodeError

    try:
        return descriptor_pb2.FileDescriptorProto.FromString(b64decode(schema.text, validate=True))
    except (Base64Error, ValueError, DecodeError) as error:
        reason = "the registry did not give its descriptor (format=serialized)"
        raise Invalid("schema.invalid", what=_WHAT, reason=reason) from error
