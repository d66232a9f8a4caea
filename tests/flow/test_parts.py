"""The pure parts of the worker: rules, rates, idle inputs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.flow.world import T0, failure, five_failures

from summit.base.clock import ManualClock
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.flow.idle import IdleInputs
from summit.flow.metrics import WorkerMetrics
from summit.flow.rules import rules_of
from summit.flow.runtime import Runtime
from summit.journal.definition_log import Definition
from summit.journal.state_log import Content
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS


def plan(**members: Any) -> PatternPlan:
    return validate_pattern(five_failures(**members)).plan


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
            definition({"id": "e", "topics": ["x"], "order": "eventTime"}, kind="stream"),
            definition({"id": "f", "topics": ["x"], "enabled": False}, kind="stream"),
            definition({"id": "g"}, kind="stream"),
        ]
    )
    assert [rule.id for rule in rules.plans] == ["a"]
    assert list(rules.faulty) == ["c", "stream:g"]
    assert [(stream.id, stream.is_ordered) for stream in rules.streams] == [("e", True)]
    assert rules.filter.wanted == ["auth.*"]


def test_rates_are_those_of_the_last_seconds() -> None:
    clock = ManualClock()
    metrics = WorkerMetrics(clock)
    for _ in range(40):
        clock.advance(500)
        metrics.count_events([("t/0", 30), ("t/1", 15), ("t/0", 5)], 1.0)
    assert metrics.events_per_s() == pytest.approx(100, rel=0.1)
    clock.advance(60_000)
    assert metrics.events_per_s() == 0
    assert metrics.as_dict()["events"] == 2_000


def chunk(partition: int, offset: int, *events: dict[str, Any]) -> Chunk:
    values = [msgspec.json.encode(event) for event in events]
    offsets = range(offset, offset + len(values))
    return Chunk("t", partition, offsets, [-1] * len(values), values)


def test_a_silent_input_lets_the_state_of_others_be_forgotten_and_comes_back() -> None:
    clock = ManualClock()
    runtime = Runtime()
    engine = runtime.engine
    engine.set_rules([plan()])
    runtime.hold(dict.fromkeys(range(KEY_GROUPS), 0), Content({}, {}, {}, {}, {}))
    idle = IdleInputs(runtime, clock, lambda _topic: 1_000)

    def take(*chunks: Chunk) -> None:
        runtime.take(chunks)
        idle.spoke(chunks)

    take(chunk(0, 0, failure(0, "a")), chunk(1, 0, failure(0, "b")))
    take(chunk(0, 1, failure(1_000, "a")))
    assert engine.processor.frontier_ms == T0
    clock.advance(1_001)
    take(chunk(0, 2, failure(1_000, "a")))
    assert not idle.rest(), "nobody has seen an end"
    idle.ended({"t/0": 3, "t/1": 2})
    assert not idle.rest(), "one is not at its end, the other spoke just now"
    idle.ended({"t/1": 1})
    assert idle.rest()
    assert engine.processor.frontier_ms == T0 + 1_000_000
    # Silent, not dead: it goes on at its own time.
    take(chunk(1, 1, failure(1, "b")))
    assert engine.processor.frontier_ms == T0 + 1_000


def test_what_is_restored_is_counted() -> None:
    metrics = WorkerMetrics(ManualClock())
    assert metrics.restore_progress() == 1.0
    metrics.restoring(1, 4)
    assert metrics.as_dict()["restoring"] == 0.25
    metrics.restoring(4, 4)
    assert metrics.restore_progress() == 1.0
