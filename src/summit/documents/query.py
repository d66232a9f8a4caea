"""Analytics queries: checked, with every problem at its place, and lowered to a plan.

kind: query
id: login-metrics
eventTypes: [user.login]
filters: [{field: ok, operator: eq, value: true}]
groupBy: [country, deviceType]
window: {type: tumbling, size: 5m}
metrics:
  - {name: logins, function: count}
  - {name: p95, field: duration, function: percentile, percentile: 95}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from summit.documents.checked import CheckedDocument
from summit.documents.hashing import document_hash
from summit.documents.head import HEAD_FIELDS, read_head, subject_of
from summit.documents.predicates import joined, read_where
from summit.documents.problems import Problems, join_pointer
from summit.documents.query_metrics import read_metrics
from summit.documents.query_plan import (
    EARLY_DEFAULT_MS,
    EVENTS_DEFAULT,
    GROUPS_DEFAULT,
    IDLE_DEFAULT_MS,
    QueryPlan,
)
from summit.documents.query_window import read_window
from summit.documents.rule_tests import EXPECTED_OF_QUERY, read_tests
from summit.documents.section import Section
from summit.documents.sending import is_closed_topic
from summit.events.expressions.ir import Compare, Node, walk
from summit.events.expressions.unparse import unparse

ANY_TYPE: Final = "*"
_TOPIC_CHARS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
QUERY_FIELDS: Final = (
    *HEAD_FIELDS, "topics", "eventTypes", "filters", "where", "groupBy", "window",
    "allowedLateness", "metrics", "topic", "limits", "early", "tests",
)  # fmt: skip
# What changes how a query is told, not what its windows hold.
_NOT_MEANT: Final = frozenset(
    (
        "id", "name", "topic", "groups_max", "events_max", "idle_ms", "state_id", "enabled", "tags",
        "version", "early_ms",
    )
)  # fmt: skip
_NOT_JUDGED: Final = frozenset(("alert",))  # of a metric's anomaly: what becomes of it


class QueryDocument(CheckedDocument[QueryPlan]):
    """A query that is free of problems."""

    kind = "query"


def validate_query(values: Mapping[str, Any], *, source: str = "") -> QueryDocument:
    """Check a query. Raises: Invalid("document.invalid") with all `problems`."""
    problems = Problems()
    problems.refuse_foreign(values, "query", source)
    section = Section(values, "", problems, names=QUERY_FIELDS, noun="query")
    head = read_head(section, "query")
    topics, types = section.texts("topics"), _types(section)
    predicate = _predicate(section)
    group_by = section.paths("groupBy")
    window = read_window(section)
    lateness = section.duration_ms("allowedLateness", least=0) or 0
    if window is not None and lateness and window.kind not in ("tumbling", "hopping", "session"):
        text = f"a window of type '{window.kind}' is told once and cannot be corrected"
        section.note("allowedLateness", text)
    metrics = read_metrics(section)
    topic = _topic(section)
    limits = _limits(section)
    tests = read_tests(section, EXPECTED_OF_QUERY)
    early = section.values.get("early")
    early_ms = EARLY_DEFAULT_MS if early in (None, True) else None
    if early is not None and not isinstance(early, bool):
        early_ms = section.duration_ms("early", least=100)
    problems.raise_if_any(subject_of("query", values, source))
    assert head.id is not None
    assert window is not None
    plan = QueryPlan(
        head.id, head.name or head.id, window, metrics, group_by, types, predicate, topics,
        lateness, topic, *limits, enabled=head.enabled, tags=head.tags, version=head.version,
        early_ms=early_ms,
    )  # fmt: skip
    plan = replace(plan, state_id=f"query:{plan.id}/{_meaning_hash(plan)}")
    return QueryDocument(values, head.id, head.enabled, plan, tests)


def _meaning_hash(plan: QueryPlan) -> str:
    """Over what decides the numbers. Defaults are left out, so that new fields change none."""
    meaning = _given(plan, _NOT_MEANT)
    if plan.predicate is not None:
        orders = [node.compare_as for node in walk(plan.predicate) if isinstance(node, Compare)]
        meaning["predicate"] = [unparse(plan.predicate), orders]
    meaning["window"] = _given(plan.window)
    meaning["metrics"] = [_given(metric) for metric in plan.metrics]
    return document_hash(meaning)


def _given(plan: Any, besides: frozenset[str] = frozenset()) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in fields(plan):
        value = getattr(plan, member.name)
        if member.name not in besides and value != member.default:
            found[member.name] = _given(value, _NOT_JUDGED) if is_dataclass(value) else value
    return found


def _types(section: Section) -> tuple[str, ...] | None:
    """The event types, None = every one."""
    found = section.texts("eventTypes")
    for place, name in enumerate(found):
        if "*" in name and name != ANY_TYPE:
            text = f"'{name}': a type is named in full; '*' alone stands for every type"
            section.problems.add(join_pointer(section.at("eventTypes"), place), text)
    if section.has("eventTypes") and not found and not section.problems.found:
        section.note("eventTypes", "must name a type; '*' stands for every type")
    return None if not found or ANY_TYPE in found else found


def _predicate(section: Section) -> Node | None:
    """All of `filters` and `where`; None = every event."""
    nodes: list[Node | None] = []
    for name in ("filters", "where"):
        value = section.values.get(name)
        if value is None or (name == "filters" and value == []):  # no filter: the guide's way
            continue
        if name == "filters" and not isinstance(value, (list, tuple)):
            section.note(name, "must be a list of conditions; an expression goes to 'where'")
            continue
        nodes.append(read_where(value, section.at(name), section.problems))
    return joined(nodes) if nodes else None


def _topic(section: Section) -> str | None:
    name = section.text("topic", chars_max=249)
    if name is not None and (not set(name) <= _TOPIC_CHARS or is_closed_topic(name)):
        text = f"'{name}' is no topic for results: letters, digits and . _ - , none of the system's"
        section.note("topic", text)
        return None
    return name


def _limits(section: Section) -> tuple[int, int, int]:
    """How many groups and events are kept, and for how long a silent group."""
    value = section.mapping("limits")
    if value is None:
        return GROUPS_DEFAULT, EVENTS_DEFAULT, IDLE_DEFAULT_MS
    inner = Section(
        value, section.at("limits"), section.problems, names=("groups", "events", "idle"),
        noun="limits",
    )  # fmt: skip
    idle = inner.duration_ms("idle")
    return (
        inner.whole("groups", least=1) or GROUPS_DEFAULT,
        inner.whole("events", least=1, most=1_000_000) or EVENTS_DEFAULT,
        idle or IDLE_DEFAULT_MS,
    )
