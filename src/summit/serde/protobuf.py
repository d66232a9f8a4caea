"""`ProtobufSerde`: messages of Protobuf, by its own library."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid, SummitError
from summit.serde.protobuf_schemas import (
    file_of,
    find_message,
    indexes_of,
    is_descriptor,
    is_with_protobuf,
    load,
    message_of,
    text_of,
)
from summit.serde.protocol import undeserializable, unserializable
from summit.serde.registry import SchemaRegistry
from summit.serde.schemas import Schema, SchemaReference
from summit.serde.subjects import SubjectStrategy
from summit.serde.wire_format import decode_indexes, encode_indexes
from summit.serde.with_registry import RegistrySerde

_SERIALIZED: Final = "serialized"
_NO_DESCRIPTOR: Final = ("schema.invalid", "registry.refused", "http.unavailable")


class _Reader(NamedTuple):
    """What the registry knows of a file; `file` is None where it gave only text."""

    file: Any
    classes: dict[tuple[int, ...], Any]  # by the message's place in the file


class ProtobufSerde(RegistrySerde[Any, bytes, "_Reader | None"]):
    """Messages of Protobuf, both ways.

    Args:
        message: The generated class. None = whatever message is given is written, and read as the
            registry describes it; that needs a registry.
        registry, subject, auto_register, use_latest: See `RegistrySerde`. Imported files are
            registered too, each under its own path as the subject.
    Raises: Invalid("extra.missing"), ("config.invalid").
    """

    def __init__(
        self,
        message: Any = None,
        *,
        registry: SchemaRegistry | None = None,
        subject: str | SubjectStrategy = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
    ) -> None:
        super().__init__(
            registry, subject=subject, auto_register=auto_register, use_latest=use_latest
        )
        library = load()
        if message is None and registry is None:
            reason = "Protobuf needs a message class or a registry"
            raise Invalid("config.invalid", reason=reason, pointer="")
        if message is not None and not (
            isinstance(message, type) and issubclass(message, library.Message)
        ):
            reason = f"{message!r} is no class of Protobuf messages"
            raise Invalid("config.invalid", reason=reason, pointer="")
        self._message: Any = message
        self._base: Any = library.Message
        self._errors = (library.EncodeError, library.DecodeError, ValueError)

    # ---- the schema ----

    def _kind(self, topic: str, value: Any) -> Any:
        if not isinstance(value, self._message or self._base):
            name = self._message.DESCRIPTOR.full_name if self._message else "Protobuf message"
            raise unserializable(topic, value, f"it is no {name} but {type(value).__name__}")
        return value.DESCRIPTOR

    def _name(self, kind: Any) -> str:
        name: str = kind.full_name
        return name

    async def _schema(self, registry: SchemaRegistry, kind: Any) -> Schema:
        return await self._file_schema(registry, kind.file)

    async def _file_schema(self, registry: SchemaRegistry, file: Any) -> Schema:
        references = []
        for used in file.dependencies:
            if is_with_protobuf(used.name):
                continue
            schema = await self._file_schema(registry, used)
            if self._auto_register:
                await registry.register(used.name, schema)
            place = await registry.lookup(used.name, schema)
            references.append(SchemaReference(used.name, used.name, place.version))
        return Schema(text_of(file), "PROTOBUF", tuple(references))

    def _own_writer(self, kind: Any) -> bytes:
        return b""

    async def _writer(self, registry: SchemaRegistry, kind: Any, id_: int, schema: Schema) -> bytes:
        if self._use_latest:
            reader = await self._reader(registry, id_)
            if reader is not None and reader.file is not None:
                return encode_indexes(indexes_of(find_message(reader.file, kind.full_name)))
        return encode_indexes(indexes_of(kind))

    def _own_reader(self) -> _Reader | None:
        return None

    async def _reader(self, registry: SchemaRegistry, id_: int) -> _Reader | None:
        schema = await registry.schema(id_)
        try:
            used = await registry.references_of(schema)
            if not all(map(is_descriptor, (schema, *used.values()))):
                schema = await registry.schema(id_, format=_SERIALIZED)
                used = await registry.references_of(schema, format=_SERIALIZED)
            return _Reader(file_of(schema, used), {})
        except SummitError as error:
            # Not every registry makes a descriptor of a text; some answer with status 500 then.
            is_text = schema.type == "PROTOBUF" and error.code in _NO_DESCRIPTOR
            if self._message is None or not is_text:
                raise
            return _Reader(None, {})

    # ---- values ----

    def _write(self, writer: bytes, topic: str, value: Any) -> bytes:
        try:
            data: bytes = value.SerializeToString()
        except self._errors as error:
            raise unserializable(topic, value, str(error)) from error
        return writer + data

    def _read(self, reader: _Reader | None, topic: str, data: bytes, position: int) -> Any:
        message = self._message
        if reader is not None:
            indexes, position = decode_indexes(topic, data, position)
            message = reader.classes.get(indexes)
            if message is None:
                message = reader.classes[indexes] = self._class_of(reader, topic, indexes)
        try:
            return message.FromString(data[position:])
        except self._errors as error:
            raise undeserializable(topic, f"as Protobuf: {error}") from error

    def _class_of(self, reader: _Reader, topic: str, indexes: tuple[int, ...]) -> Any:
        """What to read the message at that place as; another one than wanted is refused."""
        if reader.file is None:
            if indexes != indexes_of(self._message.DESCRIPTOR):
                raise undeserializable(topic, f"it is another message of the file: {indexes}")
            return self._message
        try:
            written = message_of(reader.file, indexes)
        except IndexError:
            raise undeserializable(topic, f"its file has no message {indexes}") from None
        if self._message is None:
            from google.protobuf import message_factory

            return message_factory.GetMessageClass(written)
        wanted = self._message.DESCRIPTOR.full_name
        if written.full_name != wanted:
            raise undeserializable(topic, f"it is a {written.full_name}, not a {wanted}")
        return self._message
