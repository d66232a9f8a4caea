"""A restart changes nothing: wherever a worker is killed, the alerts are those of one that lives.

A worker in miniature, made of the same parts (engine, partitions, trail, resumption, cuts,
replay), over a log in memory. It is killed at random moments, with a progress record that may be
older than its last commit; the next one goes on. Each key lives in one partition.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.alerts import Alert
from summit.base.clock import ManualClock
from summit.cep.chunks import chunk_records
from summit.client.types import ConsumerRecord
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.alert_trail import AlertTrail
from summit.flow.cuts import cut_of, cuts_of
from summit.flow.engine import Engine
from summit.flow.partitions import Partitions
from summit.flow.replay import Replay
from summit.flow.resume import needed_activations, plan_resumption
from summit.journal.progress_record import Positions, ProgressRecord

T0 = 1_700_000_000_000
AFTER = ["noSkip", "toNext", "pastLast", {"toFirst": "s1"}, {"toLast": "s1"}]


def rule(rule_id: str, **members: Any) -> PatternPlan:
    return validate_pattern(
        {
            "id": rule_id,
            "groupBy": ["key"],
            "within": "20s",
            "action": {"type": "alert", "config": {}},
            **members,
        }
    ).plan


def step(name: str, event_type: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "where": f'eventType == "{event_type}"', **members}


SHAPES = {
    "times": [step("s1", "f", times=3)],
    "range": [step("s1", "f", times={"min": 2, "max": 3})],
    "sequence": [step("s1", "f", times={"min": 2}), step("s2", "s")],
    "any": [step("s1", "f"), step("s2", "s", relation="followedByAny")],
    "strict": [step("s1", "f", times=2, contiguity="strict"), step("s2", "s", relation="next")],
}


class Log:
    """Partitions in memory; reads them as `Inputs` does."""

    def __init__(self, events: list[tuple[str, str, int]]) -> None:
        self.records: dict[str, list[ConsumerRecord]] = {"t/0": [], "t/1": []}
        time = T0
        self.order: list[ConsumerRecord] = []
        for key, event_type, advance_ms in events:
            time += advance_ms
            partition = ord(key) % 2
            mine = self.records[f"t/{partition}"]
            body = {"eventType": event_type, "key": key, "timestamp": time}
            record = ConsumerRecord(
                "t", partition, len(mine), time, None, json.dumps(body).encode()
            )
            mine.append(record)
            self.order.append(record)
        self.assigned: dict[str, int] = {}

    async def assign(self, positions: Mapping[str, int]) -> None:
        self.assigned = dict(positions)

    async def pause(self, names: list[str]) -> None:
        for name in names:
            self.assigned.pop(name)

    def read_to(self) -> dict[str, int]:
        ends = {name: len(records) for name, records in self.records.items()}
        return {name: ends[name] for name, at in self.assigned.items() if at >= ends[name]}

    async def poll(self, count: int, timeout_ms: int) -> list[ConsumerRecord]:
        del timeout_ms
        for name, at in sorted(self.assigned.items()):
            found = self.records[name][at : at + count]
            if found:
                self.assigned[name] += len(found)
                return found
        return []


class Miniature:
    """A worker without I/O."""

    def __init__(self, plans: list[PatternPlan], written: list[Alert]) -> None:
        self.plans = {plan.id: plan for plan in plans}
        self.written = written
        self.clock = ManualClock(T0)
        self.engine = Engine()
        self.engine.set_rules(plans)
        self.partitions = Partitions(self.engine, self.clock, 10**9)
        self.partitions.rules_changed()
        self.trail = AlertTrail({"0": len(written)})

    def resume(self, log: Log, committed: Positions, last: ProgressRecord | None) -> None:
        plan = plan_resumption(committed, last, 0)
        for name, (offset, watermark_ms) in plan.low.items():
            self.partitions.begin(name, offset, watermark_ms)
        since = len(self.written) if last is None else last.alerts_low["0"]
        for offset in range(since, len(self.written)):
            alert = self.written[offset]
            self.trail.written("0", offset, cut_of(self.plans[alert.pattern or ""], alert))
        low = {name: offset for name, (offset, _) in plan.low.items()}
        cuts = cuts_of(self.written[since:], self.plans, low, committed)
        replay = Replay(log, self.engine, self.partitions.read_back, cuts, lambda: True)
        asyncio.run(replay.run(self.partitions.positions, committed, 7))

    def process(self, records: list[ConsumerRecord]) -> None:
        chunks = chunk_records(records)
        for made in self.engine.apply(chunks).made:
            self.written.append(made.alert)
            cut = cut_of(self.plans[made.match.pattern_id], made.alert)
            self.trail.written("0", len(self.written) - 1, cut)
        self.partitions.took(chunks)

    def progress(self) -> ProgressRecord:
        low = self.partitions.low()
        activations = needed_activations([(0, {})], low)
        return ProgressRecord(
            worker="w", positions={}, low=low, alerts_low=self.trail.low(low),
            activations=activations,
        )  # fmt: skip


def pending(log: Log, positions: Positions) -> list[ConsumerRecord]:
    """What is not processed yet, in the order of arrival."""
    return [r for r in log.order if r.offset >= positions[f"t/{r.partition}"]]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from("fffsx"),
        st.sampled_from([0, 500, 1_000, 4_000]),
    ),
    min_size=60,
    max_size=200,
)


LIVES = st.lists(
    st.tuples(
        st.integers(5, 80), st.integers(0, 4), st.integers(0, 9), st.sampled_from([1, 5, 60])
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=10, deadline=None)
@given(events=EVENTS, after=st.sampled_from(AFTER), lives=LIVES)
def test_alerts_are_those_of_a_worker_that_lives(
    shape: str, events: list[Any], after: Any, lives: list[tuple[int, int, int, int]]
) -> None:
    check(shape, events, after, lives)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=200, deadline=None)
@given(events=EVENTS, after=st.sampled_from(AFTER), lives=LIVES)
def test_the_same_more_often(
    shape: str, events: list[Any], after: Any, lives: list[tuple[int, int, int, int]]
) -> None:
    check(shape, events, after, lives)


def check(
    shape: str, events: list[Any], after: Any, lives: list[tuple[int, int, int, int]]
) -> None:
    """Compare a worker that lives with one that is killed again and again."""
    log = Log(events)
    plans = [rule("r", steps=SHAPES[shape], afterMatch=after)]
    whole: list[Alert] = []
    alive = Miniature(plans, whole)
    alive.resume(log, {"t/0": 0, "t/1": 0}, None)
    alive.process(pending(log, alive.partitions.positions))

    written: list[Alert] = []
    committed: Positions = {"t/0": 0, "t/1": 0}
    last: ProgressRecord | None = None
    # A life: so many records are processed, of which the last few are not committed, and the
    # progress was told so many records before the commit; records come in batches of so many.
    for count, uncommitted, stale, batch in [*lives, (10**9, 0, 0, 16)]:
        worker = Miniature(plans, written)
        worker.resume(log, committed, last)
        last = worker.progress()
        records = pending(log, worker.partitions.positions)[:count]
        told_at = max(0, len(records) - uncommitted - stale)
        commit_at = len(records) - uncommitted
        edges = {told_at, commit_at, len(records), *range(0, len(records), batch)}
        for first, stop in pairwise(sorted(edges)):
            if first == told_at:
                last = worker.progress()
            if first == commit_at:
                committed = dict(worker.partitions.positions)
            worker.process(records[first:stop])
        if uncommitted == 0 and records:
            committed = dict(worker.partitions.positions)

    assert {alert.id for alert in written} == {alert.id for alert in whole}
    same = {alert.id: alert for alert in whole}
    assert all(same[alert.id] == alert for alert in written)
