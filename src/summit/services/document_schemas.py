"""JSON Schemas of definitions' documents, from the tables of fields by which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from summit.documents.available import COLLECTOR_TYPES
from summit.documents.correlation import CORRELATION_FIELDS
from summit.documents.enrichment import ENRICHMENT_FIELDS
from summit.documents.filter import FILTER_FIELDS
from summit.documents.notification import NOTIFICATION_FIELDS
from summit.documents.pattern import PATTERN_FIELDS
from summit.documents.query import QUERY_FIELDS
from summit.documents.route import ROUTE_FIELDS
from summit.documents.transformation import TRANSFORMATION_FIELDS

_ID: Final = {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._:-]{0,199}$"}
_TEXT: Final = {"type": ["string", "null"]}
_HEAD: Final[dict[str, Any]] = {
    "id": _ID, "name": _TEXT, "description": _TEXT,
    "enabled": {"type": ["boolean", "null"]},
    "owner": _TEXT,
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
}  # fmt: skip
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "pattern": PATTERN_FIELDS, "correlation": CORRELATION_FIELDS, "query": QUERY_FIELDS,
    "filter": FILTER_FIELDS, "route": ROUTE_FIELDS, "enrichment": ENRICHMENT_FIELDS,
    "transformation": TRANSFORMATION_FIELDS, "notification": NOTIFICATION_FIELDS,
}  # fmt: skip
_REQUIRED: Final[dict[str, Sequence[str]]] = {
    "pattern": ["id"], "correlation": ["id", "timeWindow"], "query": ["id", "metrics"],
    "filter": ["id", "action"], "route": ["id"], "enrichment": ["id", "enrichmentType"],
    "transformation": ["id", "transformations"], "notification": ["id", "type"],
}  # fmt: skip


def document_schema(kind: str, *, id_needed: bool = True) -> dict[str, Any]:
    """The schema of a document of this kind.

    It names the members; what they may hold, and together, is checked when a document is
    registered, and refused with a pointer for each problem.

    Args:
        id_needed: Whether it must name its id.
    """
    properties: dict[str, Any] = {
        name: _HEAD.get(name, {}) for name in _FIELDS[kind] if name != "kind"
    }
    required = [name for name in _REQUIRED[kind] if id_needed or name != "id"]
    return {
        "type": "object", "title": kind, "properties": {"kind": {"const": kind}, **properties},
        "required": required, "additionalProperties": False,
        "description": f"See docs/ for what a {kind} may hold.",
    }  # fmt: skip


COLLECTOR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object", "title": "collector",
    "properties": {
        **_HEAD, "name": _ID,
        "type": {
            "type": "string",
            "anyOf": [{"enum": list(COLLECTOR_TYPES)}, {"pattern": "^plugin:"}],
        },
        "topic": {"type": "string", "minLength": 1},
    },
    "required": ["name", "type", "topic"],
    "description": "See docs/collectors.md for the options of each type.",
}  # fmt: skip
