"""Texts to plain documents: YAML or JSON, one or many in a text. Nothing is checked here but form.

YAML is read as JSON with a friendlier spelling: only texts, numbers, booleans, null, lists and
maps come out. `true` and `false` alone are booleans (`NO` is Norway), dates and `1:30` stay
texts, a number that JSON cannot hold, a tag, a merge key, a key that is no text and a key that
stands twice are refused. Aliases are unfolded, up to the limit of values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import yaml

from summit.base import limits
from summit.base.errors import Invalid
from summit.documents.json_text import read_json

_JSON_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
_YAML_SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document as written.

    Attributes:
        values: Plain values.
        kind: The text of its `kind`; `pattern` where its fields tell; "" when neither.
        id: The text of its `id` (a collector may have only `name`), or "".
        source: Name of the file or other origin.
        line: Line of the text at which it begins, from 1.
        number: Its place among the documents of the text, from 1.
    """

    values: dict[str, Any]
    kind: str
    id: str
    source: str
    line: int
    number: int

    @property
    def place(self) -> str:
        """Source and line, for people."""
        return f"{self.source}:{self.line}"


def parse_documents(text: str | bytes, source: str = "document") -> list[Parsed]:
    """The documents of a text, in order; empty ones are left out.

    The format follows from the ending of `source`; for others, a text that begins with `{` or
    `[` is read as JSON if it can be, and all else as YAML. JSON may be an object, an array of
    objects, or several after one another (NDJSON); YAML may hold several documents.

    Raises: Invalid("document.syntax") with `source` and `line`; Invalid("document.too_large").
    """
    plain = _decode(text, source)
    found = list(_read(plain, source))
    parsed: list[Parsed] = []
    for values, line in found:
        for item in values if isinstance(values, list) else [values]:
            if item is None:
                continue
            if not isinstance(item, dict):
                reason = "a document is a map of fields, or a list of such maps"
                raise Invalid("document.syntax", source=source, line=line, reason=reason)
            parsed.append(_parsed(item, source, line, len(parsed) + 1))
    return parsed


def _parsed(values: dict[str, Any], source: str, line: int, number: int) -> Parsed:
    kind = values.get("kind")
    if kind is None and ("steps" in values or "conditions" in values):
        kind = "pattern"
    name = values.get("id")
    if name is None and kind == "collector":
        name = values.get("name")
    return Parsed(
        values,
        kind if isinstance(kind, str) else "",
        name if isinstance(name, str) else "",
        source,
        line,
        number,
    )


def _decode(text: str | bytes, source: str) -> str:
    size = len(text)
    if size > limits.DOCUMENT_BYTES_MAX:
        reason = f"more than {limits.DOCUMENT_BYTES_MAX} bytes"
        raise Invalid("document.too_large", source=source, reason=reason)
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise Invalid("document.syntax", source=source, line=line, reason="not UTF-8") from error


def _read(text: str, source: str) -> Iterator[tuple[Any, int]]:
    name = source.lower()
    if name.endswith(_JSON_SUFFIXES):
        return read_json(text, source)
    if not name.endswith(_YAML_SUFFIXES) and text.lstrip()[:1] in ("{", "["):
        try:
            return iter(list(read_json(text, source)))
        except Invalid as error:
            if error.code != "document.syntax":
                raise
            try:  # {a: b} is YAML; where it is neither, JSON was meant
                return iter(list(read_yaml(text, source)))
            except Invalid:
                raise error from None
    return read_yaml(text, source)


def read_yaml(text: str, source: str) -> Iterator[tuple[Any, int]]:
    """The documents of a YAML text as plain values, each with its line.

    Raises: as `parse_documents`.
    """
    builder = _Builder(source)
    try:
        builder.check_depth(text)
        for node in yaml.compose_all(text, Loader=_Loader):
            if node is not None:
                yield builder.build(node), node.start_mark.line + 1
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in (error.problem or ""):  # libyaml's own limit, a thousand levels
            raise builder.too_deep() from error
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        column = "" if mark is None else f" (column {mark.column + 1})"
        reason = f"{error.problem or error.context or 'not YAML'}{column}"
        raise Invalid("document.syntax", source=source, line=line, reason=reason) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = "a character that is not allowed in YAML"
        raise Invalid("document.syntax", source=source, line=1, reason=reason) from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Resolves plain scalars as JSON and YAML 1.2 do."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_INT: Final = re.compile(r"[-+]?[0-9]+|0x[0-9A-Fa-f]+|0o[0-7]+", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", re.ASCII
)
_SPECIAL: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_TAG: Final = "tag:yaml.org,2002:"

for _name, _pattern, _first in (
    ("bool", _BOOL, "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("special", _SPECIAL, "-+."),
    ("null", _NULL, "~nN\0"),
    ("merge", re.compile("<<"), "<"),
):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z", re.ASCII)
    for _char in _first:
        key = "" if _char == "\0" else _char
        _Loader.yaml_implicit_resolvers.setdefault(key, []).append((_TAG + _name, _whole))


class _Builder:
    """Turns nodes into plain values, counting them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0

    def check_depth(self, text: str) -> None:
        """Refuse deep nesting before anything recursive sees it."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > limits.DOCUMENT_DEPTH_MAX:
                    raise self.too_deep()
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def build(self, node: yaml.Node, depth: int = 0) -> Any:
        """The value of a node and all below it."""
        self._count += 1
        if self._count > limits.DOCUMENT_NODES_MAX:
            reason = f"more than {limits.DOCUMENT_NODES_MAX} values"
            raise Invalid("document.too_large", source=self._source, reason=reason)
        if depth > limits.DOCUMENT_DEPTH_MAX:  # an alias may lead into itself
            raise self.too_deep()
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        wanted = "map" if isinstance(node, yaml.MappingNode) else "seq"
        if node.tag != _TAG + wanted:
            raise self._refusal(node, f"the tag {node.tag.replace(_TAG, '!!')} is not taken")
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in values:
                raise self._refusal(key_node, f"'{key}' stands here twice")
            values[key] = self.build(value_node, depth + 1)
        return values

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refusal(node, "a field's name must be a text")
        if node.tag == _TAG + "merge":
            raise self._refusal(node, "merge keys (<<) are not taken; write the fields out")
        if node.tag != _TAG + "str":
            raise self._refusal(
                node, f"a field's name must be a text; write '{node.value}' in quotes"
            )
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return text
            case "null" if _NULL.fullmatch(text):
                return None
            case "bool" if _BOOL.fullmatch(text):
                return text.lower() == "true"
            case "int" if _INT.fullmatch(text) and len(text) <= 20:
                base = {"0x": 16, "0o": 8}.get(text[:2], 10)
                return int(text, base)
            case "float" if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
                return float(text)
            case "int" | "float" | "special":
                raise self._refusal(node, f"the number {text[:40]} is not one that JSON can hold")
            case _:
                pass
        raise self._refusal(node, f"the tag {node.tag.replace(_TAG, '!!')} is not taken")

    def _refusal(self, node: yaml.Node, reason: str) -> Invalid:
        mark = node.start_mark
        return Invalid(
            "document.syntax",
            source=self._source,
            line=mark.line + 1,
            reason=f"{reason} (column {mark.column + 1})",
        )

    def too_deep(self) -> Invalid:
        reason = f"more than {limits.DOCUMENT_DEPTH_MAX} nested lists and maps"
        return Invalid("document.too_large", source=self._source, reason=reason)
