"""Rules that begin with the past, out of the definitions. Pure.

to be done   The rule acts nowhere; one worker reads the past for it alone (`backfilling.py`).
live         It has come to where the workers are. They go by it from one cut through all
             inputs on, as by any new rule, and take up what it has begun (`past_state.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from summit.base.errors import SummitError
from summit.documents import validate_backfill
from summit.documents.backfill import BackfillPlan
from summit.flow.kinds import Plan, rule_name
from summit.journal.definition_log import Definition
from summit.keyed.keygroups import key_group


class Backfill(NamedTuple):
    """One that is to be done.

    Attributes:
        rule: The rule's id among all.
        name: What tells it from others of the rule.
        definition: Its document.
    """

    rule: str
    name: str
    plan: Plan
    begin: BackfillPlan
    definition: Definition

    @property
    def group(self) -> int:
        """Who holds this key group does it."""
        return key_group(self.rule)

    def live_document(self) -> dict[str, Any]:
        """The definition that says that it has come to the present."""
        return {**self.definition.document, "live": self.definition.version}


class Live(NamedTuple):
    """One that has come to the present.

    Attributes:
        offset: Its definition's: who goes by everything below has not taken it up.
    """

    rule: str
    name: str
    offset: int

    @property
    def group(self) -> int:
        """Who holds this key group clears away what is no longer needed."""
        return key_group(self.rule)


def backfills_of(
    definitions: Iterable[Definition], plans: Iterable[Plan], faulty: dict[str, str]
) -> tuple[tuple[Backfill, ...], tuple[Live, ...]]:
    """The backfills among some definitions, of rules that are among the plans.

    Args:
        faulty: Is told, by `backfill/id`, why one cannot act.
    """
    by_name: Mapping[str, Plan] = {rule_name(plan): plan for plan in plans}
    open_ones: list[Backfill] = []
    live: list[Live] = []
    for definition in definitions:
        plan = by_name.get(definition.id)
        if definition.kind != "backfill" or plan is None:
            continue
        try:
            document = validate_backfill(definition.document)
        except SummitError as error:
            faulty[f"backfill/{definition.id}"] = str(error)
            continue
        begin, rule = document.plan, definition.id
        if not document.enabled:
            continue
        if begin.live is not None:
            live.append(_live(definition, begin.live))
        else:
            name = f"{rule}@{definition.version}"
            open_ones.append(Backfill(rule, name, plan, begin, definition))
    return tuple(open_ones), tuple(live)


def live_ones(definitions: Iterable[Definition]) -> list[Live]:
    """The backfills among some definitions that have come to the present, of whatever rules."""
    found = []
    for definition in definitions:
        live = definition.document.get("live")
        if definition.kind == "backfill" and isinstance(live, int):
            found.append(_live(definition, live))
    return found


def _live(definition: Definition, revision: int) -> Live:
    return Live(definition.id, f"{definition.id}@{revision}", definition.offset)
