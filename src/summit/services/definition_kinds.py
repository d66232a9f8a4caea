"""How each kind of definition is checked before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.ingest import CollectorConfig
from summit.journal.definitions import Checked, check_document


def check_definition(document: Mapping[str, Any]) -> Checked:
    """A document that may be published. Raises Invalid.

    Collectors are also checked by the room that runs them.
    """
    checked = check_document(document)
    if checked.kind == "collector":
        collector_settings(checked.document)
    return checked


def collector_settings(document: Mapping[str, Any]) -> CollectorConfig:
    """The configuration in a collector's document. Raises Invalid."""
    return CollectorConfig.from_dict(
        {key: value for key, value in document.items() if key not in ("kind", "id")}
    )
