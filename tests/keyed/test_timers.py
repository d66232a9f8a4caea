"""The two kinds of timers, without a matcher."""

from __future__ import annotations

import random

import pytest

from summit.keyed import exact_timers
from summit.keyed.exact_timers import ExactTimers, _keys_of
from summit.keyed.keys import Key, key_text
from summit.keyed.tidy_timers import TidyTimers

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
    assert _places(timers) <= 1_004
    assert timers.peek() == (9_999, "k")
    assert [timers.take(50_000) for _ in range(3)] == [(9_999, "k"), (10_001, "other"), None]


def _places(timers: ExactTimers) -> int:
    """How many times stand somewhere, those left behind too."""
    return sum(
        len(_keys_of(held)) for span in timers._spans.values() for held in span.keys.values()
    )


@pytest.mark.parametrize("seed", range(150))
def test_exact_timers_are_a_sorted_list(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held to the plain way: all of them, sorted by time and text."""
    rand = random.Random(seed)
    monkeypatch.setattr(exact_timers, "_STALE_MAX", rand.choice([0, 3, 1_000]))
    timers, plain, now_ms, span_ms = ExactTimers(), {}, 0, rand.choice([5, 50, 30_000])
    keys: list[Key] = ["a", 'b"', (1, "number"), (), *(f"k{n}" for n in range(20))]
    for _ in range(rand.randrange(200)):
        if rand.random() < 0.6:
            key = rand.choice(keys)
            plain[key] = now_ms + rand.randrange(span_ms) if rand.random() < 0.8 else NEVER
            timers.set(key, plain[key])
            if plain[key] == NEVER:
                del plain[key]
        in_order = sorted(((at_ms, key_text(key), key) for key, at_ms in plain.items()))
        assert timers.next_ms == min(plain.values(), default=NEVER)
        if rand.random() < 0.5:
            assert timers.peek() == ((in_order[0][0], in_order[0][2]) if in_order else None)
        now_ms += rand.choice((0, 0, 0, 0, 0, rand.randrange(span_ms)))
        due = [each for each in in_order if each[0] == in_order[0][0] <= now_ms]
        way = rand.random()
        if way < 0.2:
            assert timers.take(now_ms) == ((due[0][0], due[0][2]) if due else None)
            due = due[:1]
        elif way < 0.4:
            found = timers.take_all(now_ms)
            assert found == ((due[0][0], [key for _, _, key in due]) if due else None)
        else:
            due = []
        for _, _, key in due:
            del plain[key]
    assert _places(timers) == timers.places
