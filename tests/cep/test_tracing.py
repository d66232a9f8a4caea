"""Near-misses: what is said of a partial match is true, and mending just that makes it a match."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.plans import chunk, matcher_of

from summit.cep.near_misses import NEAR_MISSES_MAX, NearMiss
from summit.cep.tracing import OpenMatch, Tracer
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan

Event = dict[str, Any]
TAKEOVER = {
    "kind": "pattern", "id": "takeover", "name": "Takeover", "groupBy": ["user"],
    "where": 'env == "prod"', "within": "60s",
    "steps": [
        {"name": "failed", "where": 'eventType == "failed" && attempts >= 3'},
        {"name": "reset", "where": 'eventType == "reset"'},
        {"name": "login", "where": [
            {"field": "eventType", "operator": "eq", "value": "login"},
            {"field": "country", "operator": "ne", "ref": "failed.last.country"},
        ]},
    ],
}  # fmt: skip


def plan_of(**members: Any) -> PatternPlan:
    return validate_pattern({**TAKEOVER, **members}).plan


def event(kind: str, at_ms: int, **members: Any) -> Event:
    return {"eventType": kind, "timestamp": at_ms, "user": "u", "env": "prod", **members}


FAILED = event("failed", 1_000, attempts=3, country="DE")
RESET = event("reset", 2_000)
LOGIN = event("login", 3_000, country="FR")


def traced(plan: PatternPlan, *events: Event) -> tuple[list[NearMiss], list[OpenMatch]]:
    tracer = Tracer(plan)
    tracer.feed(chunk(*(json.dumps(each).encode() for each in events)))
    return tracer.finish()


def nearest(*events: Event, **members: Any) -> NearMiss:
    assert not matches(plan_of(**members), *events)
    return traced(plan_of(**members), *events)[0][0]


def matches(plan: PatternPlan, *events: Event) -> int:
    """How many the matcher finds, when time goes on behind the last event."""
    matcher = matcher_of(plan)
    values = [json.dumps(each).encode() for each in events]
    found = len(matcher.apply([chunk(*values)]).outputs.found)
    return found + len(matcher.apply([], 1 << 50).outputs.found)


def test_a_match_is_no_near_miss() -> None:
    assert matches(plan_of(), FAILED, RESET, LOGIN) == 1
    assert traced(plan_of(), FAILED, RESET, LOGIN) == ([], [])


@pytest.mark.parametrize(
    ("events", "kind", "step", "text"),
    [
        ([FAILED, RESET, {**LOGIN, "timestamp": 61_000}], "outsideWindow", "login",
         "'login' came 1 ms too late: 60000 ms after the first event, outside the window of"),
        ([{**FAILED, "attempts": 2}, RESET, LOGIN], "condition", "failed",
         "nearly 'failed', but attempts >= 3 does not hold: attempts is 2"),
        ([{"eventType": "failed", "timestamp": 1, "user": "u", "env": "prod"}, RESET, LOGIN],
         "condition", "failed", "attempts is missing"),
        ([FAILED, RESET, {**LOGIN, "country": "DE"}], "condition", "login",
         'country is "DE", failed.last.country is "DE"'),
        ([{**FAILED, "eventType": "fail"}, RESET, LOGIN], "condition", "failed",
         'eventType == "failed" does not hold: eventType is "fail"'),
        ([FAILED, LOGIN], "missing", "reset", "no event has the eventType 'reset'"),
        ([FAILED, {**RESET, "eventType": "resets"}, LOGIN], "missing", "reset",
         "the most similar that came is 'resets'"),
        ([RESET, {**FAILED, "timestamp": 2_500}, LOGIN], "order", "reset",
         "'reset' came before 'failed', not after it"),
        ([FAILED, {**RESET, "user": "v"}, LOGIN], "otherKey", "reset",
         "'reset' came, but for another key: user = 'v'"),
        ([FAILED, {**RESET, "user": None}, LOGIN], "noKey", "reset", "has no usable user"),
        ([FAILED, {**RESET, "env": "test"}, LOGIN], "outsideStream", "reset",
         'not in the rule\'s stream: env == "prod" does not hold: env is "test"'),
        ([event("other", 1)], "missing", "failed", "nothing began: a match begins with 'failed'"),
    ],
)  # fmt: skip
def test_what_kept_it(events: list[Event], kind: str, step: str, text: str) -> None:
    found = nearest(*events)
    assert (found.kind, found.step, found.missing) == (kind, step, 1)
    assert text in found.text


def test_strict_and_negative_steps() -> None:
    steps = [
        {"name": "a", "where": 'eventType == "a"', "times": 3},
        {"name": "b", "relation": "next", "where": 'eventType == "b"'},
        {"name": "n", "relation": "notFollowedBy", "where": 'eventType == "n"'},
    ]
    loop = [event("a", 1_000 * number) for number in range(3)]
    b = event("b", 4_000)
    rule = plan_of(steps=steps)
    assert matches(rule, *loop, b) == 1
    assert traced(rule, *loop, b)[0] == []  # what the match removes has nothing to tell
    broken = nearest(*loop, event("x", 3_500), b, steps=steps)
    assert (broken.kind, broken.step, broken.event and broken.event.event_type) == (
        "interrupted", "b", "x",
    )  # fmt: skip
    forbidden = nearest(*loop, b, event("n", 5_000), steps=steps)
    assert (forbidden.kind, forbidden.step, forbidden.missing) == ("forbidden", "n", 0)
    assert [each.step for each in forbidden.taken] == ["a", "a", "a", "b"]
    few = nearest(*loop[:2], b, steps=steps)
    assert (few.kind, few.text[:32]) == ("missing", "waits for 'a' (2 of 3 taken); no")


def test_a_step_with_a_time_of_its_own() -> None:
    steps = [TAKEOVER["steps"][0], {**TAKEOVER["steps"][1], "within": "1s"}]  # type: ignore[index]
    found = nearest(FAILED, RESET, steps=steps)
    assert (found.kind, found.late_ms) == ("outsideWindow", 1)
    assert "1000 ms after the event before it, outside its step's window of 1000 ms" in found.text


def test_only_one_key() -> None:
    tracer = Tracer(plan_of(), ["v"])
    events = [FAILED, {**FAILED, "user": "v"}, RESET]
    tracer.feed(chunk(*(json.dumps(each).encode() for each in events)))
    near, unfinished = tracer.finish()
    assert {found.key for found in near} == {("v",)} == {one.key for one in unfinished}
    assert near[0].kind == "otherKey"


def test_what_is_no_event_is_passed_over() -> None:
    tracer = Tracer(plan_of())
    never = b'{"eventType": "failed", "timestamp": "never"}'
    tracer.feed(chunk(None, b"", b"{", b"[]", never))
    near, unfinished = tracer.finish()
    assert ([found.kind for found in near], unfinished) == (["missing"], [])


def test_it_is_bounded() -> None:
    tracer = Tracer(plan_of())
    events = (
        event("failed", number, attempts=number % 5, user=f"u{number % 15_000}")
        for number in range(30_000)
    )
    tracer.feed(chunk(*(json.dumps(each).encode() for each in events)))
    near, unfinished = tracer.finish()
    assert len(near) == NEAR_MISSES_MAX
    assert len(unfinished) == 1_000


# ---- mending just what is said makes it a match; and runs are followed as the matcher does ----

KINDS = ("failed", "reset", "login", "other")
EVENTS = st.lists(
    st.builds(
        lambda kind, gap, user, attempts, country: {
            "kind": kind, "gap": gap, "user": user, "attempts": attempts, "country": country,
        },
        st.sampled_from(KINDS), st.integers(0, 40_000), st.sampled_from("uv"),
        st.integers(2, 4), st.sampled_from(("DE", "FR")),
    ),
    max_size=14,
)  # fmt: skip


def timed(rows: list[dict[str, Any]]) -> Iterator[Event]:
    at_ms = 1_000
    for row in rows:
        at_ms += row["gap"]
        yield event(row["kind"], at_ms, **{k: row[k] for k in ("user", "attempts", "country")})


@settings(max_examples=80, deadline=None)
@given(EVENTS)
def test_an_event_that_was_too_late_would_have_been_in_time(rows: list[dict[str, Any]]) -> None:
    rule = plan_of()
    events = list(timed(rows))
    before = matches(rule, *events)
    for near in traced(rule, *events)[0]:
        if near.kind == "outsideWindow" and near.step == "login":
            assert near.event is not None
            assert near.late_ms is not None
            late, others = near.event.offset, [t.offset for t in near.taken]
            # Alone, so that no other match takes its events away.
            alone = [events[n] for n in (*others, late)]
            for sooner, expected in ((near.late_ms, 1), (near.late_ms - 1, 0)):
                moved = {**alone[-1], "timestamp": alone[-1]["timestamp"] - sooner}
                assert matches(rule, *alone[:-1], moved) == expected
    assert matches(rule, *events) == before


@settings(max_examples=80, deadline=None)
@given(EVENTS)
def test_a_failed_part_is_all_that_was_wrong(rows: list[dict[str, Any]]) -> None:
    rule = plan_of()
    events = list(timed(rows))
    mend = {
        "failed": lambda _: {"eventType": "failed", "attempts": 3},
        "reset": lambda _: {"eventType": "reset"},
        "login": lambda taken: {
            "eventType": "login", "country": "FR" if taken[0]["country"] == "DE" else "DE",
        },
    }  # fmt: skip
    names = ["failed", "reset", "login"]
    for near in traced(rule, *events)[0]:
        if near.kind == "condition" and near.event is not None:
            taken = [events[each.offset] for each in near.taken]
            mended = {**events[near.event.offset], **mend[near.step](taken)}
            found = traced(rule, *taken, mended)[1]
            rest = names[names.index(near.step) + 1 :]
            if rest:
                assert [one.state.waits_for for one in found] == [(rest[0],)]
            else:
                assert matches(rule, *taken, mended) == 1


@settings(max_examples=60, deadline=None)
@given(
    EVENTS,
    st.sampled_from([2, {"min": 1}, {"min": 2}, {"min": 1, "max": 3}]),
    st.sampled_from(["relaxed", "any"]),
    st.sampled_from(["pastLast", "noSkip"]),
)
def test_no_such_event_came_is_said_only_where_none_came(
    rows: list[dict[str, Any]], times: Any, contiguity: str, after: str
) -> None:
    steps = [
        {"name": "a", "where": 'eventType == "failed"', "times": times, "contiguity": contiguity},
        {"name": "b", "where": 'eventType == "login" && country == a.last.country'},
    ]
    rule = plan_of(steps=steps, afterMatch=after)
    events = list(timed(rows))
    for near in traced(rule, *events)[0]:
        if near.kind == "missing" and near.step == "b" and near.taken:
            last = near.taken[-1]
            user = events[last.offset]["user"]
            assert [
                each
                for each in events[last.offset + 1 :]
                if (each["eventType"], each["user"]) == ("login", user)
                and each["timestamp"] < (near.expires_ms or 0)
            ] == []


@settings(max_examples=80, deadline=None)
@given(
    EVENTS,
    st.sampled_from(["pastLast", "noSkip", "toNext"]),
    st.sampled_from(["next", "followedBy", "followedByAny", "notFollowedBy"]),
    st.sampled_from([1, {"min": 1}, {"min": 2, "max": 3}]),
)
def test_as_many_are_unfinished_as_the_matcher_has(
    rows: list[dict[str, Any]], after: str, relation: str, times: Any
) -> None:
    steps = [
        {"name": "a", "where": 'eventType == "failed"', "times": times},
        {"name": "b", "where": 'eventType == "reset"', "relation": relation},
        {"name": "c", "where": 'eventType == "login"'},
    ]
    rule = plan_of(steps=steps, afterMatch=after)
    events = list(timed(rows))
    matcher = matcher_of(rule)
    matcher.apply([chunk(*(json.dumps(each).encode() for each in events))])
    _, unfinished = traced(rule, *events)
    # The matcher forgets what is over at leisure; here it is looked at when its key has an event.
    last = max((each["timestamp"] for each in events), default=0)
    open_ones = [one for one in unfinished if (one.state.expires_ms or last + 1) > last]
    assert matcher.live_runs >= len(open_ones)
    matcher.apply([], last)
    assert matcher.live_runs == len(open_ones)
