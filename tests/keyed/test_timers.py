"""The two kinds of timers, without a matcher."""

from __future__ import annotations

from summit.keyed.keys import Key
from summit.keyed.timers import ExactTimers, TidyTimers

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


def test_many_keys_that_are_over_come_in_slices_and_none_is_missed() -> None:
    timers = TidyTimers(1_600)
    for number in range(30_000):
        timers.add(f"k{number}", number % 300)
        timers.add(f"k{number}", number % 300)
    assert len(timers.due(300)) > 20_000  # as many as came may be over at once
    timers.add("late", 0)
    slices = []
    while timers.next_ms <= 300:
        slices.append(timers.due(300))
    assert max(map(len, slices)) <= 2_502
    for number in range(30_000):
        timers.add(f"k{number}", 10)
    assert timers.due(5) == []
    found: set[Key] = set()
    calls = 0
    while timers.next_ms <= 100:
        found.update(timers.due(100))
        calls += 1
    assert len(found) == 30_000
    assert calls >= 10


def test_keys_that_stand_twice_are_found_a_few_at_a_time() -> None:
    """However many keys there are; none is lost, and the room is that of the keys."""
    timers = TidyTimers(1_600)
    keys: list[Key] = [f"k{number}" for number in range(60_000)] + [(n,) for n in range(20_000)]
    for _ in range(5):
        for key in keys:
            timers.add(key, 10)
    (bucket,) = timers._buckets.values()
    assert len(keys) <= bucket.count < 3 * len(keys)
    lone = [one for half in bucket.within for one in (half.within or [half])]
    assert max(one.same_from for one in lone) < 40_000
    found = list(timers.due(100))
    timers.add("late", 10)  # into what is being emptied
    while timers.next_ms <= 100:
        found += timers.due(100)
    assert set(found) == {*keys, "late"}


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


def test_replaced_timers_do_not_pile_up() -> None:
    timers = ExactTimers()
    for n in range(10_000):
        timers.set("k", n)
        timers.set("other", 20_000 - n)
    assert len(timers._heap) <= 1_004
    assert timers.peek() == (9_999, "k")
    assert [timers.take(50_000) for _ in range(3)] == [(9_999, "k"), (10_001, "other"), None]
