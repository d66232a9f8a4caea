"""Sequences in windows and sessions: all events of a match lie in one of the key."""

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
    assert (aligned.slide_ms, free.slide_ms) == (SIZE, None)


def test_what_is_begun_ends_with_its_window() -> None:
    processor = Processor(compile_rules([plan_of("pair", "tumbling", "pastLast")], [by_time(0)]))
    processor.apply([chunk(event("a", 990, user="u"))])
    processor.apply([chunk(event("b", 1_000, user="u"), first=1)])  # the next window
    outputs = processor.apply([chunk(event("b", 1_001, user="u"), first=2)]).outputs
    assert not outputs.found
    processor.apply([], 60_000)
    assert processor.live_runs == 0


SLIDE, GAP = 100, 130


def rows_of(name: str, count: int = 300) -> list[tuple[int, str, str, int]]:
    rand = random.Random(name)
    rows, at = [], 1_000
    for number in range(count):
        at += rand.choice((0, 1, 20, 60, 130, 131, 499))
        rows.append((at, rand.choice("aabc"), rand.choice("uv"), number))
    return rows


def plan_in(name: str, config: dict[str, Any] | None, after: str, **more: Any) -> PatternPlan:
    document = {
        "id": "p", "groupBy": ["user"], "conditions": CONDITIONS[name], "afterMatch": after,
        "action": {"type": "alert"}, **more,
    }  # fmt: skip
    if config is not None:
        document["windowConfig"] = config
    return validate_pattern(document).plan


@pytest.mark.parametrize("name", CONDITIONS)
def test_with_a_slide_matches_are_those_of_every_window_each_once(name: str) -> None:
    rows = rows_of(name, 150)
    expected: list[Any] = []
    for start in range(0, rows[-1][0] + SLIDE, SLIDE):
        mine = [row for row in rows if start <= row[0] < start + SIZE]
        for one in matches(plan_of(name, "sliding", "noSkip"), mine):
            if one not in expected:
                expected.append(one)
    plan = plan_in(name, {"type": "sliding", "size": SIZE, "slide": SLIDE}, "noSkip")
    assert matches(plan, rows) == sorted(expected)
    assert expected


def sessions_of(rows: list[tuple[int, str, str, int]]) -> list[list[tuple[int, str, str, int]]]:
    """The rows of each session; an event of no step is in none, and prolongs none."""
    found: list[list[tuple[int, str, str, int]]] = []
    for user in "uv":
        last = None
        for row in rows:
            if row[2] != user or row[1] == "c":
                continue
            if last is None or row[0] - last > GAP:
                found.append([])
            found[-1].append(row)
            last = row[0]
    return found


@pytest.mark.parametrize("after", ["pastLast", "noSkip", "toNext"])
@pytest.mark.parametrize("name", CONDITIONS)
def test_matches_are_those_of_each_session_by_itself(name: str, after: str) -> None:
    rows = rows_of(f"{name} {after}")
    config = {"type": "session", "gap": GAP}
    expected: list[Any] = []
    for mine in sessions_of(rows):
        expected += matches(plan_in(name, None, after), mine)
    found = matches(plan_in(name, config, after), rows)
    assert found == sorted(expected)
    assert found


def test_a_session_may_have_a_longest_size() -> None:
    config = {"type": "session", "gap": GAP, "size": 200}
    rows = [(1_000 + 100 * n, kind, "u", n) for n, kind in enumerate("aab")]
    assert matches(plan_in("pair", config, "noSkip"), rows) == [(("u",), [1, 2])]


def shown(match: Any) -> Any:
    return match.key, match.timed_out, match.end_ms, [ref.offset for _, ref in match.captures]


def test_a_session_is_saved_and_goes_on_and_time_ends_it() -> None:
    """Every event is followed by dump and load; what was not matched is told as a time-out."""
    more = {"onTimeout": {"action": {"type": "alert"}}}
    plan = plan_in("three", {"type": "session", "gap": GAP}, "pastLast", **more)
    rows = rows_of("saved", 120)
    whole = Processor(compile_rules([plan]))
    told: list[Any] = []
    kept: list[Any] = []
    states: dict[Any, Any] = {}
    for at, kind, user, offset in rows:
        chunks = [chunk(event(kind, at, user=user), first=offset)]
        told += whole.apply(chunks).outputs.found
        again = Processor(compile_rules([plan]))
        for name, (data, version) in states.items():
            again.load(name, data, version)
        applied = again.apply(chunks)
        kept += applied.outputs.found
        for name in applied.dirty:
            data = again.dump(name)
            if data is None:
                states.pop(name, None)
            else:
                states[name] = (data, again.lanes[0].state_version)
    assert list(map(shown, kept)) == list(map(shown, told))
    assert {m.timed_out for m in told} == {True, False}


def test_an_absence_until_the_session_ends() -> None:
    steps = [
        {"name": "a", "where": "eventType == 'a'"},
        {"name": "b", "where": "eventType == 'b'", "relation": "notFollowedBy"},
    ]
    plan = validate_pattern(
        {"id": "p", "groupBy": ["user"], "steps": steps, "action": {"type": "alert"},
         "windowConfig": {"type": "session", "gap": GAP}}
    ).plan  # fmt: skip
    rows = [(1_000, "a", "u", 0), (1_130, "a", "u", 1), (1_261, "b", "u", 2), (1_300, "a", "u", 3)]
    found = matches(plan, rows)
    assert (("u",), [0]) in found
    assert (("u",), [3]) in found
    assert matches(plan, [(1_000, "a", "u", 0), (1_130, "b", "u", 1)]) == []
