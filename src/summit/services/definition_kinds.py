"""How each kind of definition is checked before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from summit.analytics.program import Program
from summit.analytics.windows import new_keeper
from summit.base.errors import Invalid
from summit.cep.rules import prepare_any
from summit.documents import (
    CollectorDocument,
    NotificationDocument,
    Parsed,
    PatternDocument,
    QueryDocument,
    validate_collector,
    validate_document,
)
from summit.documents.problems import Problems
from summit.ingest import CollectorConfig
from summit.journal.definitions import Checked
from summit.notify import prepare_recipient


def check_definition(document: Parsed | Mapping[str, Any]) -> Checked:
    """A document that may be published, with its kind and id.

    Patterns, collectors and notifications are also checked by the rooms that run them, so that
    nothing is published which a worker or a node would only complain about. Errors of a parsed
    document name the file and line it stands at.

    Raises: Invalid with all `problems`.
    """
    checked = validate_document(document)
    try:
        if isinstance(checked, PatternDocument):
            prepare_any(checked.plan)
        elif isinstance(checked, CollectorDocument):
            CollectorConfig.from_dict(checked.config)
        elif isinstance(checked, QueryDocument):
            new_keeper(Program(checked.plan))  # which tells what an anomaly needs
        elif isinstance(checked, NotificationDocument):
            prepare_recipient(checked.plan)
    except Invalid as error:
        if not isinstance(document, Parsed):
            raise
        problems = Problems()
        problems.add_error(str(error.details.get("pointer", "")), error)
        problems.raise_if_any(f"{document.place}: {checked.kind} '{checked.id}'")
    values = document.values if isinstance(document, Parsed) else document
    return Checked(
        kind=checked.kind,
        id=checked.id,
        document={**values, "kind": checked.kind, "id": checked.id},
        warnings=list(checked.warnings) if isinstance(checked, PatternDocument) else [],
    )


def collector_settings(document: Mapping[str, Any]) -> CollectorConfig:
    """The configuration in a collector's document; its id is its name. Raises Invalid."""
    checked = validate_collector(document)
    return CollectorConfig.from_dict({**checked.config, "name": checked.id})


def collector_enabled(document: Mapping[str, Any]) -> bool:
    """Whether a collector's document asks for it to run. Raises Invalid."""
    return validate_collector(document).enabled
