"""From definitions to the rules that run. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from summit.base.errors import SummitError
from summit.documents import validate_stream
from summit.documents.stream import StreamPlan
from summit.flow.backfills import Backfill, Live, backfills_of
from summit.flow.kinds import RULE_KINDS, Plan, rule_id, rule_name
from summit.flow.pausing import pauses_in_force
from summit.flow.reading import outputs_of, with_starts
from summit.flow.stage_plans import STAGE_KINDS, StagePlans, stage_plans_of, without_outputs
from summit.journal.definition_log import Definition, DefinitionLog
from summit.journal.inputs import TopicFilter, rule_topics

_NONE: Final = TopicFilter([])


class Rules(NamedTuple):
    """The rules of a set of definitions.

    Attributes:
        plans: Rules that can run, enabled ones only.
        faulty: Why the others cannot, by rule id (of the stage by `kind/id`): written by somebody
            who did not check them.
        filter: The topics that the plans read.
        streams: How topics are read.
        paused: Ids of rules that rest.
        paused_topics: Topics that are not read for now.
        stage: What is done to events before the plans see them.
        outputs: Topics that routes, patterns and queries write to; `*` does not stand for them.
        backfills: Rules that begin with the past, and are not among the plans until they are live.
        live: Those of them that have come to the present.
    """

    plans: list[Plan]
    faulty: dict[str, str]
    filter: TopicFilter
    streams: list[StreamPlan]
    paused: tuple[str, ...] = ()
    paused_topics: TopicFilter = _NONE
    stage: StagePlans = StagePlans()
    outputs: tuple[str, ...] = ()
    backfills: tuple[Backfill, ...] = ()
    live: tuple[Live, ...] = ()

    @classmethod
    def none(cls) -> Rules:
        """No rules."""
        return cls([], {}, _NONE, [])


def acting_ones(log: DefinitionLog) -> list[Definition]:
    """The definitions that rules are made of."""
    staged = [definition for kind in STAGE_KINDS for definition in log.registered(kind)]
    rules = [definition for kind in RULE_KINDS for definition in log.current(kind)]
    return [*log.current("stream"), *rules, *log.current("backfill"), *log.current("flow"), *staged]


def rules_of(definitions: Collection[Definition]) -> Rules:
    """The rules among some definitions."""
    plans: list[Plan] = []
    streams: list[StreamPlan] = []
    faulty: dict[str, str] = {}
    for definition in definitions:
        try:
            if definition.kind == "stream":
                stream = validate_stream(definition.document)
                if stream.enabled:
                    streams.append(stream.plan)
            elif (kind := RULE_KINDS.get(definition.kind)) is not None:
                plan = kind.validate(definition.document).plan
                kind.prepare(plan)
                if plan.enabled:
                    plans.append(plan)
        except SummitError as error:
            faulty[rule_id(definition.kind, definition.id)] = str(error)
    stage, outputs = stage_plans_of(definitions, faulty, outputs_of(plans))
    plans = with_starts([without_outputs(plan, outputs) for plan in plans])
    backfills, live = backfills_of(definitions, plans, faulty)
    past = {each.rule for each in backfills}
    plans = [plan for plan in plans if rule_name(plan) not in past]
    readers = [plan.topics for plan in plans] + [plan.topics for plan in stage.routes]
    wanted = [topic for topics in readers for topic in rule_topics(topics)]
    pauses = pauses_in_force(definitions)
    holds = pauses.holds()
    return Rules(
        plans, faulty, TopicFilter(wanted), streams, pauses.rules, holds, stage, outputs, backfills,
        live,
    )  # fmt: skip


def as_applied(plan: Plan, rules: Rules) -> Plan:
    """A plan as it would act beside the rules of now.

    Like them it reads nothing that routes and actions write, unless it names the topic, and what
    others start it with. Of its own id it takes the place.
    """
    name = rule_name(plan)
    others = [other for other in rules.plans if rule_name(other) != name]
    outputs = sorted({*rules.outputs, *outputs_of([plan])})
    return with_starts([without_outputs(plan, outputs), *others])[0]
