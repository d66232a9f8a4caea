"""`JsonSchemaSerde`: JSON that fits a JSON Schema, checked by jsonschema-rs.

What a schema refers to comes from the registry; nothing is fetched from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.serde.one_schema import OneSchemaSerde
from summit.serde.plain import JsonSerde
from summit.serde.protocol import undeserializable, unserializable
from summit.serde.registry import SchemaRegistry
from summit.serde.schemas import Schema, SchemaReference
from summit.serde.subjects import SubjectStrategy

_WHAT: Final = "JSON Schema"
_HERE: Final = "json-schema:///"  # what the library puts before a name that is no address


class _JsonSchema(NamedTuple):
    text: str
    title: str
    validator: Any


class JsonSchemaSerde(OneSchemaSerde[_JsonSchema, _JsonSchema]):
    """JSON values of one schema, both ways.

    Args:
        schema: JSON text or what that stands for. None = the newest schema of the subject when
            writing, the writer's when reading; that needs a registry.
        references: What the schema refers to in other subjects, by the names it uses.
        type: A struct or dataclass that values are made into.
        registry, subject, auto_register, use_latest: See `RegistrySerde`; the record's name is the
            schema's `title`.
    Raises: Invalid("schema.invalid"), ("extra.missing"), ("config.invalid").
    """

    TYPE = "JSON"
    WHAT = _WHAT
    NAMED_BY = "title"

    def __init__(
        self,
        schema: str | Mapping[str, Any] | None = None,
        *,
        registry: SchemaRegistry | None = None,
        references: Iterable[SchemaReference] = (),
        type: Any = Any,
        subject: str | SubjectStrategy = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
    ) -> None:
        super().__init__(
            schema, registry=registry, references=references, subject=subject,
            auto_register=auto_register, use_latest=use_latest,
        )  # fmt: skip
        self._plain = JsonSerde()
        self._typed = JsonSerde(type)

    # ---- the schema ----

    def _load(self) -> Any:
        return _load()

    def _parse(self, given: Any, used: Mapping[str, Schema]) -> _JsonSchema:
        return _parse(given, used)

    def _name_of(self, own: _JsonSchema) -> str:
        return own.title

    def _own_reader(self) -> _JsonSchema:
        return self._own_writer("")

    async def _reader(self, registry: SchemaRegistry, id_: int) -> _JsonSchema:
        written_by = await self._registered(registry, await registry.schema(id_))
        return written_by if self._own is None else self._own

    # ---- values ----

    def _write(self, writer: _JsonSchema, topic: str, value: Any) -> bytes:
        data = self._plain.serialize(topic, value, {})
        fault = _fault(writer, msgspec.json.decode(data))
        if fault is not None:
            raise unserializable(topic, value, fault[0], path=fault[1])
        return data

    def _read(self, reader: _JsonSchema, topic: str, data: bytes, position: int) -> Any:
        body = data[position:]
        value = self._plain.deserialize(topic, body, {})
        fault = _fault(reader, value)
        if fault is not None:
            raise undeserializable(topic, f"{fault[0]} (at {fault[1] or '/'})")
        return self._typed.deserialize(topic, body, {})


def schema_check(schema: str | Mapping[str, Any]) -> Callable[[Any], tuple[str, str] | None]:
    """A function that says why a value does not fit, and where (a JSON pointer); None if it fits.

    Raises: Invalid("schema.invalid"), ("extra.missing").
    """
    parsed = _parse(schema, {})
    return lambda value: _fault(parsed, value)


def _load() -> Any:
    try:
        import jsonschema_rs
    except ImportError as error:
        raise Invalid("extra.missing", what=_WHAT, extra="jsonschema") from error
    return jsonschema_rs


def _parse(given: Any, references: Mapping[str, Schema]) -> _JsonSchema:
    library = _load()

    def retrieve(uri: str) -> Any:
        used = references.get(uri) or references.get(uri.removeprefix(_HERE))
        if used is None:
            raise LookupError("it is not among the schema's references")
        return json.loads(used.text)

    try:
        plain = json.loads(given) if isinstance(given, str) else given
        validator = library.validator_for(plain, retriever=retrieve)
    except (library.ValidationError, library.ReferencingError, ValueError, TypeError) as error:
        reason = getattr(error, "message", None) or str(error)
        raise Invalid("schema.invalid", what=_WHAT, reason=reason) from error
    text = given if isinstance(given, str) else json.dumps(plain, separators=(",", ":"))
    title = plain.get("title", "") if isinstance(plain, Mapping) else ""
    return _JsonSchema(text, str(title), validator)


def _fault(schema: _JsonSchema, value: Any) -> tuple[str, str] | None:
    """Why the value does not fit, and where."""
    if schema.validator.is_valid(value):
        return None
    for error in schema.validator.iter_errors(value):
        return error.message, "".join(f"/{each}" for each in error.instance_path)
    return "it does not fit the schema", ""
