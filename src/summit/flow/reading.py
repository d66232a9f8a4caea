"""What patterns write, and what starts them, among the topics that they read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from summit.documents.plan import ActionPlan, PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.flow.effects import starts_topic
from summit.flow.kinds import Plan

P = TypeVar("P", bound=Plan)


def actions_of(plans: Iterable[Plan]) -> Iterator[ActionPlan]:
    """The actions of the patterns among the plans."""
    for plan in plans:
        if isinstance(plan, PatternPlan):
            yield plan.action
            if plan.on_timeout is not None:
                yield plan.on_timeout


def outputs_of(plans: Iterable[Plan]) -> set[str]:
    """The topics to which patterns and queries write: who names no topics does not read them."""
    plans = list(plans)
    found = {plan.topic for plan in plans if isinstance(plan, QueryPlan) and plan.topic is not None}
    for action in actions_of(plans):
        if action.topic is not None:
            found.add(action.topic)
        if action.pattern is not None:
            found.add(starts_topic(action.pattern))
    return found


def with_starts(plans: Sequence[P]) -> list[P]:
    """The plans; patterns that others start read, beside their topics, what starts them."""
    started = {action.pattern for action in actions_of(plans)}
    return [
        replace(plan, topics=(*plan.topics, starts_topic(plan.id)))
        if isinstance(plan, PatternPlan)
        and plan.id in started
        and starts_topic(plan.id) not in plan.topics
        else plan
        for plan in plans
    ]
