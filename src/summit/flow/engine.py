"""The engine: chunks of records in, alerts out. Pure: no clock, no I/O.

It puts together the matcher and the making of alerts, for the worker, for the tests of documents
and for `CEPEngine`, so that live, replayed and tried-out rules run through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from summit.alerts import Alert, CapturedEvent, Found, make_alert
from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan
from summit.documents.stream import StreamPlan
from summit.keyed.captured import EventRef
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, many_key, one_key
from summit.keyed.outputs import Applied as Taken
from summit.keyed.outputs import Late, Rejected, Remote, StateKey
from summit.keyed.processor import Processor
from summit.keyed.waiting import WaitKey

_decode = msgspec.json.Decoder().decode


class Made(NamedTuple):
    """An alert and the match it was made of."""

    alert: Alert
    match: Match


class Applied(NamedTuple):
    """What a batch gave, each list in order; the others as in `Processor.apply`."""

    made: list[Made]
    rejected: list[Rejected]
    late: list[Late]
    remote: list[Remote]
    dirty: set[StateKey]
    waits: set[WaitKey]


class Engine:
    """Rules, their state, and the alerts they make.

    Args:
        topic_id: Gives a topic's id for alert ids; by default its name.
    """

    def __init__(self, topic_id: Callable[[str], str] = str) -> None:
        self._topic_id = topic_id
        self._plans: dict[str, PatternPlan] = {}
        self.processor = Processor(compile_rules([]))

    @property
    def plans(self) -> list[PatternPlan]:
        """The active rules, in the order of their ids."""
        return list(self._plans.values())

    def set_rules(
        self,
        plans: Iterable[PatternPlan],
        streams: Iterable[StreamPlan] = (),
        paused: Collection[str] = (),
    ) -> set[StateKey]:
        """Go on with these rules; state of rules that mean the same is kept.

        Args:
            streams: How topics are read; the others in arrival order.
            paused: Ids of rules that see no events and raise nothing for now.
        Returns: The keys whose state was dropped.
        Raises: Invalid("pattern.steps"); then the rules from before stay.
        """
        plans = [plan for plan in plans if plan.enabled]
        dropped = self.processor.replace_rules(compile_rules(plans, streams, paused))
        self._plans = {plan.id: plan for plan in sorted(plans, key=lambda plan: plan.id)}
        return dropped

    def apply(self, batch: Sequence[Chunk], frontier_ms: int | None = None) -> Applied:
        """Take a batch; see `Processor.apply`."""
        return self._applied(self.processor.apply(batch, frontier_ms))

    def apply_remote(self, group: int, chunk: Chunk, taken_ms: Sequence[int]) -> Applied:
        """Take events that another worker sent; see `Processor.apply_remote`."""
        return self._applied(self.processor.apply_remote(group, chunk, taken_ms))

    def _applied(self, taken: Taken) -> Applied:
        outputs = taken.outputs
        made = [Made(self._alert(match), match) for match in outputs.found]
        return Applied(
            made, outputs.rejected, outputs.late, outputs.remote, taken.dirty, taken.waits
        )

    def forget(self, rule_id: str, key: Sequence[Any]) -> None:
        """Drop what a rule has begun for a key; unknown rules and keys are ignored."""
        for rule in self.processor.rules.rules:
            if rule.id == rule_id:
                state = _state_key(key)
                if state is not None:
                    self.processor.forget(StateKey(rule.state_id, state))

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
