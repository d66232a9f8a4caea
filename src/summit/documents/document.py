"""A document of any kind: finds the kind and has it checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from summit.base.config import nearest
from summit.documents.available import KINDS
from summit.documents.backfill import BackfillDocument, validate_backfill
from summit.documents.collector import CollectorDocument, validate_collector
from summit.documents.correlation import CorrelationDocument, validate_correlation
from summit.documents.enrichment import EnrichmentDocument, validate_enrichment
from summit.documents.filter import FilterDocument, validate_filter
from summit.documents.flow import FlowDocument, validate_flow
from summit.documents.notification import NotificationDocument, validate_notification
from summit.documents.parsing import Parsed
from summit.documents.pattern import PatternDocument, validate_pattern
from summit.documents.problems import Problems
from summit.documents.query import QueryDocument, validate_query
from summit.documents.route import RouteDocument, validate_route
from summit.documents.stream import StreamDocument, validate_stream
from summit.documents.transformation import TransformationDocument, validate_transformation

Document = (
    PatternDocument | CorrelationDocument | StreamDocument | CollectorDocument | FlowDocument
    | FilterDocument | TransformationDocument | EnrichmentDocument | RouteDocument
    | QueryDocument | NotificationDocument | BackfillDocument
)  # fmt: skip

_VALIDATORS: Final[dict[str, Callable[..., Document]]] = {
    "pattern": validate_pattern,
    "correlation": validate_correlation,
    "stream": validate_stream,
    "collector": validate_collector,
    "flow": validate_flow,
    "filter": validate_filter,
    "transformation": validate_transformation,
    "enrichment": validate_enrichment,
    "route": validate_route,
    "query": validate_query,
    "notification": validate_notification,
    "backfill": validate_backfill,
}


def validate_document(document: Parsed | Mapping[str, Any], *, source: str = "") -> Document:
    """Check a document of any kind.

    Args:
        document: As parsed, or plain values with the names of the wire. One without `kind` that
            has `steps` or `conditions` is a pattern.
        source: Where plain values come from, for the error's text.

    Raises: Invalid("kind.unknown", "document.invalid",
        "pattern.not_available", "stream.not_available",
        "transformation.not_available") with all `problems`.
    """
    values: Mapping[str, Any]
    if isinstance(document, Parsed):
        values, source = document.values, document.place
    else:
        values = document
    kind = kind_of(values) if isinstance(values, Mapping) else "pattern"
    validate = _VALIDATORS.get(kind) if isinstance(kind, str) else None
    if validate is None:
        _refuse_kind(kind, source)
    assert validate is not None
    return validate(values, source=source)


def kind_of(values: Mapping[str, Any]) -> Any:
    """The kind that a document names, or `pattern` where its fields tell; "" when neither."""
    kind = values.get("kind")
    if kind is None:
        return "pattern" if "steps" in values or "conditions" in values else ""
    return kind


def _refuse_kind(kind: Any, source: str) -> None:
    problems = Problems()
    available = ", ".join(KINDS)
    if kind == "":
        text = f"a document needs 'kind': one of {available}"
        problems.add("/kind", text)
    else:
        hint = nearest(kind, KINDS) if isinstance(kind, str) else None
        text = f"there is no kind {kind!r}"
        problems.add("/kind", text, suggestion=hint, code="kind.unknown")
    problems.raise_if_any(source or "document", known=available, available=available)
