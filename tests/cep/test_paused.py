"""A paused rule: it sees nothing, keeps what it has begun, and raises nothing."""

from __future__ import annotations

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

from summit.cep.rules import compile_rules
from summit.cep.state import STATE_VERSION
from summit.documents.plan import StepPlan
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.processor import Processor

LOOP = failures_then_success(pattern_id="loop", within_ms=100)
ABSENCE = pattern(
    StepPlan("a", predicate=of_type("failed")),
    StepPlan("n", relation="notFollowedBy", predicate=of_type("success")),
    pattern_id="absence", within_ms=10,
)  # fmt: skip


def pause(matcher: Processor, *ids: str) -> None:
    matcher.replace_rules(compile_rules([LOOP, ABSENCE], paused=ids))


def failed(time: int, user: str = "u") -> bytes:
    return event("failed", time, user=user)


def test_events_of_the_pause_are_never_matched_and_what_was_begun_goes_on() -> None:
    matcher = matcher_of(LOOP, ABSENCE)
    run(matcher, failed(1), failed(2))
    pause(matcher, "loop", "absence")
    assert run(matcher, failed(3), event("success", 4, user="u"), first=2) == []
    assert matcher.rule_stats()["loop"]["live_runs"] == 2
    pause(matcher, "absence")
    (found,) = run(matcher, failed(5), event("success", 6, user="u"), first=4)
    assert offsets([found]) == [[0, 1, 4, 5]], "without what came meanwhile"


def test_what_is_over_meanwhile_is_gone_without_an_alert() -> None:
    matcher = matcher_of(LOOP, ABSENCE)
    run(matcher, failed(1))
    pause(matcher, "loop", "absence")
    applied = matcher.apply([chunk(event("other", 500, user="x"))])
    assert applied.outputs.found == []
    assert matcher.next_timer_ms is None, "nothing is due while it rests"
    stats = matcher.rule_stats()
    assert (stats["loop"]["live_runs"], stats["absence"]["live_runs"]) == (0, 1)
    pause(matcher)
    assert run(matcher, event("other", 501, user="x")) == []
    stats = matcher.rule_stats()
    assert (stats["absence"]["live_runs"], stats["absence"]["matches"]) == (0, 0)
    assert stats["absence"]["timeouts"] == 1


def test_an_absence_that_is_not_over_comes_true_after_the_pause() -> None:
    matcher = matcher_of(ABSENCE)
    run(matcher, failed(1))
    pause(matcher, "absence")
    run(matcher, event("other", 8, user="x"))
    pause(matcher)
    (found,) = run(matcher, event("other", 30, user="x"))
    assert (found.end_ms, found.timed) == (11, True)


def test_the_state_of_a_paused_rule_can_be_given_away_and_taken_up() -> None:
    matcher = matcher_of(LOOP)
    run(matcher, failed(1), failed(2))
    (key,) = matcher.state_keys()
    data = matcher.dump(key)
    assert data is not None
    other = Processor(compile_rules([LOOP, ABSENCE], paused=["loop"]))
    assert other.load(key, data, STATE_VERSION)
    assert other.dump(key) == data
    pause(other)
    (found,) = run(other, failed(3), event("success", 4, user="u"), first=2)
    assert offsets([found]) == [[0, 1, 2, 3]]


def test_what_waited_for_its_time_before_the_pause_is_taken_up_by_others_too() -> None:
    plans, ordered = [LOOP, ABSENCE], [by_time(50)]
    matcher = Processor(compile_rules(plans, ordered))
    matcher.hold(range(KEY_GROUPS))
    applied = matcher.apply([chunk(failed(1), failed(2))])
    (waits, states) = applied.waits, applied.dirty
    assert (len(waits), states) == (2, set())
    matcher.replace_rules(compile_rules(plans, ordered, ["loop"]))
    other = Processor(compile_rules(plans, ordered, ["loop"]))
    other.hold(range(KEY_GROUPS))
    for name in waits:
        data = matcher.dump_wait(name)
        assert data is not None
        assert other.load_wait(name, data)
    for each in (matcher, other):
        # An event of the pause is nobody's; those that were read before it count.
        each.apply([chunk(failed(3), first=2)])
        each.apply([chunk(event("other", 60, user="x"), first=3)])
        assert each.rule_stats()["loop"]["live_runs"] == 2
