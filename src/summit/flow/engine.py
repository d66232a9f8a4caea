"""The engine: chunks of records in, alerts out. Pure: no clock, no I/O.

It puts together the matcher and the making of alerts, for the worker, for the tests of documents
and for `CEPEngine`, so that live, replayed and tried-out rules run through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.alerts import Alert, CapturedEvent, Found, make_alert
from summit.cep.chunks import Chunk
from summit.cep.keys import Key, many_key, one_key
from summit.cep.match import EventRef, Match, Rejected, StateKey
from summit.cep.matcher import Matcher
from summit.cep.ruleset import compile_rules
from summit.documents.plan import PatternPlan, StepPlan

_decode = msgspec.json.Decoder().decode


class Made(NamedTuple):
    """An alert and the match it was made of."""

    alert: Alert
    match: Match


class Applied(NamedTuple):
    """What a batch gave, each list in order."""

    made: list[Made]
    rejected: list[Rejected]
    next_timer_ms: int | None


class Engine:
    """Rules, their state, and the alerts they make.

    Args:
        topic_id: Gives a topic's id for alert ids; by default its name.
    """

    def __init__(self, topic_id: Callable[[str], str] = str) -> None:
        self._topic_id = topic_id
        self._plans: dict[str, PatternPlan] = {}
        self.matcher = Matcher(compile_rules([]))

    @property
    def plans(self) -> list[PatternPlan]:
        """The active rules, in the order of their ids."""
        return [rule.plan for rule in self.matcher.rules.rules]

    def set_rules(self, plans: Iterable[PatternPlan]) -> None:
        """Go on with these rules; state of rules that mean the same is kept.

        Raises: Invalid("pattern.steps"); then the rules from before stay.
        """
        rules = compile_rules(plans)
        self.matcher.replace_rules(rules)
        self._plans = {rule.plan.id: rule.plan for rule in rules.rules}

    def apply(self, batch: Sequence[Chunk], frontier_ms: int | None = None) -> Applied:
        """Take a batch; see `Matcher.apply`."""
        outputs, _, next_timer_ms = self.matcher.apply(batch, frontier_ms)
        made = [Made(self._alert(match), match) for match in outputs.matches]
        return Applied(made, outputs.rejected, next_timer_ms)

    def forget(self, rule_id: str, key: Sequence[Any]) -> None:
        """Drop what a rule has begun for a key; unknown rules and keys are ignored."""
        for rule in self.matcher.rules.rules:
            if rule.plan.id == rule_id:
                state = _state_key(key)
                if state is not None:
                    self.matcher.forget(StateKey(rule.state_id, state))

    def span_ms(self) -> int | None:
        """The longest time that a match of the active rules may span.

        Returns: 0 when no rule needs more than one event; None when a rule has no limit.
        """
        spans = [_span_ms(plan) for plan in self._plans.values()]
        if None in spans:
            return None
        return max((span for span in spans if span is not None), default=0)

    def _alert(self, match: Match) -> Alert:
        plan = self._plans[match.pattern_id]
        events = [_captured(step, event) for step, event in match.captures]
        found = Found(match.key, events, match.end_ms, match.timed)
        return make_alert(plan, found, self._topic_id)


def _captured(step: str, event: EventRef) -> CapturedEvent:
    value = event.value if event.value is not None else event.projection
    return CapturedEvent(
        step,
        event.topic,
        event.partition,
        event.offset,
        event.src,
        event.timestamp_ms,
        {} if value is None else _decode(value),
        event.value is not None,
    )


def _state_key(key: Sequence[Any]) -> Key | None:
    if len(key) != 1:
        return many_key(tuple(key))
    return key[0] if type(key[0]) is str else one_key(key[0])


def _span_ms(plan: PatternPlan) -> int | None:
    if plan.within_ms is not None:
        return 0 if _is_single(plan.steps) else plan.within_ms
    if _is_single(plan.steps):
        return 0
    # Without `within`, limits between all steps bound a match too, unless a step may repeat.
    gaps = [step.within_ms for step in plan.steps[1:]]
    bounded = all(step.times_max == 1 and not step.group for step in plan.steps)
    if bounded and None not in gaps:
        return sum(gap for gap in gaps if gap is not None)
    return None


def _is_single(steps: Sequence[StepPlan]) -> bool:
    return len(steps) == 1 and steps[0].times_max == 1 and not steps[0].group
