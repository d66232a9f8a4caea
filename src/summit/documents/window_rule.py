"""A pattern with a window: figures over the events of each key, and `having`.

    where: eventType == "network.connection.new"
    window: {type: sliding, size: 60s}
    having: distinct(destinationPort) > 20

The same in JSON alone: `aggregates: [{name: ports, field: destinationPort, function: distinct}]`
and `having: [{field: ports, operator: gt, value: 20}]`; the guide's form has `conditions` and
`windowConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from summit.base.config import nearest
from summit.documents.guide_form import read_conditions
from summit.documents.plan import Limits, StepPlan
from summit.documents.predicates import joined, read_where
from summit.documents.section import Section, kind_name
from summit.documents.window_parts import (
    holds_of_nothing,
    needs_no_event,
    read_aggregates,
    read_expected,
    read_rearm,
    read_scores,
    read_window,
    read_window_limits,
)
from summit.documents.window_plan import WindowPlan
from summit.events.expressions.analysis import required_fields
from summit.events.expressions.building import any_of, map_fields
from summit.events.expressions.ir import (
    AnyIn,
    Compare,
    Field,
    ListOf,
    Literal,
    Node,
    walk,
)
from summit.events.expressions.window_calls import WindowCall, WindowScope

WINDOW_FIELDS: Final = ("window", "aggregates", "having", "score", "rearm", "expectedKeys")
_STEP: Final = "event"
_NOT_HERE: Final = (
    "steps", "within", "matching", "strictOrder", "afterMatch", "emit", "onTimeout",
    "temporalRelations",
)  # fmt: skip


class WindowReading(NamedTuple):
    """A window rule as far as it is read: without what the texts of its action ask for.

    Attributes:
        step: What takes its events.
    """

    plan: WindowPlan
    step: StepPlan
    limits: Limits


def is_window_rule(values: Mapping[str, Any]) -> bool:
    """Whether a pattern is about a window, not about a sequence of steps."""
    if any(values.get(name) is not None for name in WINDOW_FIELDS):
        return True
    config = values.get("windowConfig")
    if not isinstance(config, Mapping) or values.get("conditions") is None:
        return False
    action = values.get("action")
    kind = action.get("type") if isinstance(action, Mapping) else None
    if kind in ("custom", "aggregate"):
        return True
    return config.get("type") == "session" and _opened(values["conditions"]) < 2


def read_window_rule(section: Section, scope: WindowScope) -> WindowReading | None:
    """Read what is special to a window rule; None when there are problems, which are noted.

    Args:
        scope: Takes what `aggregates` and `having` call; the texts of the action are read with it.
    """
    problems = section.problems
    before = len(problems)
    for name in _NOT_HERE:
        if section.has(name):
            section.note(name, f"'{name}' is about steps; a pattern with a window has none")
    scores = read_scores(section)
    predicate = _read_events(section, tuple(name for name, _ in scores))
    kind, size_ms, slide_ms, gap_ms = read_window(section)
    names = read_aggregates(section, scope)
    having = _read_having(section, scope, names)
    on_empty = kind != "session" and holds_of_nothing(having, scope, names)
    silent = kind == "session" and not section.has("expectedKeys")
    if silent and needs_no_event(having, scope, names):
        text = "a session has an event, so this is never true; that it ends tells of the silence"
        section.note("having", f"{text}: count() >= 1")
    if not section.has("having") and kind != "session" and not _collects(section):
        section.note("having", "a window needs 'having': what must be true of it")
    expected = read_expected(section)
    if expected and not (on_empty or kind == "session"):
        text = "keys are expected by rules that find silence: having count() == 0, or a session"
        section.note("expectedKeys", text)
    rearm, rearm_ms = read_rearm(section, default="always" if having is None else "window")
    limits, events_max, evidence_max = read_window_limits(section, whole=_collects(section))
    if len(problems) > before or predicate is None:
        return None
    plan = WindowPlan(
        kind, size_ms, slide_ms, gap_ms, having=having, on_empty=on_empty, rearm=rearm,
        rearm_ms=rearm_ms, names=names, scores=scores, expected=expected, events_max=events_max,
        evidence_max=evidence_max,
    )  # fmt: skip
    return WindowReading(plan, StepPlan(_STEP, predicate=predicate), limits)


def finish_window(section: Section, reading: WindowReading, scope: WindowScope) -> WindowPlan:
    """The plan with all calls, those of the action's texts included."""
    calls = tuple(scope.calls[text] for text in sorted(scope.calls))
    plan = replace(reading.plan, calls=calls)
    if "score()" in scope.calls and not plan.scores:
        section.note("score", "score() needs 'score': what an event of each type adds")
    elif plan.scores and "score()" not in scope.calls:
        section.note("having", "'score' is for a having such as score() > 70")
    if plan.by_groups:
        _check_groups(section, plan)
    return plan


def _opened(conditions: object) -> int:
    """How many steps a list of conditions opens."""
    if not isinstance(conditions, (list, tuple)):
        return 0
    return sum(isinstance(c, Mapping) and c.get("eventType") is not None for c in conditions)


def _collects(section: Section) -> bool:
    """Whether the action is given all events of the window."""
    action = section.values.get("action")
    return isinstance(action, Mapping) and action.get("type") in ("custom", "aggregate", "forward")


def _read_events(section: Section, types: tuple[str, ...]) -> Node | None:
    """Which events go in: `where`, any of the guide's conditions, the types that have a score."""
    values, problems = section.values, section.problems
    nodes: list[Node | None] = []
    if section.has("where"):
        nodes.append(read_where(values["where"], section.at("where"), problems))
    if section.has("conditions"):
        pointer = section.at("conditions")
        steps = read_conditions(values["conditions"], pointer, problems).steps
        if any((step.times_min, step.times_max) != (1, 1) for step in steps):
            problems.add(pointer, "'times' is about steps; a window counts with 'having'")
        parts = [step.predicate for step in steps if step.predicate is not None]
        nodes.append(any_of(parts) if parts else None)
    if not nodes and types:
        texts = ListOf(tuple(Literal(name) for name in types))
        return AnyIn(Field(("eventType",)), texts)
    if not nodes:
        problems.add("", "a pattern with a window needs 'where' (or 'conditions'): its events")
        return None
    return joined(nodes)


def _read_having(
    section: Section, scope: WindowScope, names: tuple[tuple[str, str], ...]
) -> Node | None:
    if not section.has("having"):
        return None
    pointer = section.at("having")
    node = read_where(section.values["having"], pointer, section.problems, steps=scope)
    if node is None:
        return None
    if isinstance(node, Field):
        section.note("having", "must compare a figure with something, as in count() > 5")
        return None
    for plain in ("count", "rate", "score"):  # a condition's field cannot be written as a call
        if (plain,) in required_fields(node) and plain not in dict(names):
            scope.add(WindowCall(plain))
            node = _replaced(node, plain)
    _check_compared(section, node, scope, dict(names))
    known = {*scope.calls, *(name for name, _ in names)}
    for path in sorted(required_fields(node)):
        name = ".".join(path)
        if name not in known:
            text = (
                f"'{name}' is no figure of the window: write a call such as count() or sum({name}),"
                " or a name of 'aggregates'"
            )
            section.problems.add(pointer, text, suggestion=nearest(name, sorted(known)))
    return node


def _check_compared(
    section: Section, node: Node, scope: WindowScope, names: Mapping[str, str]
) -> None:
    """Note comparisons of a figure with what it never is: all but `values` are numbers."""
    for each in walk(node):
        if not isinstance(each, Compare):
            continue
        for figure, other in ((each.left, each.right), (each.right, each.left)):
            if not isinstance(figure, Field) or not isinstance(other, Literal):
                continue
            name = ".".join(figure.path)
            call = scope.calls.get(names.get(name, name))
            value = other.value
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if call is None or call.function == "values" or is_number or value is None:
                continue
            text = f"'{name}' is a number and cannot be compared with {kind_name(value)}"
            section.note("having", text)


def _replaced(node: Node, name: str) -> Node:
    """The node with the field `count` read as the call `count()`."""
    return map_fields(node, lambda path: (f"{name}()",) if path == (name,) else path)


def _check_groups(section: Section, plan: WindowPlan) -> None:
    if not section.has("groupBy"):
        section.note("groupBy", "zscore(…, groups) compares the groups of 'groupBy'")
    if plan.kind == "session" or plan.is_trailing:
        text = "zscore(…, groups) compares windows of the same time: tumbling, or with a slide"
        section.note("window", text)
    if plan.expected:
        section.note("expectedKeys", "groups that are compared cannot be expected")
    if section.has("suppress"):
        section.not_available("suppress", "'suppress' of groups that are compared")
