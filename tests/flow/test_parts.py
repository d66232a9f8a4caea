"""The pure parts of the worker: cuts, resumption, trail, rules, spans, rates, idle partitions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.flow.world import T0, failure, five_failures

from summit.alerts import Alert, Evidence
from summit.base.clock import ManualClock
from summit.base.limits import WATERMARK_UNKNOWN
from summit.cep.chunks import Chunk
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.alert_trail import AlertTrail
from summit.flow.cuts import Cut, cut_of, cuts_of
from summit.flow.engine import Engine
from summit.flow.metrics import WorkerMetrics
from summit.flow.partitions import Partitions
from summit.flow.resume import Phase, needed_activations, plan_resumption
from summit.flow.rules import rules_of
from summit.journal.definition_log import Definition
from summit.journal.progress_record import ProgressRecord


def plan(**members: Any) -> PatternPlan:
    return validate_pattern(five_failures(**members)).plan


def alert(*offsets: int, rule: str = "brute", steps: str = "") -> Alert:
    names = steps or "s" * len(offsets)
    return Alert(
        id=str(offsets), timestamp=0, severity="low", title="", description="", events=[],
        pattern=rule, key={"ip": "a"},
        evidence=[
            Evidence(step=name, topic="t", partition=0, offset=at, timestamp=0)
            for name, at in zip(names, offsets, strict=True)
        ],
    )  # fmt: skip


AB = [
    {"name": "a", "where": 'eventType == "a"', "times": 2},
    {"name": "b", "where": 'eventType == "b"', "times": 2},
]


@pytest.mark.parametrize(
    ("after", "offset"),
    [
        ("pastLast", 9),
        ("noSkip", None),
        ("toNext", None),
        ({"toFirst": "b"}, 5),
        ({"toLast": "b"}, 8),
    ],
)
def test_where_an_alert_cuts(after: Any, offset: int | None) -> None:
    cut = cut_of(plan(steps=AB, afterMatch=after), alert(2, 4, 6, 9, steps="aabb"))
    assert cut == (None if offset is None else Cut("t/0", offset, "brute", ("a",)))


def test_an_alert_without_rule_or_evidence_cuts_nothing() -> None:
    assert cut_of(None, alert(1)) is None
    assert cut_of(plan(), alert()) is None


def test_only_alerts_that_reach_over_the_beginning_are_needed() -> None:
    alerts = [
        alert(1, 3),
        alert(2, 5),
        alert(4, 6),
        alert(3, 9),
        alert(2, 5),
        alert(0, 7, rule="x"),
    ]
    cuts = cuts_of(alerts, {"brute": plan()}, {"t/0": 4}, {"t/0": 9})
    assert [cut.offset for cut in cuts] == [5]


def test_the_trail_remembers_what_a_restart_must_read_again() -> None:
    trail = AlertTrail({"0": 10})
    trail.written("0", 10, Cut("t/0", 5, "r", ()))
    trail.written("0", 11, None)
    trail.written("0", 12, Cut("t/0", 8, "r", ()))
    assert trail.low({"t/0": (0, 0)}) == {"0": 10}
    assert trail.low({"t/0": (6, 0)}) == {"0": 12}
    assert trail.low({"t/0": (9, 0)}) == {"0": 13}
    assert trail.next_offsets == {"0": 13}


def record(**members: Any) -> ProgressRecord:
    return ProgressRecord(worker="w", positions={}, **members)


def test_without_a_record_there_is_one_phase_from_the_committed_offsets() -> None:
    found = plan_resumption({"t/0": 5}, None, 3)
    assert found.low == {"t/0": (5, WATERMARK_UNKNOWN)}
    assert found.phases == [Phase(3, {"t/0": 5})]


def test_each_activation_begins_a_phase() -> None:
    last = record(
        low={"t/0": (2, 20), "t/1": (0, 0), "gone/0": (1, 1)},
        activations=[(1, {}), (4, {"t/0": 3}), (7, {"t/0": 9, "t/1": 2})],
    )
    found = plan_resumption({"t/0": 8, "t/1": 6, "t/2": 1}, last, 99)
    assert found.low == {"t/0": (2, 20), "t/1": (0, 0), "t/2": (1, WATERMARK_UNKNOWN)}
    assert found.phases == [
        Phase(1, {"t/0": 3}),
        Phase(4, {"t/0": 8, "t/1": 2}),
        Phase(7, {"t/0": 8, "t/1": 6, "t/2": 1}),
    ]


def test_a_record_that_is_ahead_of_the_group_is_not_believed() -> None:
    found = plan_resumption({"t/0": 3}, record(low={"t/0": (5, 50)}), 1)
    assert found.low == {"t/0": (3, WATERMARK_UNKNOWN)}


def test_activations_are_kept_as_long_as_a_restart_may_need_them() -> None:
    activations: list[Any] = [(1, {}), (4, {"t/0": 3}), (7, {"t/0": 9})]
    assert needed_activations(activations, {"t/0": (2, 0)}) == activations
    assert needed_activations(activations, {"t/0": (3, 0)}) == activations[1:]
    assert needed_activations(activations, {"t/0": (9, 0), "new/0": (0, 0)}) == activations[2:]
    assert needed_activations(activations, {}) == activations[2:]


@pytest.mark.parametrize(
    ("members", "span"),
    [
        ({}, 60_000),
        ({"within": None}, None),
        ({"steps": AB[:1], "within": "1h"}, 3_600_000),
        ({"steps": [{**AB[0], "times": 1}], "within": None}, 0),
        ({"steps": [{**AB[0], "times": 1}], "within": "1h"}, 0),
    ],
)
def test_how_long_a_match_may_span(members: dict, span: int | None) -> None:
    document = {k: v for k, v in {**five_failures(), **members}.items() if v is not None}
    engine = Engine()
    engine.set_rules([validate_pattern(document).plan])
    assert engine.span_ms() == span


def definition(values: dict[str, Any], kind: str = "pattern") -> Definition:
    return Definition(
        kind=kind, id=str(values.get("id")), document=values, offset=0, version=1, timestamp_ms=0
    )


def test_rules_are_what_can_run_among_the_definitions() -> None:
    rules = rules_of(
        [
            definition(five_failures("a", topics=["auth.*"])),
            definition(five_failures("b", enabled=False)),
            definition({"id": "c"}),
            definition({"id": "d"}, kind="collector"),
        ]
    )
    assert [rule.id for rule in rules.plans] == ["a"]
    assert list(rules.faulty) == ["c"]
    assert rules.filter.wanted == ["auth.*"]


def test_rates_are_those_of_the_last_seconds() -> None:
    clock = ManualClock()
    metrics = WorkerMetrics(clock)
    for _ in range(40):
        clock.advance(500)
        metrics.count_events(50)
    assert metrics.events_per_s() == pytest.approx(100, rel=0.1)
    clock.advance(60_000)
    assert metrics.events_per_s() == 0
    assert metrics.as_dict()["events"] == 2_000


def chunk(partition: int, offset: int, *events: dict[str, Any]) -> Chunk:
    values = [msgspec.json.encode(event) for event in events]
    offsets = range(offset, offset + len(values))
    return Chunk("t", partition, offsets, [-1] * len(values), values)


def test_a_silent_partition_lets_the_state_of_others_be_forgotten_and_comes_back() -> None:
    clock = ManualClock()
    engine = Engine()
    engine.set_rules([plan()])
    partitions = Partitions(engine, clock, idle_ms=1_000)
    partitions.rules_changed()
    for name in ("t/0", "t/1"):
        partitions.begin(name, 0)

    def take(*chunks: Chunk) -> int:
        partitions.wake(chunks)
        made = engine.apply(chunks).made
        partitions.took(chunks)
        return len(made)

    take(chunk(0, 0, failure(0, "a")), chunk(1, 0, failure(0, "b")))
    take(chunk(0, 1, failure(1_000, "a")))
    assert engine.matcher.frontier_ms == T0
    assert partitions.low()["t/0"] == (0, WATERMARK_UNKNOWN)
    clock.advance(1_001)
    take(chunk(0, 2, failure(1_000, "a")))
    partitions.rest({"t/0": 3, "t/1": 1})
    assert engine.matcher.frontier_ms == T0 + 1_000_000
    assert partitions.low()["t/0"][0] == 1
    # Silent, not dead: it goes on at its own time.
    take(chunk(1, 1, failure(1, "b")))
    assert engine.matcher.frontier_ms == T0 + 1_000
    assert partitions.lag({"t/0": 9, "t/1": 2, "other/0": 5}) == 6
    assert partitions.uncommitted() == {"t/0": 3, "t/1": 2}
    partitions.end("t/1")
    assert partitions.positions == {"t/0": 3}


def test_a_batch_with_several_stretches_of_a_partition_is_noted_once_behind_them() -> None:
    """An offset in the middle would go with the watermark of the end, which is too late for it."""
    engine = Engine()
    engine.set_rules([plan()])
    partitions = Partitions(engine, ManualClock(), idle_ms=1_000)
    partitions.rules_changed()
    for name in ("t/0", "t/1"):
        partitions.begin(name, 0)
    batches = [
        [chunk(0, 0, failure(0, "a")), chunk(1, 0, failure(0, "b")), chunk(0, 1, failure(90, "a"))],
        [chunk(0, 2, failure(300, "a")), chunk(1, 1, failure(300, "b"))],
    ]
    for batch in batches:
        engine.apply(batch)
        partitions.took(batch)
    assert partitions.low()["t/0"] == (2, T0 + 90_000)
