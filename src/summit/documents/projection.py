"""Which fields of captured events a pattern still needs once the events are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from summit.documents.plan import ActionPlan, StepPlan, SuppressPlan, TemplatePlan
from summit.events.expressions.analysis import reference_fields, required_fields
from summit.events.expressions.ir import Node, Path


def projected_fields(
    steps: Sequence[StepPlan],
    group_by: Sequence[Path],
    action: ActionPlan,
    suppress: SuppressPlan | None = None,
) -> tuple[Path, ...]:
    """The paths that runs, the key, texts and the alert read, in a fixed order."""
    found = set(group_by) | set(action.fields) | {("eventId",)}
    if suppress is not None:
        found |= set(suppress.by)
    if action.severity is None:
        found.add(("severity",))
    for predicate in _predicates(steps):
        found |= reference_fields(predicate)
    for template in (action.title, action.description):
        found |= _of_template(template)
    return tuple(sorted(found))


def _predicates(steps: Sequence[StepPlan]) -> Iterator[Node]:
    for step in steps:
        yield from (node for node in (step.predicate, step.until) if node is not None)
        yield from _predicates(step.group)


def _of_template(template: TemplatePlan | None) -> set[Path]:
    nodes = [] if template is None else [p for p in template.parts if not isinstance(p, str)]
    return {path for node in nodes for path in required_fields(node) | reference_fields(node)}
