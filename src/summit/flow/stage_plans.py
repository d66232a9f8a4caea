"""Filters, transformations, enrichments and routes, out of the definitions.

Topics that routes write to are outputs: who names no topics reads every user topic but these, so
that nothing sees an event twice or sends it in a circle. Routes that would are refused. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from summit.base.errors import Invalid, SummitError
from summit.documents import (
    validate_enrichment,
    validate_filter,
    validate_route,
    validate_transformation,
)
from summit.documents.correlation import CorrelationPlan
from summit.documents.enrichment import EnrichmentPlan
from summit.documents.filter import FilterPlan
from summit.documents.plan import PatternPlan
from summit.documents.query_plan import QueryPlan
from summit.documents.route import RoutePlan
from summit.documents.transform_plan import TransformationPlan
from summit.journal.definition_log import Definition, DefinitionLog
from summit.keyed.rule import sees_topic

STAGE_KINDS = ("filter", "transformation", "enrichment", "route")


class StagePlans(NamedTuple):
    """The plans that act, of each kind in the order in which they were first registered."""

    filters: tuple[FilterPlan, ...] = ()
    transformations: tuple[TransformationPlan, ...] = ()
    enrichments: tuple[EnrichmentPlan, ...] = ()
    routes: tuple[RoutePlan, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(self)

    def of(self, topic: str) -> StagePlans:
        """Those that concern the events of a topic."""

        def concerning(plans: Sequence[P]) -> tuple[P, ...]:
            return tuple(plan for plan in plans if sees_topic(plan.topics, topic))

        return StagePlans(
            concerning(self.filters),
            concerning(self.transformations),
            concerning(self.enrichments),
            tuple(plan for plan in concerning(self.routes) if topic not in plan.targets),
        )


P = TypeVar("P", FilterPlan, TransformationPlan, EnrichmentPlan, RoutePlan)
_Stage = FilterPlan | TransformationPlan | EnrichmentPlan | RoutePlan
R = TypeVar("R", bound=_Stage | PatternPlan | CorrelationPlan | QueryPlan)

_VALIDATORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "filter": validate_filter,
    "transformation": validate_transformation,
    "enrichment": validate_enrichment,
    "route": validate_route,
}


def stage_plans_of(
    definitions: Iterable[Definition], faulty: dict[str, str], written: Iterable[str] = ()
) -> tuple[StagePlans, tuple[str, ...]]:
    """The plans among some definitions, and the topics that they write to.

    Args:
        written: Topics that others write to: outputs, too.
        faulty: Is told, by `kind/id`, why one cannot act: written by somebody who did not check it.
    """
    found: dict[str, list[Any]] = {kind: [] for kind in STAGE_KINDS}
    told: set[str] = set()
    for definition in definitions:
        told.update(_told_topic(definition))
        validate = _VALIDATORS.get(definition.kind)
        if validate is None:
            continue
        try:
            document = validate(definition.document)
            if document.enabled:
                found[definition.kind].append(document.plan)
        except SummitError as error:
            faulty[f"{definition.kind}/{definition.id}"] = str(error)
    routed = {topic for plan in found["route"] for topic in plan.targets}
    outputs = tuple(sorted(routed.union(written, told)))
    lowered = {
        kind: [without_outputs(plan, outputs) for plan in plans] for kind, plans in found.items()
    }
    plans = StagePlans(
        tuple(lowered["filter"]), tuple(lowered["transformation"]), tuple(lowered["enrichment"]),
        _without_circles(lowered["route"], faulty),
    )  # fmt: skip
    return plans, outputs


def stage_of(
    documents: Iterable[Mapping[str, Any]], faulty: dict[str, str] | None = None
) -> StagePlans:
    """The plans among some documents; those of other kinds are left out. See `stage_plans_of`."""
    definitions = [
        Definition(
            kind=str(each.get("kind", "")), id=str(each.get("id", "")), document=dict(each),
            offset=number, version=1, timestamp_ms=0,
        )
        for number, each in enumerate(documents)
    ]  # fmt: skip
    return stage_plans_of(definitions, {} if faulty is None else faulty)[0]


def without_outputs(plan: R, outputs: Sequence[str]) -> R:
    """The plan; one that reads every user topic does not read these (see `sees_topic`)."""
    if plan.topics not in ((), ("*",)) or not outputs:
        return plan
    return replace(plan, topics=("*", *(f"!{topic}" for topic in outputs)))


def _told_topic(definition: Definition) -> Iterable[str]:
    """The topic that a notification writes to, if it does."""
    document = definition.document
    config = document.get("config")
    if definition.kind != "notification" or document.get("type") != "topic":
        return ()
    topic = config.get("topic") if isinstance(config, dict) else None
    return (topic,) if isinstance(topic, str) else ()


def _without_circles(routes: list[RoutePlan], faulty: dict[str, str]) -> tuple[RoutePlan, ...]:
    """The routes, without those that would send an event round to where it came from."""
    accepted: list[RoutePlan] = []
    for route in routes:
        way = _way_back(route, accepted)
        if way is None:
            accepted.append(route)
        else:
            faulty[f"route/{route.id}"] = f"it would send events in a circle: {' → '.join(way)}"
    return tuple(accepted)


def check_circles(document: Mapping[str, Any], log: DefinitionLog) -> None:
    """See that a route which is to be published sends nothing in a circle; others pass.

    Raises: Invalid("route.circle").
    """
    if document.get("kind") != "route":
        return
    rule = str(document.get("id", ""))
    others = [each.document for each in log.registered("route") if each.id != rule]
    faulty: dict[str, str] = {}
    stage_of([*others, document], faulty)
    if f"route/{rule}" in faulty:
        raise Invalid("route.circle", rule=rule, reason=faulty[f"route/{rule}"])


def _way_back(route: RoutePlan, others: Sequence[RoutePlan]) -> list[str] | None:
    """Topics by which an event that the route sends would come to it again; None = it cannot."""
    waiting = [[topic] for topic in route.targets]
    seen = set(route.targets)
    while waiting:
        way = waiting.pop()
        if way[-1] not in route.targets and sees_topic(route.topics, way[-1]):
            return [*way, way[0]]
        for other in others:
            if way[-1] not in other.targets and sees_topic(other.topics, way[-1]):
                fresh = [target for target in other.targets if target not in seen]
                seen.update(fresh)
                waiting += [[*way, target] for target in fresh]
    return None
