"""What all formats with a schema have in common: with a registry a header, without one none.

A schema is registered, looked up or read when it is first met: then the methods return an
awaitable. Afterwards they are as quick as without a registry.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Hashable
from typing import Any, Generic, NamedTuple, Self, TypeVar

from summit.base.errors import Invalid
from summit.serde.protocol import HeaderMap, Part, undeserializable
from summit.serde.registry import SchemaRegistry
from summit.serde.schemas import RegisteredSchema, Schema
from summit.serde.subjects import SubjectStrategy, strategy_of, topic_subject
from summit.serde.wire_format import HEADER_BYTES, decode_id, encode_id

Kind = TypeVar("Kind", bound=Hashable)  # what tells one kind of value from another: a schema
Writer = TypeVar("Writer")  # what a value is written by
Reader = TypeVar("Reader")  # what a value is read by


class _Known(NamedTuple, Generic[Writer]):
    header: bytes
    writer: Writer
    subject: str
    latest: RegisteredSchema | None  # where the newest version is wanted: which one this was


class RegistrySerde(ABC, Generic[Kind, Writer, Reader]):
    """Base of the formats with a schema.

    Args:
        registry: Where schemas are kept; None = values have no header, and one schema.
        subject: `topic`, `record` or `topic-record`, or a function of topic, part and name.
        auto_register: Register the schema; else it must be registered already.
        use_latest: Write by the newest schema of the subject instead of the own one.
    """

    def __init__(
        self,
        registry: SchemaRegistry | None,
        *,
        subject: str | SubjectStrategy = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
    ) -> None:
        if use_latest and registry is None:
            raise Invalid("config.invalid", reason="useLatest needs a registry", pointer="")
        self._registry = registry
        self._strategy = strategy_of(subject)
        self._auto_register = auto_register
        self._use_latest = use_latest
        self._part: Part = "value"
        self._writers: dict[tuple[str, Kind], _Known[Writer]] = {}
        self._readers: dict[int, Reader] = {}

    def for_part(self, part: Part) -> Self:
        """The same for keys, or for values: they have subjects of their own."""
        placed = copy.copy(self)
        placed.__dict__ |= {"_part": part, "_writers": {}, "_readers": {}}
        return placed

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes | Awaitable[bytes]:
        """The value's bytes, or an awaitable of them while its schema is not known.

        Raises: Invalid("record.unserializable"), ("registry.…"); Unavailable.
        """
        kind = self._kind(topic, value)
        if self._registry is None:
            return self._write(self._own_writer(kind), topic, value)
        known = self._writers.get((topic, kind))
        if known is None or self._is_old(known):
            return self._serialize_later(topic, kind, value)
        return known.header + self._write(known.writer, topic, value)

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> Any:
        """The value, or an awaitable of it while its schema is not known.

        Raises: Corrupt("record.undeserializable"); Invalid("registry.denied"); Unavailable.
        """
        if self._registry is None:
            return self._read(self._own_reader(), topic, data, 0)
        id_ = decode_id(topic, data)
        reader = self._readers.get(id_)
        if reader is None:
            return self._deserialize_later(topic, id_, data)
        return self._read(reader, topic, data, HEADER_BYTES)

    # ---- what a format has to say ----

    @abstractmethod
    def _kind(self, topic: str, value: Any) -> Kind:
        """Which kind of value it is. Raises Invalid("record.unserializable")."""

    @abstractmethod
    def _name(self, kind: Kind) -> str:
        """The full name of its record or message."""

    async def _prepare(self, registry: SchemaRegistry) -> None:
        """Get what the methods below need, before they are called."""

    @abstractmethod
    async def _schema(self, registry: SchemaRegistry, kind: Kind) -> Schema:
        """Its schema, whose references are registered."""

    @abstractmethod
    def _own_writer(self, kind: Kind) -> Writer:
        """What writes it by its own schema."""

    @abstractmethod
    async def _writer(
        self, registry: SchemaRegistry, kind: Kind, id_: int, schema: Schema
    ) -> Writer:
        """What writes it by this registered schema."""

    @abstractmethod
    def _own_reader(self) -> Reader:
        """What reads values that have no header."""

    @abstractmethod
    async def _reader(self, registry: SchemaRegistry, id_: int) -> Reader:
        """What reads values of this registered schema."""

    @abstractmethod
    def _write(self, writer: Writer, topic: str, value: Any) -> bytes:
        """The bytes behind the header. Raises Invalid("record.unserializable")."""

    @abstractmethod
    def _read(self, reader: Reader, topic: str, data: bytes, position: int) -> Any:
        """The value that begins at `position`. Raises Corrupt("record.undeserializable")."""

    # ---- inside ----

    def _is_old(self, known: _Known[Writer]) -> bool:
        if known.latest is None or self._registry is None:
            return False
        return self._registry.known_latest(known.subject) is not known.latest

    async def _serialize_later(self, topic: str, kind: Kind, value: Any) -> bytes:
        registry = self._registry
        assert registry is not None
        await self._prepare(registry)
        subject = self._subject(topic, kind)
        latest = None
        if self._use_latest:
            latest = await registry.latest(subject)
            id_ = latest.id
            writer = await self._writer(registry, kind, id_, latest.schema)
        else:
            schema = await self._schema(registry, kind)
            if self._auto_register:
                id_ = await registry.register(subject, schema)
            else:
                id_ = (await registry.lookup(subject, schema)).id
            writer = await self._writer(registry, kind, id_, schema)
        known = _Known(encode_id(id_), writer, subject, latest)
        self._writers[topic, kind] = known
        return known.header + self._write(writer, topic, value)

    async def _deserialize_later(self, topic: str, id_: int, data: bytes) -> Any:
        assert self._registry is not None
        await self._prepare(self._registry)
        try:
            reader = await self._reader(self._registry, id_)
        except Invalid as error:
            if error.code not in ("registry.not_found", "schema.invalid"):
                raise
            raise undeserializable(topic, f"schema {id_}: {error}") from error
        self._readers[id_] = reader
        return self._read(reader, topic, data, HEADER_BYTES)

    def _subject(self, topic: str, kind: Kind) -> str:
        name = ""
        if self._strategy is not topic_subject:
            name = self._name(kind)
        return self._strategy(topic, self._part, name)
