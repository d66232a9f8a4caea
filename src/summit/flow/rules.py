"""From definitions to the rules that run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from summit.base.errors import SummitError
from summit.cep.rules import prepare_rule
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.journal.definition_log import Definition
from summit.journal.inputs import TopicFilter, rule_topics


class Rules(NamedTuple):
    """The rules of a set of definitions.

    Attributes:
        plans: Those that can run, enabled ones only.
        faulty: Why the others cannot, by id: written by somebody who did not check them.
        filter: The topics that the plans read.
    """

    plans: list[PatternPlan]
    faulty: dict[str, str]
    filter: TopicFilter


def rules_of(definitions: Iterable[Definition]) -> Rules:
    """The rules among some definitions."""
    plans: list[PatternPlan] = []
    faulty: dict[str, str] = {}
    for definition in definitions:
        if definition.kind != "pattern":
            continue
        try:
            plan = validate_pattern(definition.document).plan
            prepare_rule(plan)
        except SummitError as error:
            faulty[definition.id] = str(error)
            continue
        if plan.enabled:
            plans.append(plan)
    wanted = [topic for plan in plans for topic in rule_topics(plan.topics)]
    return Rules(plans, faulty, TopicFilter(wanted))
