"""`Enricher`: a set of lookups, applied to batches of events; says where each datum came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from summit.base.errors import Invalid
from summit.documents.enrichment import LookupPlan
from summit.enrich.dispatch import Dispatch
from summit.enrich.places import Value, put
from summit.enrich.tables import MISS, Lookup
from summit.events.fields import Accessor, compile_path

Status = Literal["found", "miss", "noKey", "error"]


@dataclass(frozen=True, slots=True)
class Enriched:
    """What became of an event.

    Attributes:
        value: The new value, sharing nothing with the old one nor with the tables.
        statuses: What each rule came to, by id in the order of the rules.
        errors: By rule, why its row could not be put into the event.
    """

    value: Value
    statuses: dict[str, Status]
    errors: dict[str, Invalid]


@dataclass(frozen=True, slots=True)
class _Rule:
    plan: LookupPlan
    key: Accessor
    lookup: Lookup


class Enricher:
    """Applies lookups: those for the event's type in their order, then those for every type.

    A row goes to the rule's place under `enrichedData`; a miss puts nothing there. In either case
    `enrichedData._meta.enrichments` says by rule what came of it: `found`, `miss`, or `noKey`
    where the event has no key.

    Args:
        rules: Lookups in order, each with its table (see `tables.compile_table`).
    """

    def __init__(self, rules: Iterable[tuple[LookupPlan, Lookup]]) -> None:
        self._dispatch = Dispatch(
            (plan.event_types, _Rule(plan, compile_path(plan.key_field), lookup))
            for plan, lookup in rules
        )

    def apply(self, values: Sequence[Value]) -> list[Enriched]:
        """Enrich a batch; the values given, which must be plain JSON, stay as they are."""
        return [self._apply(value) for value in values]

    def _apply(self, value: Value) -> Enriched:
        new: Value = msgspec.to_builtins(value)
        statuses: dict[str, Status] = {}
        errors: dict[str, Invalid] = {}
        for rule in self._dispatch.rules_of(value):
            name = rule.plan.id
            key = rule.key(new)
            row = MISS if key is None else rule.lookup(key)
            status: Status = "noKey" if key is None else "miss" if row is MISS else "found"
            reason = None
            if status == "found":
                reason = put(new, rule.plan.target, msgspec.to_builtins(row))
            if reason is None:
                note = {"type": "lookup", "status": status}
                reason = put(new, ("enrichedData", "_meta", "enrichments", name), note)
            if reason is not None:
                status = "error"
                errors[name] = Invalid("enrichment.failed", rule=name, reason=reason)
            statuses[name] = status
        return Enriched(new, statuses, errors)
