"""Events that wait for the frontier: saved and taken up, by clock and by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.plans import by_time, chunk, event, matcher_of, of_type, offsets, pattern, run
from tests.cep.test_state import in_one_batch, new_matcher, raw_events, summary, to_values

from summit.base.errors import Corrupt
from summit.cep.rules import compile_rules
from summit.cep.state import STATE_VERSION
from summit.documents.plan import StepPlan
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.outputs import Late, StateKey
from summit.keyed.processor import Processor
from summit.keyed.waiting import WAIT_VERSION, WaitKey, load_wait, moved_wait

ALL = range(KEY_GROUPS)
A = pattern(StepPlan("a", predicate=of_type("a")))


def silence() -> Any:
    return pattern(
        StepPlan("beat", predicate=of_type("beat")),
        StepPlan("none", relation="notFollowedBy", predicate=of_type("beat")),
        within_ms=10_000,
    )


@settings(max_examples=40, deadline=None)
@given(raw=st.lists(raw_events, max_size=30), every=st.integers(1, 6))
def test_dump_and_load_at_any_point_give_the_same(raw: list[Any], every: int) -> None:
    values = to_values(raw)
    matcher = new_matcher("eventTime")
    matcher.hold(ALL)
    states: dict[StateKey, bytes | None] = {}
    waits: dict[WaitKey, bytes | None] = {}
    found = []
    for position, value in enumerate(values):
        applied = matcher.apply([chunk(value, first=position)])
        found += applied.outputs.found
        states.update({key: matcher.dump(key) for key in applied.dirty})
        waits.update({name: matcher.dump_wait(name) for name in applied.waits})
        if position % every == 0:
            other = new_matcher("eventTime")
            other.hold(ALL)
            other.set_watermarks(matcher.watermarks())
            for key, state in states.items():
                assert state is None or other.load(key, state, STATE_VERSION)
            for name, data in waits.items():
                assert data is None or other.load_wait(name, data)
                assert other.dump_wait(name) == data
            assert (other.waiting, other.live_runs) == (matcher.waiting, matcher.live_runs)
            matcher = other
    found += matcher.apply([], 1 << 50).outputs.found
    assert summary(found) == summary(in_one_batch("eventTime", values))
    assert matcher.waiting == 0


def saved() -> tuple[WaitKey, bytes]:
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    headers = [[("summit.src", b"f:1"), ("n", None)]]
    value = event("a", 1_000, user="u")
    applied = matcher.apply([chunk(value, first=7, headers=headers, keys=[b"k"])])
    (name,) = applied.waits
    data = matcher.dump_wait(name)
    assert data is not None
    return name, data


def test_what_is_saved_is_the_record_and_who_waits() -> None:
    name, data = saved()
    assert name[1:] == ("t", 0, 7)
    assert data[0] == WAIT_VERSION
    read = load_wait(data)
    assert (read.value, read.key) == (event("a", 1_000, user="u"), b"k")
    assert [tuple(pair) for pair in read.headers] == [("summit.src", b"f:1"), ("n", None)]
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    assert matcher.load_wait(name, data)
    matcher.set_watermarks({("t", 0): 1_000})
    assert run(matcher) == []
    matcher.set_watermarks({("t", 0): 1_101})
    (match,) = run(matcher)
    assert [(e.offset, e.src) for _, e in match.captures] == [(7, "f:1")]


def test_an_event_waits_only_for_the_rules_that_it_waited_for() -> None:
    name, data = saved()
    other = pattern(StepPlan("a", predicate=of_type("a")), pattern_id="q")
    matcher = matcher_of(A, other, delay_ms=100)
    matcher.set_watermarks({("t", 0): 1_000})
    assert matcher.load_wait(name, data)
    assert [m.pattern_id for m in matcher.apply([], 2_000).outputs.found] == [A.id]
    assert not matcher_of(other, delay_ms=100).load_wait(name, data)
    assert not matcher_of(A).load_wait(name, data)  # its topic is in arrival order now


@pytest.mark.parametrize("data", [b"", b"\x02abc", bytes((WAIT_VERSION,)) + b"\xc1"])
def test_what_cannot_be_read_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        matcher_of(A, delay_ms=100).load_wait(WaitKey(0, "t", 0, 0), data)


def test_a_waiting_event_can_be_moved_to_another_cluster() -> None:
    name, data = saved()
    moved, value = moved_wait(
        name, data, lambda topic, partition, offset, known: (offset + 5, None if known else "s")
    )
    assert (moved.offset, load_wait(value)) == (12, load_wait(data))


def test_how_late_an_event_was_is_saved_with_it() -> None:
    late = replace(A, lateness_ms=10_000)
    matcher = matcher_of(late, delay_ms=0)
    matcher.hold(ALL)
    matcher.set_watermarks({("t", 0): 90_000})
    matcher.catch_up(begins=True)
    value, group = event("a", 1_000, user="u"), key_group("u")
    (name,) = matcher.apply_remote(group, chunk(value, first=7), [50_000]).waits
    data = matcher.dump_wait(name)
    assert data is not None
    assert list(load_wait(data).due_ms.values()) == [49_999]
    _, moved = moved_wait(name, data, lambda *place: (place[2], None))
    assert moved == data
    other = matcher_of(late, delay_ms=0)
    other.hold(ALL)
    assert other.load_wait(name, data)
    assert other.dump_wait(name) == data
    for each in (matcher, other):
        each.set_watermarks({("t", 0): 90_000})
        each.catch_up(begins=False)
        found = each.apply([]).outputs.found
        assert [type(one) for one in found] == [Late]
        assert each.dump_wait(name) is None


def test_what_an_older_version_saved_is_read() -> None:
    _, data = saved()
    assert load_wait(b"\x01" + data[1:]) == load_wait(data)


def test_an_event_of_long_ago_is_not_late_because_it_was_saved() -> None:
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    (name,) = matcher.apply([chunk(event("a", -5_000, user="u"))]).waits
    data = matcher.dump_wait(name)
    assert data is not None
    assert matcher_of(A, delay_ms=100).load_wait(name, data)


def test_a_rule_that_goes_takes_its_waiting_events_along() -> None:
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    (name,) = matcher.apply([chunk(event("a", 1_000, user="u"))]).waits
    matcher.replace_rules(compile_rules([], [by_time(100)]))
    assert matcher.waiting == 0
    assert matcher.apply([]).waits == {name}
    assert matcher.dump_wait(name) is None


def test_what_is_released_before_it_is_saved_leaves_nothing() -> None:
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    values = [event("a", 1_000, user="u"), event("x", 9_000)]
    applied = matcher.apply([chunk(*values)])
    assert applied.waits == set()
    assert offsets(applied.outputs.found) == [[0]]


def test_an_event_that_comes_twice_ends_nobody() -> None:
    """A worker that was taken for dead is sent what it reads itself; its commit is refused."""
    matcher = matcher_of(A, delay_ms=100)
    matcher.hold(ALL)
    for value in (event("a", 1_000, user="u", n=1), event("a", 1_000, user="u", n=2)):
        matcher.apply([chunk(value)])
    assert matcher.waiting == 2


class TestClock:
    def test_lets_absence_fire_and_moves_no_event(self) -> None:
        matcher = matcher_of(silence())
        run(matcher, event("beat", 1_000, user="u"))
        assert matcher.waits_for_time
        matcher.rest("t", 0, 10_999, idle=False)
        assert run(matcher) == []
        matcher.rest("t", 0, 11_000, idle=False)
        (match,) = run(matcher)
        assert (match.end_ms, match.timed) == (11_000, True)
        assert not matcher.waits_for_time
        # The next event is taken at its own time, though the clock was past it.
        matcher.apply([chunk(event("beat", 2_000, user="u"), first=1)])
        assert matcher.stats()["clamped"] == 0
        assert matcher.next_timer_ms == 12_000

    def test_of_one_partition_does_not_speak_for_another(self) -> None:
        matcher = matcher_of(silence())
        run(matcher, event("x", 500), partition=1)
        run(matcher, event("beat", 1_000, user="u"))
        matcher.rest("t", 0, 50_000, idle=True)
        assert run(matcher) == []
        matcher.rest("t", 1, 11_000, idle=False)
        assert len(run(matcher)) == 1

    def test_ends_with_the_next_event(self) -> None:
        matcher = matcher_of(silence())
        run(matcher, event("x", 500), partition=1)
        matcher.rest("t", 1, 600, idle=True)
        run(matcher, event("beat", 1_000, user="u"), event("x", 9_000))
        run(matcher, event("x", 700), partition=1, first=1)
        assert run(matcher, event("x", 90_000), first=2) == []
        matcher.rest("t", 1, 800, idle=True)
        assert len(run(matcher)) == 1

    def test_lets_waiting_events_go(self) -> None:
        matcher = matcher_of(A, delay_ms=100)
        run(matcher, event("a", 1_000, user="u"))
        matcher.rest("t", 0, 1_100, idle=False)
        assert run(matcher) == []
        matcher.rest("t", 0, 1_101, idle=False)
        assert len(run(matcher)) == 1


def test_rules_of_other_topics_hold_nothing_back() -> None:
    beats = pattern(*silence().steps, pattern_id="beats", within_ms=10_000, topics=("beats",))
    matcher = matcher_of(A, beats)
    run(matcher, event("a", 0, user="u"), topic="slow")
    run(matcher, event("beat", 1_000, user="u"), topic="beats")
    found = run(matcher, event("beat", 50_000, user="v"), topic="beats", first=1)
    assert [m.pattern_id for m in found] == ["beats"]


def test_only_what_others_hold_back_is_read_too_far() -> None:
    matcher = matcher_of(A, delay_ms=100)
    matcher.open_input("t", 1)
    run(matcher, event("x", 5_000))
    assert matcher.allowed_ms("t", 0) == float("-inf")
    run(matcher, event("x", 1_000), partition=1)
    assert (matcher.allowed_ms("t", 0), matcher.allowed_ms("t", 1)) == (900, 4_900)
    assert matcher.allowed_ms("elsewhere", 0) == 900
    matcher.rest("t", 1, 1_000, idle=True)
    assert matcher.allowed_ms("t", 0) == float("inf")


def test_streams_differ_by_topic() -> None:
    rules = compile_rules([A], [by_time(100, "slow*")])
    matcher = Processor(rules)
    assert len(run(matcher, event("a", 1_000, user="u"))) == 1
    assert run(matcher, event("a", 900, user="u"), topic="slow") == []
    assert len(matcher.apply([], 1_000).outputs.found) == 1
