"""Which kinds of definitions there are, and how each is checked before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.documents import validate_document
from summit.flow import validate_rule
from summit.ingest import CollectorConfig


def validate_definition(document: Mapping[str, Any]) -> list[str]:
    """The warnings of a document that may be published. Raises Invalid.

    A pattern is compiled as the worker will compile it, so that what is accepted also runs.
    """
    kind = document.get("kind")
    if kind == "pattern":
        return validate_rule(document)
    warnings = validate_document(document)
    if kind == "collector":
        CollectorConfig.from_dict(
            {key: value for key, value in document.items() if key not in ("kind", "id")}
        )
    return warnings
