"""What a key's state says of its runs: where they wait, what they hold, when they are over."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cep.plans import event, failures_then_success, matcher_of, of_type, pattern, run

from summit.base.errors import Corrupt
from summit.cep.explaining import RunState, StateReader
from summit.cep.state import STATE_VERSION
from summit.documents.plan import PatternPlan, StepPlan


def states(plan: PatternPlan, *types: str, **more: Any) -> list[RunState]:
    matcher = matcher_of(plan)
    events = [event(kind, 1_000 + n, user="u", **more) for n, kind in enumerate(types)]
    run(matcher, *events)
    (key,) = matcher.state_keys()
    data = matcher.dump(key)
    assert data is not None
    reader = StateReader(plan)
    found = reader.runs(data, STATE_VERSION)
    assert reader.count(data, STATE_VERSION).runs == len(found) == matcher.live_runs
    return found


def test_each_run_tells_what_it_took_and_what_it_waits_for() -> None:
    first, second = states(failures_then_success(), "failed", "other", "failed")
    assert [(t.step, t.event.offset) for t in first.taken] == [("failed", 0), ("failed", 2)]
    assert [(t.step, t.event.offset) for t in second.taken] == [("failed", 2)]
    assert (first.start_ms, first.last_ms, first.expires_ms) == (1_000, 1_002, 61_000)
    assert first.waits_for == ("failed",)
    assert first.text == "waits for 'failed' (2 taken, 3 or more needed)"
    *_, last = states(failures_then_success(), "failed", "failed", "failed")
    assert last.waits_for == ("failed",)
    longest = states(failures_then_success(), "failed", "failed", "failed")[0]
    assert longest.waits_for == ("failed", "success")


def test_an_absence_tells_what_ends_it_and_that_time_completes_it() -> None:
    plan = pattern(
        StepPlan("a", predicate=of_type("failed")),
        StepPlan("n", relation="notFollowedBy", predicate=of_type("success")),
        within_ms=7,
    )
    (found,) = states(plan, "failed")
    assert (found.completes, found.ended_by, found.expires_ms) == (True, ("n",), 1_007)
    assert found.text == "becomes a match when its time is over; ends when 'n' comes"


def test_a_step_with_a_time_of_its_own_bounds_the_run() -> None:
    plan = pattern(
        StepPlan("a", predicate=of_type("failed")),
        StepPlan("b", predicate=of_type("success"), within_ms=30),
        within_ms=100,
    )
    (found,) = states(plan, "failed")
    assert (found.text, found.expires_ms) == ("waits for 'b'", 1_030)


def test_a_rule_without_a_limit_never_ends() -> None:
    plan = pattern(
        StepPlan("a", predicate=of_type("failed"), times_min=2, times_max=2),
        StepPlan("b", predicate=of_type("success")),
        enabled=False,
    )
    matcher = matcher_of(pattern(*plan.steps))
    run(matcher, event("failed", 5, user="u"))
    (key,) = matcher.state_keys()
    data = matcher.dump(key)
    assert data is not None
    (found,) = StateReader(plan).runs(data, STATE_VERSION)
    assert (found.text, found.expires_ms) == ("waits for 'a' (1 of 2 taken)", None)


def test_a_state_of_a_newer_version_is_refused() -> None:
    with pytest.raises(Corrupt, match=f"version {STATE_VERSION + 1}"):
        StateReader(failures_then_success()).runs(b"\x90", STATE_VERSION + 1)
