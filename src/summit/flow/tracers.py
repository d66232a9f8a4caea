"""What follows a rule over events to say why it did not match: one tracer for each kind. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from summit.cep.correlation_tracing import CorrelationTracer
from summit.cep.near_misses import NearMiss
from summit.cep.tracing import OpenMatch, Tracer
from summit.cep.window_tracing import WindowTracer
from summit.documents.correlation import CorrelationPlan
from summit.documents.query_plan import QueryPlan
from summit.flow.kinds import Plan
from summit.flow.query_tracing import QueryTracer
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key


class RuleTracer(Protocol):
    """Follows one rule."""

    def feed(self, chunk: Chunk) -> None:
        """Take records, in order; what is no event is passed over."""
        ...

    def finish(self) -> tuple[list[NearMiss], list[OpenMatch]]:
        """The near-misses, the nearest first, and what is under way behind the last event."""
        ...


def tracer_of(plan: Plan, keys: Collection[Key] = ()) -> RuleTracer:
    """What follows a rule of any kind.

    Args:
        keys: Only what becomes of these; none = of all.
    Raises: Invalid("pattern.steps", "extra.missing").
    """
    if isinstance(plan, CorrelationPlan):
        return CorrelationTracer(plan, keys)
    if isinstance(plan, QueryPlan):
        return QueryTracer(plan, keys)
    return Tracer(plan, keys) if plan.window is None else WindowTracer(plan, keys)
