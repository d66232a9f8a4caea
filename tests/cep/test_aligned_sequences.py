"""Sequences in a tumbling window: all events of a match lie in one window of the key."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.cep.plans import by_time, chunk, event

from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.processor import Processor

SIZE = 500
CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "pair": [{"eventType": "a"}, {"eventType": "b"}],
    "loop": [{"eventType": "a", "times": {"min": 2}}, {"eventType": "b"}],
    "three": [{"eventType": "a"}, {"eventType": "b"}, {"eventType": "a"}],
}


def plan_of(name: str, kind: str, after: str) -> PatternPlan:
    return validate_pattern(
        {
            "id": "p", "groupBy": ["user"], "conditions": CONDITIONS[name], "afterMatch": after,
            "windowConfig": {"type": kind, "size": SIZE}, "action": {"type": "alert"},
        }
    ).plan  # fmt: skip


def matches(plan: PatternPlan, rows: list[tuple[int, str, str, int]]) -> list[Any]:
    """Users and offsets of all matches; rows are (time, type, user, offset)."""
    processor = Processor(compile_rules([plan], [by_time(0)]))
    found = []
    for at, kind, user, offset in rows:
        found += processor.apply([chunk(event(kind, at, user=user), first=offset)]).outputs.found
    found += processor.apply([], TIME_MS_MAX).outputs.found
    return sorted((m.key, [ref.offset for _, ref in m.captures]) for m in found)


@pytest.mark.parametrize("after", ["pastLast", "noSkip", "toNext"])
@pytest.mark.parametrize("name", CONDITIONS)
def test_matches_are_those_of_each_window_by_itself(name: str, after: str) -> None:
    rand = random.Random(f"{name} {after}")
    rows, at = [], 1_000
    for number in range(300):
        at += rand.choice((0, 1, 20, 60, 130, 499, 500))
        rows.append((at, rand.choice("aab"), rand.choice("uv"), number))
    expected: list[Any] = []
    for window in sorted({at // SIZE for at, *_ in rows}):
        mine = [row for row in rows if row[0] // SIZE == window]
        expected += matches(plan_of(name, "sliding", after), mine)
    found = matches(plan_of(name, "tumbling", after), rows)
    assert found == sorted(expected)
    assert found
    assert found != matches(plan_of(name, "sliding", after), rows)


def test_the_two_windows_mean_different_things() -> None:
    aligned, free = plan_of("pair", "tumbling", "pastLast"), plan_of("pair", "sliding", "pastLast")
    assert aligned.semantic_hash != free.semantic_hash
    assert (aligned.aligned, free.aligned) == (True, False)


def test_what_is_begun_ends_with_its_window() -> None:
    processor = Processor(compile_rules([plan_of("pair", "tumbling", "pastLast")], [by_time(0)]))
    processor.apply([chunk(event("a", 990, user="u"))])
    processor.apply([chunk(event("b", 1_000, user="u"), first=1)])  # the next window
    outputs = processor.apply([chunk(event("b", 1_001, user="u"), first=2)]).outputs
    assert not outputs.found
    processor.apply([], 60_000)
    assert processor.live_runs == 0
