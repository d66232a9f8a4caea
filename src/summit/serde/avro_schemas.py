"""Avro schemas for fastavro: parsed, whole, and safe to read other people's bytes with.

fastavro's compiled code does not bound its recursion: a few thousand bytes for a schema that uses
itself end the process. Such schemas get fastavro's code in Python, which raises. And an array whose
items take no bytes can claim any number of them: such schemas are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.serde.avro_checks import Check, quick_check

_PRIMITIVES: Final = frozenset(
    ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
)
_COLLECTIONS: Final = {"array": "items", "map": "values"}
_WHAT: Final = "Avro"


class AvroSchema(NamedTuple):
    """A schema and what writes and reads by it.

    Args:
        name: Of its record, with the namespace; empty where it has none.
        fits: Whether a value surely fits; `validate` has the last word, and raises.
    """

    text: str
    name: str
    parsed: Any
    fits: Check
    validate: Callable[..., bool]
    write: Callable[..., None]
    read: Callable[..., Any]


def parse(given: Any, references: Mapping[str, str] | None = None) -> AvroSchema:
    """A schema from JSON text or what that stands for.

    Args:
        references: Texts of the schemas that it uses by name, each behind those it uses itself.
    Raises: Invalid("schema.invalid"); Invalid("extra.missing").
    """
    fastavro = load()
    refused = _refusals(fastavro)
    try:
        plain = _plain(given)
        named: dict[str, Any] = {}
        for text in (references or {}).values():
            fastavro.parse_schema(_plain(text), named_schemas=named)
        known = set(named)
        parsed = fastavro.parse_schema(plain, named_schemas=named)
        if known:
            whole = _whole(parsed, {name: named[name] for name in known}, set())
            parsed = fastavro.parse_schema(whole)
        uses_itself = _uses_itself(parsed, ())
        _refuse_empty_items(parsed, {})
    except refused as error:
        raise Invalid("schema.invalid", what=_WHAT, reason=_said(error)) from error
    text = given if isinstance(given, str) else json.dumps(plain, separators=(",", ":"))
    name = parsed.get("name", "") if isinstance(parsed, dict) else ""
    return AvroSchema(text, name, parsed, quick_check(parsed), *_code(uses_itself))


def load() -> Any:
    """fastavro. Raises Invalid("extra.missing")."""
    try:
        import fastavro
    except ImportError as error:
        raise Invalid("extra.missing", what=_WHAT, extra="avro") from error
    return fastavro


def _code(uses_itself: bool) -> tuple[Any, Any, Any]:
    if uses_itself:
        from fastavro import _read_py, _validation_py, _write_py

        return _validation_py.validate, _write_py.schemaless_writer, _read_py.schemaless_reader
    from fastavro import schemaless_reader, schemaless_writer, validation

    return validation.validate, schemaless_writer, schemaless_reader


def _refusals(fastavro: Any) -> tuple[type[Exception], ...]:
    schema = fastavro.schema
    return (
        schema.SchemaParseException, schema.UnknownType, ValueError, TypeError, KeyError,
        AttributeError, RecursionError,
    )  # fmt: skip


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = str(error)
    return f"unknown type {text}" if type(error).__name__ == "UnknownType" else text


def _plain(given: Any) -> Any:
    if isinstance(given, str) and given.strip() not in _PRIMITIVES:
        return json.loads(given)
    return given


def _whole(schema: Any, named: dict[str, Any], defined: set[str]) -> Any:
    """The schema with what it uses of `named` written out where it first stands."""
    if isinstance(schema, str):
        if schema not in named or schema in defined:
            return schema
        defined.add(schema)
        return _whole({**named[schema]}, named, defined)
    if isinstance(schema, list):
        return [_whole(branch, named, defined) for branch in schema]
    copied = {key: value for key, value in schema.items() if not key.startswith("__")}
    if copied.get("name"):
        defined.add(copied["name"])
    kind = copied["type"]
    if kind in ("record", "error"):
        copied["fields"] = [
            {**field, "type": _whole(field["type"], named, defined)} for field in copied["fields"]
        ]
    elif isinstance(kind, str) and kind in _COLLECTIONS:
        copied[_COLLECTIONS[kind]] = _whole(copied[_COLLECTIONS[kind]], named, defined)
    elif not isinstance(kind, str):
        copied["type"] = _whole(kind, named, defined)
    return copied


def _inner(schema: Any) -> list[Any]:
    """The schemas that stand right inside one; names stay names."""
    if isinstance(schema, list):
        return schema
    kind = schema["type"]
    if kind in ("record", "error"):
        return [field["type"] for field in schema["fields"]]
    if isinstance(kind, str):
        return [schema[_COLLECTIONS[kind]]] if kind in _COLLECTIONS else []
    return [kind]


def _uses_itself(schema: Any, above: tuple[str, ...]) -> bool:
    if isinstance(schema, str):
        return schema in above
    if isinstance(schema, dict) and schema.get("name"):
        above = (*above, schema["name"])
    return any(_uses_itself(inner, above) for inner in _inner(schema))


def _refuse_empty_items(schema: Any, empty: dict[str, bool]) -> bool:
    """Whether a value may take no bytes. Raises ValueError for an array of such.

    Args:
        empty: What is known of the named types so far; a type inside itself takes bytes.
    """
    if isinstance(schema, str):
        return schema == "null" or empty.get(schema, False)
    if isinstance(schema, list):
        for branch in schema:
            _refuse_empty_items(branch, empty)
        return False
    name, kind = schema.get("name"), schema["type"]
    if name:
        empty[name] = False
    inner = [_refuse_empty_items(each, empty) for each in _inner(schema)]
    if kind == "array" and inner[0]:
        raise ValueError("the items of an array take no bytes, so their number has no bound")
    if kind in ("record", "error"):
        is_empty = all(inner)
    elif kind == "fixed":
        is_empty = schema["size"] == 0
    elif isinstance(kind, str):
        is_empty = kind == "null"
    else:
        is_empty = inner[0]
    if name:
        empty[name] = is_empty
    return is_empty
