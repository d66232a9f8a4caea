"""Routes: to which topics events go. Every route that applies counts, in order.

kind: route
id: severe
where: severity in ["high", "critical"]
topic: [soc.severe, soc.all]                  a topic, or a list
stop: true                                    routes after this one are not asked
---
kind: route
id: rest
default: true                                 for events that no other route takes
topic: soc.rest
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from summit.documents.checked import CheckedDocument
from summit.documents.filter import read_selection
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.problems import Problems
from summit.documents.section import Section
from summit.documents.sending import is_closed_topic
from summit.events.expressions.ir import Node

ROUTE_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "conditions", "where", "topic", "default", "stop",
)  # fmt: skip
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """What a route means.

    Attributes:
        predicate: None = for events that no other route takes.
        targets: The topics that events go to.
        is_last: Whether no route after this one is asked.
        topics: Names or globs of the topics that events come from.
    """

    id: str
    predicate: Node | None
    targets: tuple[str, ...]
    is_last: bool = False
    topics: tuple[str, ...] = ()


class RouteDocument(CheckedDocument[RoutePlan]):
    """A route that is free of problems."""

    kind = "route"


def validate_route(values: Mapping[str, Any], *, source: str = "") -> RouteDocument:
    """Check a route. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "route", source)
    section = Section(values, "", problems, names=ROUTE_FIELDS, noun="route")
    head = read_head(section, "route")
    topics = section.texts("topics")
    targets = _read_targets(section)
    for target in targets:
        if target in topics:
            section.note("topic", f"'{target}' is where its events come from")
    is_last = section.flag("stop", default=False)
    before = len(problems)
    predicate = read_selection(section)
    if section.flag("default", default=False):
        if section.has("conditions") or section.has("where"):
            section.note("default", "the default is for what no route takes: it has no conditions")
        if is_last:
            section.note("stop", "nothing comes after the default")
    elif predicate is None and len(problems) == before:
        section.note("conditions", "a route needs 'conditions', 'where' or 'default: true'")
    problems.raise_if_any(subject_of("route", values, source))
    assert head.id is not None
    plan = RoutePlan(head.id, predicate, targets, is_last, topics)
    return RouteDocument(values, head.id, head.enabled, plan)


def _read_targets(section: Section) -> tuple[str, ...]:
    value = section.values.get("topic")
    if value is None:
        section.note("topic", "a route needs 'topic': where its events go")
        return ()
    if isinstance(value, (list, tuple)):
        targets = section.texts("topic")
        if not value:
            section.note("topic", "an empty list is no place to go")
    else:
        text = section.text("topic")
        targets = (text,) if text else ()
    for target in targets:
        if not _TOPIC.fullmatch(target) or target in (".", ".."):
            section.note("topic", f"'{target[:80]}' is no topic: use A-Z a-z 0-9 . _ -")
        elif is_closed_topic(target):
            text = f"'{target}' is not open to routes: the system's topics and dead letters"
            section.note("topic", text)
    return targets
