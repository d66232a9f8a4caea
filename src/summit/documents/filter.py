"""Filters: which events go on.

kind: filter
id: no-health-checks
action: exclude                               include | exclude
where: eventType == "http.request" && path.startsWith("/health")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from summit.documents.checked import CheckedDocument
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.predicates import joined, read_where
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.events.expressions.ir import Node

FILTER_FIELDS: Final = (*HEAD_FIELDS, "topics", "conditions", "where", "action")
FilterAction = Literal["include", "exclude"]
_ACTIONS: Final[tuple[FilterAction, ...]] = ("include", "exclude")


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """What a filter means."""

    id: str
    predicate: Node
    action: FilterAction
    topics: tuple[str, ...] = ()


class FilterDocument(CheckedDocument[FilterPlan]):
    """A filter that is free of problems."""

    kind = "filter"


def validate_filter(values: Mapping[str, Any], *, source: str = "") -> FilterDocument:
    """Check a filter. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "filter", source)
    section = Section(values, "", problems, names=FILTER_FIELDS, noun="filter")
    head = read_head(section, "filter")
    topics = section.texts("topics")
    action = section.choice("action", _ACTIONS)
    if not section.has("action"):
        section.note("action", "a filter needs 'action': include or exclude")
    predicate = read_selection(section)
    if predicate is None and not problems.found:
        section.note("conditions", "a filter needs 'conditions' or 'where'")
    problems.raise_if_any(subject_of("filter", values, source))
    assert head.id is not None
    assert predicate is not None
    assert action is not None
    plan = FilterPlan(head.id, predicate, action, topics)
    return FilterDocument(values, head.id, head.enabled, plan)


def read_selection(section: Section) -> Node | None:
    """All of `conditions` and `where`; None without either, or with a problem, which is noted."""
    nodes = [
        read_where(section.values[name], section.at(name), section.problems)
        for name in ("conditions", "where")
        if section.has(name)
    ]
    return joined(nodes) if nodes else None
