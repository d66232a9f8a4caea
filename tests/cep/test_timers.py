"""The two kinds of timers, without a matcher."""

from __future__ import annotations

from summit.cep.frontier import Frontier
from summit.cep.timers import ExactTimers, TidyTimers

NEVER = float("inf")


def test_tidy_timers_are_never_early_and_at_most_a_bucket_late() -> None:
    timers = TidyTimers(1_600)
    timers.add("a", 1_000)
    timers.add("b", 1_099)
    timers.add("b", 1_099)
    timers.add("c", 1_100)
    assert timers.next_ms == 1_100
    assert timers.due(1_099) == []
    assert sorted(map(str, timers.due(1_100))) == ["a", "b"]
    assert timers.next_ms == 1_200
    assert timers.due(5_000) == ["c"]
    assert timers.next_ms == NEVER


def test_exact_timers_fire_by_time_then_key_and_the_last_setting_counts() -> None:
    timers = ExactTimers()
    timers.set("late", 50)
    timers.set("b", 20)
    timers.set("a", 20)
    timers.set("late", 10)
    timers.set("never", 5)
    timers.set("never", NEVER)
    fired = []
    while (due := timers.take(20)) is not None:
        fired.append(due)
    assert fired == [(10, "late"), (20, "a"), (20, "b")]
    assert timers.next_ms == NEVER


def test_the_frontier_is_the_slowest_partition_less_the_delay() -> None:
    frontier = Frontier(10)
    assert frontier.now == -NEVER
    frontier.open(("t", 0))
    frontier.open(("t", 1))
    frontier.reach(("t", 0), 100)
    assert frontier.now == -NEVER
    frontier.reach(("t", 1), 70)
    frontier.reach(("t", 1), 60)
    assert frontier.now == 60
    assert frontier.others(("t", 1)) == 100
    frontier.close(("t", 1))
    assert frontier.now == 90
    frontier.raise_to(500)
    assert frontier.all() == {("t", 0): 510}
