"""`Enricher`: a set of enrichments, applied to batches of events; says where each datum came from.

It knows no source. It asks, one rule at a time for all events that the rule is for, and goes on
with the answers, wherever these come from: a table, a service, or the record of an earlier run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.documents.enrichment import EnrichmentPlan
from summit.enrich.dispatch import Dispatch
from summit.enrich.effects import Fate, worse
from summit.enrich.places import Value, put
from summit.events.fields import Accessor, compile_path

Status = Literal["found", "miss", "noKey", "error"]


class Found(NamedTuple):
    """What a source has for a key.

    Attributes:
        row: Any JSON; only of `found`.
        reason: Why there is no answer, or nothing there. It must hold no secret.
        at_ms: When the answer was had, milliseconds since 1970 UTC, where it may change.
    """

    status: Literal["found", "miss", "error"]
    row: Any = None
    reason: str = ""
    at_ms: int | None = None


MISSED: Final = Found("miss")


class Ask(NamedTuple):
    """What a rule wants to know; an answer is wanted for each key.

    Attributes:
        rule: Its id.
        numbers: Which events of the batch ask.
        keys: The key of each, which are not distinct; for a rule without a key field the event.
    """

    rule: str
    numbers: list[int]
    keys: list[Any]


Asking = Generator[Ask, Sequence[Found], "list[Enriched]"]


@dataclass(slots=True)
class Enriched:
    """What became of an event.

    Attributes:
        value: The new value, sharing nothing with the old one nor with the sources.
        statuses: What each rule came to, by id in the order of the rules; none of an event that
            no rule is for.
        errors: By rule, why its row could not be had or put into the event.
        fate: What is to become of the event, after rules that failed on it.
        culprit: The rule that decided so; None = it goes on.
    """

    value: Value
    statuses: dict[str, Status] = field(default_factory=dict)
    errors: dict[str, Invalid] = field(default_factory=dict)
    fate: Fate = "pass"
    culprit: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    plan: EnrichmentPlan
    key: Accessor | None


class Enricher:
    """Applies enrichments: those for the event's type in their order, then those for every type.

    A row goes to the rule's place under `enrichedData`; a miss puts nothing there. In either case
    `enrichedData._meta.enrichments` says by rule what came of it: `found`, `miss`, `noKey` where
    the event has no key, or, of a rule with `onError: tag`, `error` with the reason.

    Args:
        plans: Enrichments, in order.
    """

    def __init__(self, plans: Iterable[EnrichmentPlan]) -> None:
        rules = [
            _Rule(plan, None if plan.key_field is None else compile_path(plan.key_field))
            for plan in plans
        ]
        # Those for every type come last: rule by rule is the same as event by event.
        self._rules = sorted(rules, key=lambda rule: not rule.plan.event_types)
        self._dispatch = Dispatch((rule.plan.event_types, rule) for rule in rules)

    def asking(self, values: Sequence[Value], *, owned: bool = False) -> Asking:
        """Enrich a batch: yields what is to be looked up, is sent the answers, returns the events.

        Args:
            values: Plain JSON; they stay as they are.
            owned: The values are the enricher's own: they may be changed and given back.
        """
        events = [Enriched(each if owned else msgspec.to_builtins(each)) for each in values]
        wanted: dict[int, list[int]] = {}
        for number, value in enumerate(values):
            for rule in self._dispatch.rules_of(value):
                wanted.setdefault(id(rule), []).append(number)
        for rule in self._rules:
            numbers = wanted.get(id(rule))
            if numbers:
                yield from _ask(rule, numbers, events)
        return events

    def apply(
        self, values: Sequence[Value], find: Callable[[Ask], Sequence[Found]]
    ) -> list[Enriched]:
        """Enrich a batch from sources that answer at once; see `asking`."""
        asking = self.asking(values)
        try:
            ask = next(asking)
            while True:
                ask = asking.send(find(ask))
        except StopIteration as done:
            found: list[Enriched] = done.value
            return found


def _ask(
    rule: _Rule, numbers: list[int], events: list[Enriched]
) -> Generator[Ask, Sequence[Found], None]:
    asked: list[int] = []
    keys: list[Any] = []
    for number in numbers:
        value = events[number].value
        key = value if rule.key is None else rule.key(value)
        if key is None:
            _note(rule.plan, events[number], "noKey", MISSED)
        else:
            asked.append(number)
            keys.append(key)
    if not asked:
        return
    answers = yield Ask(rule.plan.id, asked, keys)
    for number, answer in zip(asked, answers, strict=True):
        _take(rule.plan, events[number], answer)


def _take(plan: EnrichmentPlan, event: Enriched, answer: Found) -> None:
    if answer.status == "error":
        _fail(plan, event, answer.reason)
        return
    if answer.status == "found":
        fault = put(event.value, plan.target, msgspec.to_builtins(answer.row))
        if fault is not None:
            _fail(plan, event, f"what was found has no place in the event: {fault}")
            return
    _note(plan, event, answer.status, answer)


def _note(plan: EnrichmentPlan, event: Enriched, status: Status, answer: Found) -> None:
    """Say in the event where a datum came from, or why there is none."""
    note: dict[str, Any] = {"type": plan.source.type, "status": status}
    if answer.reason:
        note["reason"] = answer.reason
    if answer.at_ms is not None:
        note["at"] = answer.at_ms
    fault = put(event.value, ("enrichedData", "_meta", "enrichments", plan.id), note)
    if fault is None:
        event.statuses[plan.id] = status
    elif status != "error":
        _fail(plan, event, f"what was found has no place in the event: {fault}")


def _fail(plan: EnrichmentPlan, event: Enriched, reason: str) -> None:
    event.statuses[plan.id] = "error"
    event.errors[plan.id] = Invalid("enrichment.failed", rule=plan.id, reason=reason)
    before, event.fate = event.fate, worse(event.fate, plan.on_error)
    if event.fate != before:
        event.culprit = plan.id
    if plan.on_error == "tag":
        _note(plan, event, "error", Found("error", reason=reason))
