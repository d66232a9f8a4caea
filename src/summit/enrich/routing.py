"""`Router`: to which topics events go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from summit.documents.route import RoutePlan
from summit.events.event import Readable
from summit.events.expressions import compile_predicate
from summit.events.layouts import EventLayout


class Routed(NamedTuple):
    """The topics, each once and in the order of the routes, and the routes that named them."""

    topics: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


class Router:
    """A set of routes, compiled once; the defaults are for what no other route takes."""

    def __init__(self, plans: Sequence[RoutePlan]) -> None:
        self._routes = [
            (plan, compile_predicate(plan.predicate, EventLayout()))
            for plan in plans
            if plan.predicate is not None
        ]
        self._default = _routed([plan for plan in plans if plan.predicate is None])

    def apply(self, events: Sequence[Readable]) -> list[Routed]:
        """Where each event of a batch goes; no topics = nowhere."""
        return [self._route(event) for event in events]

    def _route(self, event: Readable) -> Routed:
        taken: list[RoutePlan] = []
        for plan, holds in self._routes:
            if holds(event):
                taken.append(plan)
                if plan.is_last:
                    break
        return _routed(taken) if taken else self._default


def _routed(plans: Sequence[RoutePlan]) -> Routed:
    topics = dict.fromkeys(topic for plan in plans for topic in plan.targets)
    return Routed(tuple(topics), tuple(plan.id for plan in plans))
