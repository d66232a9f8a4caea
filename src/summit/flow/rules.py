"""From definitions to the rules that run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from summit.base.errors import SummitError
from summit.cep.rules import prepare_rule
from summit.documents import validate_pattern, validate_stream
from summit.documents.plan import PatternPlan
from summit.documents.stream import StreamPlan
from summit.journal.definition_log import Definition
from summit.journal.inputs import TopicFilter, rule_topics


class Rules(NamedTuple):
    """The rules of a set of definitions.

    Attributes:
        plans: Patterns that can run, enabled ones only.
        faulty: Why the others cannot, by id: written by somebody who did not check them.
        filter: The topics that the plans read.
        streams: How topics are read.
    """

    plans: list[PatternPlan]
    faulty: dict[str, str]
    filter: TopicFilter
    streams: list[StreamPlan]


def rules_of(definitions: Iterable[Definition]) -> Rules:
    """The rules among some definitions."""
    plans: list[PatternPlan] = []
    streams: list[StreamPlan] = []
    faulty: dict[str, str] = {}
    for definition in definitions:
        try:
            if definition.kind == "stream":
                stream = validate_stream(definition.document)
                if stream.enabled:
                    streams.append(stream.plan)
            elif definition.kind == "pattern":
                plan = validate_pattern(definition.document).plan
                prepare_rule(plan)
                if plan.enabled:
                    plans.append(plan)
        except SummitError as error:
            faulty[definition.id] = str(error)
    wanted = [topic for plan in plans for topic in rule_topics(plan.topics)]
    return Rules(plans, faulty, TopicFilter(wanted), streams)
