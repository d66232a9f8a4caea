"""Transformations: what is done to the events of some types.

kind: transformation
id: normalize
eventType: [user.created, user.changed]      "*" = every one
onError: pass                                 pass | tag | drop | deadLetter
transformations:
  - {field: user.email, operation: mask, config: {preserveStart: 2, preserveDomain: true}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from summit.documents.checked import CheckedDocument
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section, kind_name
from summit.documents.transform_operations import read_operations
from summit.documents.transform_plan import OnError, TransformationPlan

TRANSFORMATION_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "eventType", "transformations", "onError",
)  # fmt: skip
ON_ERROR: Final[tuple[OnError, ...]] = ("pass", "tag", "drop", "deadLetter")


class TransformationDocument(CheckedDocument[TransformationPlan]):
    """A transformation that is free of problems."""

    kind = "transformation"


def validate_transformation(
    values: Mapping[str, Any], *, source: str = ""
) -> TransformationDocument:
    """Check a transformation.

    Raises: Invalid("document.invalid" or "transformation.not_available") with all `problems`.
    """
    problems = Problems()
    problems.refuse_foreign(values, "transformation", source)
    section = Section(
        values, "", problems, names=TRANSFORMATION_FIELDS, noun="transformation",
        later_code="transformation.not_available",
    )  # fmt: skip
    head = read_head(section, "transformation")
    topics = section.texts("topics")
    event_types = read_event_types(section, "eventType")
    operations = read_operations(section, "transformations")
    on_error = section.choice("onError", ON_ERROR) or "pass"
    problems.raise_if_any(subject_of("transformation", values, source))
    assert head.id is not None
    plan = TransformationPlan(head.id, event_types, operations, on_error, topics)
    return TransformationDocument(values, head.id, head.enabled, plan)


def read_event_types(section: Section, name: str) -> frozenset[str]:
    """The types of an `eventType`, which is a text or a list of them; empty = every one (`*`)."""
    value = section.values.get(name)
    if value is None:
        section.note(name, f"a {section.noun} needs '{name}': a type, a list of types, or '*'")
        return frozenset()
    found: tuple[str, ...]
    if isinstance(value, str):
        found = (value,) if section.text(name) else ()
    elif isinstance(value, (list, tuple)):
        found = section.texts(name)
        if not value:
            section.note(name, "an empty list is for no event; write '*' for every type")
    else:
        section.note(name, f"must be a text or a list of texts, not {kind_name(value)}")
        return frozenset()
    if "*" in found:
        if len(found) > 1:
            section.note(name, "'*' is every type: leave the others out")
        return frozenset()
    for event_type in found:
        if "*" in event_type:
            section.note(name, f"'{event_type[:80]}': only '*' alone stands for other types")
    return frozenset(found)
