"""Temporal relations that stand beside patterns: put where they have a meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from summit.documents.hashing import rehashed
from summit.documents.placing import NEGATIVE
from summit.documents.plan import PatternPlan, StepPlan, TemporalPlan
from summit.documents.temporal import INTERVAL_FIELDS
from summit.events.expressions.analysis import equality_constraint


def with_relations(plan: PatternPlan, relations: Iterable[TemporalPlan]) -> PatternPlan:
    """The plan with those of the relations whose two events it has.

    An event is a step of that name, or each step that takes events of that type and of no other.
    """
    steps = list(_takers(plan.steps))
    found = list(plan.relations)
    for relation in relations:
        for first in _named(relation.first, steps):
            for second in _named(relation.second, steps):
                placed = replace(relation, first=first, second=second)
                if first != second and placed not in found:
                    found.append(placed)
    if tuple(found) == plan.relations:
        return plan
    projected = tuple(sorted({*plan.projected, *INTERVAL_FIELDS}))
    return rehashed(replace(plan, relations=tuple(found), projected=projected))


def _named(event: str, steps: Sequence[StepPlan]) -> list[str]:
    return [step.name for step in steps if step.name == event or _is_of_type(step, event)]


def _is_of_type(step: StepPlan, event_type: str) -> bool:
    if step.predicate is None:
        return False
    return equality_constraint(step.predicate, ("eventType",)) == frozenset({event_type})


def _takers(steps: Sequence[StepPlan]) -> Iterator[StepPlan]:
    for step in steps:
        if step.group:
            yield from _takers(step.group)
        elif step.relation not in NEGATIVE:
            yield step
