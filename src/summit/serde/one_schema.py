"""What formats have in common whose values all have one schema: given, or the subject's newest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from summit.base.errors import Invalid
from summit.serde.registry import SchemaRegistry
from summit.serde.schemas import Schema, SchemaReference, SchemaType
from summit.serde.subjects import SubjectStrategy
from summit.serde.with_registry import RegistrySerde


class _Parsed(Protocol):
    @property
    def text(self) -> str: ...


Own = TypeVar("Own", bound=_Parsed)  # a schema, parsed
Reader = TypeVar("Reader")


class OneSchemaSerde(RegistrySerde[str, Own, Reader], Generic[Own, Reader]):
    """Base of such formats.

    Args:
        schema: As the format writes it; None = the newest of the subject, which needs a registry.
        references: What the schema uses of other subjects.
        registry, subject, auto_register, use_latest: See `RegistrySerde`.
    Raises: Invalid("schema.invalid"), ("extra.missing"), ("config.invalid").
    """

    TYPE: ClassVar[SchemaType]  # the registry's word for the format
    WHAT: ClassVar[str]  # its name for people
    NAMED_BY: ClassVar[str]  # what of a schema is its name

    def __init__(
        self,
        schema: Any,
        *,
        registry: SchemaRegistry | None,
        references: Iterable[SchemaReference],
        subject: str | SubjectStrategy,
        auto_register: bool,
        use_latest: bool,
    ) -> None:
        super().__init__(
            registry,
            subject=subject,
            auto_register=auto_register,
            use_latest=use_latest or (schema is None and registry is not None),
        )
        self._load()
        self._references = tuple(references)
        if schema is None and registry is None:
            reason = f"{self.WHAT} needs a schema or a registry"
            raise Invalid("config.invalid", reason=reason, pointer="")
        if self._references and registry is None:
            raise Invalid("config.invalid", reason="references need a registry", pointer="")
        self._given = schema
        self._own = None if schema is None or self._references else self._parse(schema, {})

    # ---- what a format has to say ----

    @abstractmethod
    def _load(self) -> Any:
        """Import the library. Raises Invalid("extra.missing")."""

    @abstractmethod
    def _parse(self, given: Any, used: Mapping[str, Schema]) -> Own:
        """Parse a schema; `used` are those it refers to. Raises Invalid("schema.invalid")."""

    @abstractmethod
    def _name_of(self, own: Own) -> str:
        """The name of a schema, or nothing."""

    # ---- what follows ----

    def _kind(self, topic: str, value: Any) -> str:
        return ""  # there is only one

    def _name(self, kind: str) -> str:
        name = "" if self._own is None else self._name_of(self._own)
        if not name:
            reason = f"this subject strategy needs a schema with a {self.NAMED_BY}"
            raise Invalid("config.invalid", reason=reason, pointer="/subject")
        return name

    async def _prepare(self, registry: SchemaRegistry) -> None:
        if self._own is None and self._given is not None:
            used = await registry.references_of(Schema("", self.TYPE, self._references))
            self._own = self._parse(self._given, used)

    async def _schema(self, registry: SchemaRegistry, kind: str) -> Schema:
        return Schema(self._own_writer(kind).text, self.TYPE, self._references)

    def _own_writer(self, kind: str) -> Own:
        assert self._own is not None
        return self._own

    async def _writer(self, registry: SchemaRegistry, kind: str, id_: int, schema: Schema) -> Own:
        if self._use_latest:
            return await self._registered(registry, schema)
        return self._own_writer(kind)

    async def _registered(self, registry: SchemaRegistry, schema: Schema) -> Own:
        """A schema of the registry, parsed."""
        if schema.type != self.TYPE:
            reason = f"it is of type {schema.type}"
            raise Invalid("schema.invalid", what=self.WHAT, reason=reason)
        return self._parse(schema.text, await registry.references_of(schema))
