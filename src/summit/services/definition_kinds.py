"""Which kinds of definitions there are, and how each is checked before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.cep import compile_rules
from summit.documents import PatternDocument, validate_document
from summit.ingest import CollectorConfig


def validate_definition(document: Mapping[str, Any]) -> list[str]:
    """The warnings of a document that may be published. Raises Invalid.

    A pattern is compiled as the worker will compile it, so that what is accepted also runs.
    """
    checked = validate_document(document)
    if isinstance(checked, PatternDocument):
        compile_rules([checked.plan])
        return list(checked.warnings)
    if document.get("kind") == "collector":
        CollectorConfig.from_dict(
            {key: value for key, value in document.items() if key not in ("kind", "id")}
        )
    return []
