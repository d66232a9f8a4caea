"""`AvroSerde`: Avro's binary encoding, by fastavro."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from summit.serde.avro_schemas import AvroSchema, load, parse
from summit.serde.one_schema import OneSchemaSerde
from summit.serde.protocol import undeserializable, unserializable
from summit.serde.registry import SchemaRegistry
from summit.serde.schemas import Schema, SchemaReference
from summit.serde.subjects import SubjectStrategy

_UNREADABLE: Final = (
    EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError,
    MemoryError, RecursionError, struct.error,
)  # fmt: skip
_PLAIN: Final = (bytes, bytearray, datetime, date, time, UUID, Decimal)
_REASON_CHARS: Final = 300


class _Reader(NamedTuple):
    written_by: AvroSchema
    read_as: Any  # fastavro's schema, or None for the same


class AvroSerde(OneSchemaSerde[AvroSchema, _Reader]):
    """Values of one Avro schema, both ways: mappings, or whatever the schema has.

    Args:
        schema: JSON text or what that stands for. Written by; and read as, where values were
            written by another version. None = written by the newest schema of the subject, read
            as written; that needs a registry.
        references: What the schema uses of other subjects.
        type: A struct or dataclass that values are made of and into.
        validate: Check values before they are written: fastavro itself writes 1.5 into an `int`
            as 1, and a number that is too large as it is.
        registry, subject, auto_register, use_latest: See `RegistrySerde`.
    Raises: Invalid("schema.invalid"), ("extra.missing"), ("config.invalid").
    """

    TYPE = "AVRO"
    WHAT = "Avro"
    NAMED_BY = "name"

    def __init__(
        self,
        schema: str | Mapping[str, Any] | list[Any] | None = None,
        *,
        registry: SchemaRegistry | None = None,
        references: Iterable[SchemaReference] = (),
        type: Any = None,
        validate: bool = True,
        subject: str | SubjectStrategy = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
    ) -> None:
        super().__init__(
            schema, registry=registry, references=references, subject=subject,
            auto_register=auto_register, use_latest=use_latest,
        )  # fmt: skip
        self._type = type
        self._validate = validate

    # ---- the schema ----

    def _load(self) -> Any:
        return load()

    def _parse(self, given: Any, used: Mapping[str, Schema]) -> AvroSchema:
        return parse(given, {name: each.text for name, each in used.items()})

    def _name_of(self, own: AvroSchema) -> str:
        return own.name

    def _own_reader(self) -> _Reader:
        return _Reader(self._own_writer(""), None)

    async def _reader(self, registry: SchemaRegistry, id_: int) -> _Reader:
        written_by = await self._registered(registry, await registry.schema(id_))
        return _Reader(written_by, None if self._own is None else self._own.parsed)

    # ---- values ----

    def _write(self, writer: AvroSchema, topic: str, value: Any) -> bytes:
        if self._type is not None:
            value = _plain(topic, value)
        out = io.BytesIO()
        try:
            if self._validate and not writer.fits(value):
                writer.validate(value, writer.parsed)
            writer.write(out, writer.parsed, value, strict_allow_default=True)
        except _refusals() as error:
            raise unserializable(topic, value, _reason(error)) from error
        return out.getvalue()

    def _read(self, reader: _Reader, topic: str, data: bytes, position: int) -> Any:
        stream = io.BytesIO(data)
        stream.seek(position)
        try:
            value = reader.written_by.read(stream, reader.written_by.parsed, reader.read_as)
        except _refusals() as error:
            raise undeserializable(topic, f"as Avro: {_reason(error)}") from error
        if stream.tell() != len(data):
            left = len(data) - stream.tell()
            raise undeserializable(topic, f"as Avro: {left} bytes are left over")
        if self._type is None:
            return value
        try:
            return msgspec.convert(value, self._type, builtin_types=_PLAIN)
        except msgspec.ValidationError as error:
            raise undeserializable(topic, str(error)) from error


def _refusals() -> tuple[type[Exception], ...]:
    fastavro = load()
    return (
        *_UNREADABLE, fastavro.validation.ValidationError, fastavro.read.SchemaResolutionError,
    )  # fmt: skip


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not text or isinstance(error, EOFError | IndexError | MemoryError | RecursionError):
        text = f"{type(error).__name__}: {text or 'it ends too early'}"
    return text if len(text) <= _REASON_CHARS else text[:_REASON_CHARS] + "…"


def _plain(topic: str, value: Any) -> Any:
    try:
        return msgspec.to_builtins(value, builtin_types=_PLAIN)
    except (TypeError, ValueError, RecursionError) as error:
        raise unserializable(topic, value, str(error)) from error
