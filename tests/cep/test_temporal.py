"""Temporal relations: the eight of Allen, to the millisecond, between the events of two steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cep.plans import chunk, event, matcher_of, offsets, run
from tests.documents.documents import pattern, places_of, step

from summit.cep.temporal import Interval, holds, interval_of
from summit.documents import lower_pattern
from summit.documents.plan import TemporalKind
from summit.documents.temporal import KINDS

INVALID = "document.invalid"
T = 1_000

# A = [10, 20] against B, one row per relation with what is just not one of it.
CASES: list[tuple[TemporalKind, tuple[int, int], bool]] = [
    ("before", (21, 30), True), ("before", (20, 30), False),
    ("after", (1, 9), True), ("after", (1, 10), False),
    ("meets", (20, 30), True), ("meets", (21, 30), False), ("meets", (19, 30), False),
    ("overlaps", (15, 25), True), ("overlaps", (10, 25), False), ("overlaps", (15, 20), False),
    ("overlaps", (20, 25), False),
    ("during", (9, 21), True), ("during", (10, 21), False), ("during", (9, 20), False),
    ("starts", (10, 21), True), ("starts", (10, 20), False), ("starts", (11, 21), False),
    ("finishes", (9, 20), True), ("finishes", (10, 20), False), ("finishes", (9, 21), False),
    ("equals", (10, 20), True), ("equals", (10, 21), False), ("equals", (11, 20), False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "second", "expected"), CASES)
def test_a_relation(kind: TemporalKind, second: tuple[int, int], expected: bool) -> None:
    assert holds(kind, Interval(10, 20), Interval(*second), None) is expected


@given(st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_at_most_one_relation_of_true_intervals_holds(times: list[int]) -> None:
    first = Interval(*sorted(times[:2]))
    second = Interval(*sorted(times[2:]))
    found = [kind for kind in KINDS if holds(kind, first, second, None)]
    if first.start < first.end and second.start < second.end:
        assert len(found) <= 1
    mirrored = [kind for kind in KINDS if holds(kind, second, first, None)]
    assert ("before" in found) == ("after" in mirrored)
    assert ("equals" in found) == ("equals" in mirrored)


@pytest.mark.parametrize(
    ("kind", "second", "diff_ms"),
    [
        ("before", (25, 30), 5), ("after", (1, 5), 5), ("overlaps", (15, 25), 5),
        ("during", (5, 21), 5), ("finishes", (5, 20), 5), ("meets", (20, 30), 10),
        ("starts", (10, 21), 0), ("equals", (10, 20), 0),
    ],
)  # fmt: skip
def test_the_difference_has_a_limit(
    kind: TemporalKind, second: tuple[int, int], diff_ms: int
) -> None:
    assert holds(kind, Interval(10, 20), Interval(*second), diff_ms)
    if diff_ms:
        assert not holds(kind, Interval(10, 20), Interval(*second), diff_ms - 1)


@pytest.mark.parametrize(
    ("members", "interval"),
    [
        ({}, (50, 50)),
        ({"duration": 10}, (50, 60)),
        ({"duration": "1s"}, (50, 1050)),
        ({"startTime": 20}, (20, 20)),
        ({"startTime": 20, "duration": 7}, (20, 27)),
        ({"startTime": 20, "endTime": 30}, (20, 30)),
        ({"startTime": 20, "endTime": 30, "duration": 5}, (20, 30)),
        ({"endTime": 80}, (50, 80)),
        ({"endTime": 80, "duration": 20}, (60, 80)),
        ({"startTime": "1970-01-01T00:00:00.020Z", "endTime": 30.0}, (20, 30)),
        ({"startTime": "noon", "duration": -5}, (50, 50)),
        ({"startTime": 40, "endTime": 30}, (40, 40)),
        ({"duration": True}, (50, 50)),
        ({"duration": [1]}, (50, 50)),
    ],
)
def test_the_interval_of_an_event(members: dict[str, Any], interval: tuple[int, int]) -> None:
    values = [members.get(name) for name in ("startTime", "endTime", "duration")]
    assert interval_of(*values, 50) == interval


def document(kind: str, **fields: Any) -> dict[str, Any]:
    relation = {"type": kind, "event1": "a", "event2": "b", **fields.pop("relation", {})}
    return pattern(steps=[step("a"), step("b")], temporalRelations=[relation], **fields)


def spans(first: tuple[int, int], second: tuple[int, int]) -> list[bytes]:
    return [
        event(name, T + start, user="u", startTime=T + start, endTime=T + end)
        for name, (start, end) in (("a", first), ("b", second))
    ]


@pytest.mark.parametrize(("kind", "second", "expected"), CASES)
@pytest.mark.parametrize("turned", [False, True])
def test_in_a_pattern_of_any_order(
    kind: TemporalKind, second: tuple[int, int], expected: bool, turned: bool
) -> None:
    """Whichever of the two is seen first: an interval may be told when it is over."""
    values = spans((10, 20), second)
    plan = lower_pattern(document(kind, matching="unordered"))
    matches = run(matcher_of(plan), *(values[::-1] if turned else values))
    assert bool(matches) is expected


def test_an_event_that_does_not_fit_is_left_out_and_another_may_fit() -> None:
    plan = lower_pattern(document("before", relation={"maxTimeDiff": "10ms"}))
    values = [event("a", T, user="u", duration=5), event("b", T + 3, user="u"),
              event("b", T + 15, user="u")]  # fmt: skip
    assert offsets(run(matcher_of(plan), *values)) == [[0, 2]]
    late = [*values[:2], event("b", T + 16, user="u")]
    assert run(matcher_of(plan), *late) == []


def test_every_event_of_a_loop_counts() -> None:
    relations = [{"type": "before", "event1": "a", "event2": "b"}]
    steps = [step("a", times=2), step("b")]
    plan = lower_pattern(pattern(steps=steps, temporalRelations=relations))
    values = [event("a", T, user="u", duration=9), event("a", T + 1, user="u"),
              event("b", T + 5, user="u"), event("b", T + 10, user="u")]  # fmt: skip
    assert offsets(run(matcher_of(plan), *values)) == [[0, 1, 3]]


def test_intervals_of_long_events_are_kept() -> None:
    plan = lower_pattern(document("during", matching="unordered"))
    values = [event("b", T, user="u", endTime=T + 50, text="x" * 40_000),
              event("a", T + 10, user="u", duration=5)]  # fmt: skip
    matcher = matcher_of(plan)
    assert run(matcher, values[0]) == []
    (key,) = matcher.state_keys()
    data = matcher.dump(key)
    assert data is not None
    assert len(data) < 1_000
    other = matcher_of(plan)
    assert other.load(key, data, 2)
    assert len(other.apply([chunk(values[1], first=1)]).outputs.found) == 1


def test_a_relation_is_part_of_what_a_pattern_means() -> None:
    hashes = {
        lower_pattern(document(kind, relation=diff)).semantic_hash
        for kind, diff in itertools.product(("before", "meets"), ({}, {"maxTimeDiff": 5}))
    }
    assert len(hashes) == 4
    assert lower_pattern(pattern(steps=[step("a"), step("b")])).semantic_hash not in hashes


@pytest.mark.parametrize(
    ("relations", "expected"),
    [
        (5, [("/temporalRelations", INVALID)]),
        ([5], [("/temporalRelations/0", INVALID)]),
        (
            [{}],
            [(f"/temporalRelations/0/{name}", INVALID) for name in ("type", "event1", "event2")],
        ),
        (
            [{"type": "contains", "event1": "a", "event2": "b"}],
            [("/temporalRelations/0/type", INVALID)],
        ),
        (
            [{"type": "before", "event1": "a", "event2": "z"}],
            [("/temporalRelations/0/event2", INVALID)],
        ),
        (
            [{"type": "before", "event1": "a", "event2": "a"}],
            [("/temporalRelations/0/event2", INVALID)],
        ),
        (
            [{"type": "before", "event1": "a", "event2": "b", "maxTimeDiff": "x"}],
            [("/temporalRelations/0/maxTimeDiff", "duration.invalid")],
        ),
        (
            [{"type": "before", "event1": "a", "event2": "b", "maxDiff": 1}],
            [("/temporalRelations/0/maxDiff", INVALID)],
        ),
    ],
)
def test_a_refused_relation(relations: Any, expected: list[tuple[str, str]]) -> None:
    assert places_of(pattern(steps=[step("a"), step("b")], temporalRelations=relations)) == expected
