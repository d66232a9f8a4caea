"""State as bytes, batches of any size, and rules that change: none of it changes a match."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.plans import (
    by_time,
    chunk,
    event,
    failures_then_success,
    matcher_of,
    of_type,
    offsets,
    pattern,
    run,
)

from summit.base.errors import Corrupt
from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.cep.state import STATE_VERSION, move_key
from summit.documents.plan import ActionPlan, AfterMatchPlan, PatternPlan, StepPlan
from summit.events.expressions.ir import And, Compare, Field, Not, Or, Present, StepField
from summit.keyed.keys import key_text, make_key, parse_key
from summit.keyed.outputs import StateKey
from summit.keyed.processor import Processor

LAST_V = StepField("a", "last", ("v",))
RISING = Or((Not(Present(LAST_V)), Compare(">", Field(("v",)), LAST_V)))

PLANS: dict[str, PatternPlan] = {
    "loop": failures_then_success(pattern_id="loop", within_ms=20),
    "strict": pattern(
        StepPlan("a", predicate=of_type("failed"), times_min=2, times_max=3, contiguity="strict"),
        StepPlan("b", relation="next", predicate=of_type("success")),
        pattern_id="strict", within_ms=20, after_match=AfterMatchPlan("noSkip"),
    ),
    "any": pattern(
        StepPlan("a", predicate=of_type("failed")),
        StepPlan("b", relation="followedByAny", predicate=of_type("success"), optional=True),
        StepPlan("c", relation="followedByAny", predicate=of_type("other")),
        pattern_id="any", within_ms=10, after_match=AfterMatchPlan("toNext"),
    ),
    "absence": pattern(
        StepPlan("a", predicate=of_type("failed")),
        StepPlan("n", relation="notFollowedBy", predicate=of_type("success")),
        pattern_id="absence", within_ms=7,
    ),
    "guarded": pattern(
        StepPlan("a", predicate=And((of_type("failed"), RISING)), times_min=2, times_max=None),
        StepPlan("b", predicate=of_type("success")),
        pattern_id="guarded", within_ms=30,
    ),
    "until": pattern(
        StepPlan("a", predicate=of_type("failed"), times_max=None, until=of_type("other")),
        StepPlan("b", predicate=of_type("success")),
        pattern_id="until", within_ms=15, after_match=AfterMatchPlan("toLast", "a"),
    ),
    "group": pattern(
        StepPlan("g", times_max=None, contiguity="any", group=(
            StepPlan("a", predicate=of_type("failed")),
            StepPlan("b", relation="next", predicate=of_type("success"), optional=True),
        )),
        StepPlan("c", predicate=of_type("other")),
        pattern_id="group", within_ms=9, after_match=AfterMatchPlan("toFirst", "b"),
    ),
    "longest": pattern(
        StepPlan("a", predicate=of_type("failed"), times_max=None),
        pattern_id="longest", within_ms=12, emit="longest",
    ),
    "inOrder": pattern(
        StepPlan("a", predicate=of_type("failed"), times_max=2, contiguity="any"),
        StepPlan("b", relation="followedByAny", predicate=of_type("success")),
        pattern_id="inOrder", within_ms=8, after_match=AfterMatchPlan("toNext"), strict_order=True,
    ),
    "unordered": pattern(
        StepPlan("a", predicate=of_type("failed"), times_min=2, times_max=3),
        StepPlan("b", predicate=of_type("success")),
        pattern_id="unordered", within_ms=11, matching="unordered",
        after_match=AfterMatchPlan("noSkip"),
    ),
    "timeout": pattern(
        StepPlan("a", predicate=of_type("failed"), times_min=2, times_max=None),
        StepPlan("b", predicate=of_type("success"), within_ms=4),
        pattern_id="timeout", within_ms=9, on_timeout=ActionPlan(),
    ),
}  # fmt: skip

raw_events = st.tuples(
    st.sampled_from(["failed", "failed", "success", "other", "x"]),
    st.sampled_from(["u", "v"]),
    st.integers(0, 3),  # time since the event before
    st.integers(0, 4),  # v
    st.sampled_from([0, 0, 0, -6]),  # some are older than the one before
)


def to_values(raw: list[tuple[str, str, int, int, int]]) -> list[bytes]:
    values, now = [], 1_000
    for event_type, user, step, v, back in raw:
        now += step
        values.append(event(event_type, now + back, user=user, v=v))
    return values


def summary(matches: list[Match]) -> list[tuple[Any, ...]]:
    return [
        (
            m.pattern_id, m.key, m.start_ms, m.end_ms, m.timed, m.timed_out,
            [(s, r.offset) for s, r in m.captures],
        )
        for m in matches
    ]  # fmt: skip


def in_one_batch(order: str, values: list[bytes]) -> list[Match]:
    matcher = new_matcher(order)
    found = list(run(matcher, *values))
    return found + matcher.apply([], 1 << 50).outputs.found


def new_matcher(order: str) -> Processor:
    return matcher_of(*PLANS.values(), delay_ms=8 if order == "eventTime" else None)


@settings(max_examples=60, deadline=None)
@given(
    raw=st.lists(raw_events, max_size=40),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    order=st.sampled_from(["arrival", "eventTime"]),
)
def test_batches_of_any_size_give_the_same(raw: list[Any], cuts: list[int], order: str) -> None:
    values = to_values(raw)
    matcher = new_matcher(order)
    found: list[Match] = []
    position = turn = 0
    while position < len(values):
        size = cuts[turn % len(cuts)]
        found += run(matcher, *values[position : position + size], first=position)
        position, turn = position + size, turn + 1
    found += matcher.apply([], 1 << 50).outputs.found
    assert summary(found) == summary(in_one_batch(order, values))
    assert matcher.stats()["keys"] == 0


@settings(max_examples=40, deadline=None)
@given(raw=st.lists(raw_events, max_size=30), every=st.integers(1, 6))
def test_dump_and_load_at_any_point_give_the_same(raw: list[Any], every: int) -> None:
    values = to_values(raw)
    matcher = new_matcher("arrival")
    saved: dict[StateKey, bytes] = {}
    found: list[Match] = []
    for position, value in enumerate(values):
        applied = matcher.apply([chunk(value, first=position)])
        found += applied.outputs.found
        for key in applied.dirty:  # what a changelog would hold
            state = matcher.dump(key)
            saved.pop(key, None)
            if state is not None:
                saved[key] = state
        if position % every == 0:
            other = new_matcher("arrival")
            other.set_watermarks(matcher.watermarks())
            for key, state in saved.items():
                assert other.load(key, state, STATE_VERSION)
                assert other.dump(key) == state
            assert set(other.state_keys()) == set(matcher.state_keys())
            assert other.live_runs == matcher.live_runs
            matcher = other
    found += matcher.apply([], 1 << 50).outputs.found
    assert summary(found) == summary(in_one_batch("arrival", values))


def test_state_of_version_1_is_read() -> None:
    matcher = matcher_of(PLANS["loop"])
    run(matcher, event("failed", 1, user="u"), event("failed", 2, user="u"))
    (key,) = matcher.state_keys()
    now = matcher.dump(key)
    assert now is not None
    *old, told, previous = msgspec.msgpack.decode(now)
    assert (told, previous) == ([], [])
    old[4] = [[state, [row[:5] for row in rows], taken] for state, rows, taken in old[4]]
    other = matcher_of(PLANS["loop"])
    assert other.load(key, msgspec.msgpack.encode(old), 1)
    assert other.dump(key) == now
    moved = move_key(msgspec.msgpack.encode(old), 1, lambda t, p, at, src: (at + 5, src))
    assert [row[4] for row in msgspec.msgpack.decode(moved)[3]] == [5, 6]


@pytest.mark.parametrize("values", [("u",), (1,), (True,), (1.5,), ("a", 2), ("1", None is None)])
def test_keys_as_text(values: tuple[Any, ...]) -> None:
    key = make_key(values)
    assert key is not None
    assert json.loads(key_text(key)) == list(values)
    assert parse_key(key_text(key)) == key


def test_keys_that_python_would_mix_up() -> None:
    keys = [make_key((value,)) for value in (1, True, "1", 1.5)]
    assert len(set(keys)) == 4
    assert make_key((1,)) == make_key((1.0,))
    assert make_key((None,)) is None
    assert make_key(("a", [1])) is None


def test_state_that_cannot_be_read_is_refused() -> None:
    matcher = matcher_of(failures_then_success(semantic_hash="h"))
    run(matcher, event("failed", 1, user="u"))
    (key,) = matcher.state_keys()
    state = matcher.dump(key)
    assert state is not None
    for data, version in ((state, STATE_VERSION + 1), (b"\xc1", 1), (state[:-4], 1), (b"\x90", 1)):
        with pytest.raises(Corrupt):
            matcher.load(key, data, version)
    assert not matcher.load(StateKey("unknown", "u"), state, STATE_VERSION)
    assert matcher.dump(StateKey("unknown", "u")) is None


def test_forgetting_a_key() -> None:
    matcher = matcher_of(failures_then_success())
    run(matcher, *[event("failed", n, user=user) for n in range(3) for user in "uv"])
    (key,) = [key for key in matcher.state_keys() if key.key == "u"]
    matcher.forget(key)
    matcher.forget(key)
    found = run(matcher, event("success", 5, user="u"), event("success", 5, user="v"), first=6)
    assert offsets(found) == [[1, 3, 5, 7]]


class TestRulesThatChange:
    def test_unchanged_rules_keep_their_state(self) -> None:
        same_ip = Compare("==", Field(("ip",)), StepField("a", "last", ("ip",)))
        plan = pattern(
            StepPlan("a", predicate=of_type("a")),
            StepPlan("b", predicate=And((of_type("b"), same_ip))),
            pattern_id="guarded", within_ms=1_000, semantic_hash="g",
        )  # fmt: skip
        loop = failures_then_success(pattern_id="loop", semantic_hash="l")
        matcher = matcher_of(plan, loop)
        run(matcher, event("a", 1, user="u", ip="1.1.1.1"), event("failed", 1, user="u"))
        # The new rule reads other fields, so that every event is decoded into another struct.
        other = pattern(StepPlan("z", predicate=Compare(">", Field(("a.b",)), Field(("c",)))),
                        pattern_id="a-new-one")  # fmt: skip
        dropped = matcher.replace_rules(compile_rules([plan, other]))
        assert dropped == {StateKey("loop/l/pastLast", "u")}
        found = run(matcher, event("b", 2, user="u", ip="1.1.1.1"), first=2)
        assert offsets(found) == [[0, 2]]

    def test_a_rule_that_means_something_else_begins_anew(self) -> None:
        matcher = matcher_of(failures_then_success(semantic_hash="one"))
        run(matcher, *[event("failed", n, user="u") for n in range(3)])
        matcher.replace_rules(compile_rules([failures_then_success(semantic_hash="two")]))
        assert matcher.live_runs == 0
        assert run(matcher, event("success", 5, user="u"), first=3) == []

    def test_a_new_title_is_the_same_rule(self) -> None:
        matcher = matcher_of(failures_then_success(semantic_hash="one"))
        run(matcher, *[event("failed", n, user="u") for n in range(3)])
        renamed = failures_then_success(semantic_hash="one", description="New", tags=("x",))
        assert matcher.replace_rules(compile_rules([renamed])) == set()
        assert len(run(matcher, event("success", 5, user="u"), first=3)) == 1

    def test_a_disabled_rule_is_no_rule(self) -> None:
        matcher = matcher_of(failures_then_success(enabled=False))
        assert run(matcher, *[event("failed", n, user="u") for n in range(3)]) == []
        assert matcher.stats()["unseen"] == 3

    def test_waiting_events_of_unchanged_rules_stay(self) -> None:
        plan = failures_then_success(semantic_hash="one")
        matcher = matcher_of(plan, delay_ms=100)
        values = [event("failed", n, user="u") for n in range(3)] + [event("success", 9, user="u")]
        assert run(matcher, *values) == []
        extra = pattern(StepPlan("z", predicate=of_type("failed")), pattern_id="z")
        matcher.replace_rules(compile_rules([plan, extra], [by_time(100)]))
        found = matcher.apply([], 1_000).outputs.found
        assert summary(found) == [
            (
                "p",
                ("u",),
                0,
                9,
                False,
                False,
                [("failed", 0), ("failed", 1), ("failed", 2), ("success", 3)],
            )
        ]
