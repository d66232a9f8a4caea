"""The engine: chunks of records in, matches and what comes of them out. Pure: no clock, no I/O.

It puts together the matcher and the actions of patterns, for the worker, for the tests of documents
and for `CEPEngine`, so that live, replayed and tried-out rules run through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from summit.analytics.rule import QueryLane, Told
from summit.base.limits import EARLY_GROUPS_MAX
from summit.client.transactor import Outgoing
from summit.documents.stream import StreamPlan
from summit.flow.findings import Made, findings_of, told_records
from summit.flow.kinds import Plan, prepare
from summit.flow.suppressing import Suppressed, Suppressor
from summit.keyed.chunks import Chunk
from summit.keyed.keys import Key, many_key, one_key
from summit.keyed.outputs import Applied as Taken
from summit.keyed.outputs import Late, Rejected, Remote, StateKey
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set
from summit.keyed.waiting import WaitKey


class Applied(NamedTuple):
    """What a batch gave, each list in order; the others as in `Processor.apply`.

    Attributes:
        made: Alerts.
        records: For other topics: what correlations and queries tell.
        suppressed: Matches that make no alert because one stands for them.
        counts: How many matches, groups and results there are, by rule id.
    """

    made: list[Made]
    records: list[Outgoing]
    suppressed: list[Suppressed]
    rejected: list[Rejected]
    late: list[Late]
    remote: list[Remote]
    dirty: set[StateKey]
    waits: set[WaitKey]
    counts: Mapping[str, int]


class Engine:
    """Rules, their state, and what comes of their matches.

    Args:
        topic_id: Gives a topic's id for alert ids; by default its name.
    """

    def __init__(self, topic_id: Callable[[str], str] = str) -> None:
        self._topic_id = topic_id
        self._plans: dict[str, Plan] = {}
        self.processor = Processor(make_rule_set([]))
        self.suppressor = Suppressor()
        self._catching_up = False
        self._early_ms: dict[str, float] = {}

    @property
    def plans(self) -> list[Plan]:
        """What the active rules were made of, in the order of their ids."""
        return list(self._plans.values())

    def set_rules(
        self,
        plans: Iterable[Plan],
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
        active = [(prepare(plan), plan) for plan in plans if plan.enabled]
        rules = make_rule_set([rule for rule, _ in active], streams, paused)
        dropped = self.processor.replace_rules(rules)
        by_id = {rule.id: plan for rule, plan in active}
        self._plans = {name: by_id[name] for name in sorted(by_id)}
        self._early_ms = {name: at for name, at in self._early_ms.items() if name in by_id}
        self.suppressor.keep_rules(self._plans.values())
        return dropped

    def hold(self, groups: Collection[int]) -> None:
        """Keep the keys of these key groups only; see `Processor.hold`."""
        self.processor.hold(groups)
        self.suppressor.hold(groups)

    def catch_up(self, *, begins: bool) -> None:
        """See `Processor.catch_up`."""
        self.processor.catch_up(begins=begins)
        self._catching_up = begins

    def apply(self, batch: Sequence[Chunk], frontier_ms: int | None = None) -> Applied:
        """Take a batch; see `Processor.apply`."""
        return self._applied(self.processor.apply(batch, frontier_ms))

    def apply_remote(self, group: int, chunk: Chunk, taken_ms: Sequence[int]) -> Applied:
        """Take events that another worker sent; see `Processor.apply_remote`."""
        return self._applied(self.processor.apply_remote(group, chunk, taken_ms))

    def early(self, now_ms: float) -> list[Outgoing]:
        """The open windows of queries as they stand, where it is time to tell them.

        Args:
            now_ms: Of a clock that never goes back.
        """
        told: list[Told] = []
        for lane in self.processor.lanes:
            if isinstance(lane, QueryLane) and lane.rule.plan.early_ms is not None:
                due_ms = self._early_ms.get(lane.rule.id, now_ms)
                if now_ms >= due_ms and (some := lane.early(EARLY_GROUPS_MAX)):
                    self._early_ms[lane.rule.id] = now_ms + lane.rule.plan.early_ms
                    told += some
        return told_records(told)

    def _applied(self, taken: Taken) -> Applied:
        outputs = taken.outputs
        found = findings_of(outputs.found, self._plans, self._topic_id, self.suppressor)
        if not self._catching_up:  # keys that catch up are behind the frontier
            self.suppressor.tidy(self.processor.frontier_ms)
        return Applied(
            found.made,
            found.records,
            found.suppressed,
            outputs.rejected,
            [*outputs.late, *found.late],
            outputs.remote,
            taken.dirty,
            taken.waits,
            found.counts,
        )

    def forget(self, rule_id: str, key: Sequence[Any]) -> None:
        """Drop what a rule has begun for a key; unknown rules and keys are ignored."""
        for rule in self.processor.rules.rules:
            if rule.id == rule_id:
                state = _state_key(key)
                if state is not None:
                    self.processor.forget(StateKey(rule.state_id, state))
                    self.suppressor.forget(rule_id, state)


def _state_key(key: Sequence[Any]) -> Key | None:
    if len(key) != 1:
        return many_key(tuple(key))
    return key[0] if type(key[0]) is str else one_key(key[0])
