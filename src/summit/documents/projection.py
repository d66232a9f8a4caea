"""Which fields of captured events a pattern still needs once the events are gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from summit.documents.plan import (
    ActionPlan,
    StepPlan,
    SuppressPlan,
    TemplatePlan,
    TemporalPlan,
)
from summit.documents.temporal import INTERVAL_FIELDS
from summit.events.expressions.analysis import reference_fields, required_fields
from summit.events.expressions.ir import Node, Path


def projected_fields(
    steps: Sequence[StepPlan],
    group_by: Sequence[Path],
    actions: Iterable[ActionPlan | None],
    relations: Sequence[TemporalPlan] = (),
    suppress: SuppressPlan | None = None,
) -> tuple[Path, ...]:
    """The paths that runs, the key and the actions read, in a fixed order."""
    found = set(group_by) | {("eventId",)}
    if suppress is not None:
        found |= set(suppress.by)
    for predicate in _predicates(steps):
        found |= reference_fields(predicate)
    if relations:
        found |= set(INTERVAL_FIELDS)
    for action in actions:
        if action is not None:
            found |= _of_action(action)
    return tuple(sorted(found))


def _of_action(action: ActionPlan) -> set[Path]:
    found = set(action.fields) | set(action.group_by)
    if action.severity is None:
        found.add(("severity",))
    for _, condition in action.severity_rules:
        found |= required_fields(condition) | reference_fields(condition)
    for template in (action.title, action.description, action.record_key):
        found |= _of_template(template)
    found |= {each.field for each in action.aggregations if each.field is not None}
    return found


def _predicates(steps: Sequence[StepPlan]) -> Iterator[Node]:
    for step in steps:
        yield from (node for node in (step.predicate, step.until) if node is not None)
        yield from _predicates(step.group)


def _of_template(template: TemplatePlan | None) -> set[Path]:
    nodes = [] if template is None else [p for p in template.parts if not isinstance(p, str)]
    return {path for node in nodes for path in required_fields(node) | reference_fields(node)}
