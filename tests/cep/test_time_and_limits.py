"""Absence, idle keys, and the bounds of the state with their counters."""

from __future__ import annotations

import pytest
from tests.cep.plans import (
    chunk,
    event,
    failures_then_success,
    matcher_of,
    of_type,
    offsets,
    pattern,
    run,
)

from summit.cep.runs import Bucket, Run
from summit.cep.state import STATE_VERSION
from summit.documents.plan import AfterMatchPlan, Limits, PatternPlan, StepPlan
from summit.keyed.captured import Captured, Origin
from summit.keyed.processor import Processor


def silence(**more: object) -> PatternPlan:
    """A beat, and then none for ten seconds."""
    return pattern(
        StepPlan("beat", predicate=of_type("beat")),
        StepPlan("none", relation="notFollowedBy", predicate=of_type("beat")),
        within_ms=10_000,
        **more,
    )


class TestAbsence:
    def test_fires_when_the_frontier_reaches_it_without_an_event(self) -> None:
        matcher = matcher_of(silence())
        first = matcher.apply([chunk(event("beat", 1_000, user="u"))])
        assert first.outputs.found == []
        assert matcher.next_timer_ms == 11_000
        assert matcher.apply([], 10_999).outputs.found == []
        (match,) = matcher.apply([], 11_000).outputs.found
        assert (match.start_ms, match.end_ms, match.timed) == (1_000, 11_000, True)
        assert [step for step, _ in match.captures] == ["beat"]
        assert matcher.apply([], 99_000).outputs.found == []
        assert matcher.stats()["keys"] == 0

    @pytest.mark.parametrize(("at_ms", "fired"), [(10_999, False), (11_000, True)])
    def test_is_half_open(self, at_ms: int, fired: bool) -> None:
        matcher = matcher_of(silence())
        values = [event("beat", 1_000, user="u"), event("beat", at_ms, user="u")]
        assert bool(run(matcher, *values)) is fired

    def test_fires_between_the_events_of_a_batch_in_order_of_time(self) -> None:
        matcher = matcher_of(
            silence(), pattern(StepPlan("x", predicate=of_type("x")), pattern_id="q")
        )
        values = [event("beat", 1_000, user="u"), event("beat", 2_000, user="v")]
        values += [event("x", time, user="w") for time in (11_000, 11_999, 50_000)]
        found = [(m.pattern_id, m.key[0], m.end_ms) for m in run(matcher, *values)]
        assert found == [
            ("p", "u", 11_000),
            ("q", "w", 11_000),
            ("q", "w", 11_999),
            ("p", "v", 12_000),
            ("q", "w", 50_000),
        ]

    def test_waits_for_the_slowest_partition(self) -> None:
        matcher = matcher_of(silence())
        run(matcher, event("x", 0), partition=1)
        assert run(matcher, event("beat", 1_000, user="u"), event("x", 90_000)) == []
        assert len(run(matcher, event("x", 11_000), partition=1)) == 1

    def test_a_closed_input_holds_nothing_back(self) -> None:
        matcher = matcher_of(silence())
        run(matcher, event("x", 0), partition=1)
        run(matcher, event("beat", 1_000, user="u"), event("x", 90_000))
        matcher.forget_input("t", 1)
        assert len(matcher.apply([]).outputs.found) == 1

    def test_in_event_time_order_too(self) -> None:
        matcher = matcher_of(silence(), delay_ms=5_000)
        values = [event("beat", 1_000, user="u"), event("x", 15_999), event("x", 16_000)]
        assert run(matcher, *values[:2]) == []
        assert [m.end_ms for m in run(matcher, values[2], first=2)] == [11_000]


class TestIdleKeys:
    def test_are_forgotten_when_their_time_is_over(self) -> None:
        matcher = matcher_of(failures_then_success())
        run(matcher, *[event("failed", 1_000 + n, user=f"u{n}") for n in range(1_000)])
        assert (matcher.stats()["keys"], matcher.live_runs) == (1_000, 1_000)
        run(matcher, event("x", 61_000 + 60_000 // 16))
        assert (matcher.stats()["keys"], matcher.live_runs) == (0, 0)
        assert matcher.stats()["timeouts"] == 1_000

    def test_are_forgotten_by_the_clock_too(self) -> None:
        matcher = matcher_of(failures_then_success())
        matcher.apply([chunk(event("failed", 1_000, user="u"))])
        assert matcher.next_timer_ms is not None
        dirty = matcher.apply([], matcher.next_timer_ms).dirty
        assert {key.key for key in dirty} == {"u"}
        assert matcher.next_timer_ms is None

    def test_a_gap_bounds_runs_without_within(self) -> None:
        steps = (
            StepPlan("a", predicate=of_type("a")),
            StepPlan("b", predicate=of_type("b"), within_ms=1_000),
        )
        matcher = matcher_of(pattern(*steps))
        run(matcher, event("a", 1_000, user="u"), event("b", 2_000, user="u"), event("x", 5_000))
        assert matcher.live_runs == 0
        assert run(matcher, event("a", 6_000, user="u"), event("b", 6_999, user="u"))

    def test_a_busy_key_is_not_forgotten(self) -> None:
        matcher = matcher_of(failures_then_success())
        for n in range(100):
            run(matcher, event("failed", n * 10_000, user="u"), first=n)
        # 60 s hold the last six: 940 s .. 990 s; the one at 930 s is over at 990 s.
        (match,) = run(matcher, event("success", 990_000, user="u"), first=100)
        assert offsets([match]) == [[94, 95, 96, 97, 98, 99, 100]]


class TestBounds:
    def flood(self, matcher: Processor, count: int) -> None:
        for n in range(0, count, 500):
            run(matcher, *[event("failed", 1_000 + n, user="u")] * 500, first=n)

    def test_of_runs_end_the_oldest_and_count_them(self) -> None:
        matcher = matcher_of(failures_then_success(limits=Limits(runs_per_key=10)))
        self.flood(matcher, 500)
        assert matcher.live_runs == 10
        assert matcher.stats()["runs_dropped"] == 490
        (match,) = run(matcher, event("success", 2_000, user="u"), first=500)
        assert offsets([match]) == [list(range(490, 501))]

    def test_of_keys_end_the_oldest_and_count_them(self) -> None:
        matcher = matcher_of(failures_then_success(limits=Limits(keys=10)))
        run(matcher, *[event("failed", 1_000, user=f"u{n}") for n in range(25)])
        assert matcher.stats()["keys"] == 10
        assert matcher.stats()["keys_dropped"] == 15
        assert {key.key for key in matcher.state_keys()} == {f"u{n}" for n in range(15, 25)}

    def test_of_time_forget_a_key_that_is_left_alone(self) -> None:
        steps = (
            StepPlan("failed", predicate=of_type("failed"), times_min=3, times_max=3),
            StepPlan("success", predicate=of_type("success")),
        )
        matcher = matcher_of(pattern(*steps, limits=Limits(ttl_ms=10_000)))

        def fail(*times_ms: int, user: str = "u") -> None:
            run(matcher, *(event("failed", at, user=user) for at in times_ms))

        # Each event begins the time anew; 9,999 ms are not over yet.
        fail(0, 9_999, 19_998)
        assert len(run(matcher, event("success", 29_997, user="u"))) == 1
        # The key is forgotten by the event that comes too late, which begins anew.
        fail(30_000, 30_001)
        fail(40_001)
        assert run(matcher, event("success", 40_002, user="u")) == []
        assert matcher.stats()["keys_expired"] == 1
        fail(40_003, 40_004)
        assert len(run(matcher, event("success", 40_005, user="u"))) == 1
        # And by time alone, so that it takes no room; also where it is packed or was loaded.
        fail(50_000, user="v")
        other = matcher_of(pattern(*steps, limits=Limits(ttl_ms=10_000)))
        for key in matcher.state_keys():
            other.load(key, matcher.dump(key) or b"", STATE_VERSION)
        for each in (matcher, other):
            run(each, event("x", 61_000, user="w"))
            assert each.stats()["keys"] == 0
            assert each.stats()["timeouts"] == 0
        assert (matcher.stats()["keys_expired"], other.stats()["keys_expired"]) == (2, 1)

    def test_of_captures_keep_counting_what_they_do_not_show(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("summit.cep.program.CAPTURES_PER_STATE_MAX", 50)
        steps = (
            StepPlan("a", predicate=of_type("a")),
            StepPlan("failed", predicate=of_type("failed"), times_min=3, times_max=None),
            StepPlan("success", predicate=of_type("success")),
        )
        matcher = matcher_of(pattern(*steps, within_ms=60_000))
        run(matcher, event("a", 1_000, user="u"))
        self.flood(matcher, 500)
        (match,) = run(matcher, event("success", 2_000, user="u"))
        dropped = matcher.stats()["captures_dropped"]
        assert dropped > 0
        assert len(match.captures) == 502 - dropped
        assert match.captures[-1][0] == "success"

    def test_a_flood_of_one_key_shares_what_its_runs_take(self) -> None:
        matcher = matcher_of(failures_then_success(limits=Limits(runs_per_key=100_000)))
        self.flood(matcher, 20_000)
        assert matcher.live_runs == 20_000
        (match,) = run(matcher, event("success", 2_000, user="u"), first=20_000)
        assert len(match.captures) == 20_001 - matcher.stats()["captures_dropped"]
        assert matcher.live_runs == 0

    def test_all_prefixes_are_kept_where_all_may_match(self) -> None:
        plan = failures_then_success(after_match=AfterMatchPlan("noSkip"))
        matcher = matcher_of(plan)
        values = [event("failed", n, user="u") for n in range(5)] + [event("success", 9, user="u")]
        assert offsets(run(matcher, *values)) == [
            [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 5], [0, 1, 2, 5], [1, 2, 3, 4, 5], [1, 2, 3, 5],
            [2, 3, 4, 5],
        ]  # fmt: skip

    def test_busy_keys_beyond_the_limit_are_packed_and_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("summit.cep.lane.KEYS_UNPACKED_MAX", 10)
        matcher = matcher_of(failures_then_success())
        for turn in range(3):
            values = [event("failed", 1_000 + turn, user=f"u{n}") for n in range(50)]
            run(matcher, *values, first=turn * 50)
        assert matcher.stats()["keys"] == 50
        assert matcher.live_runs == 150
        found = run(matcher, *[event("success", 2_000, user=f"u{n}") for n in range(50)], first=150)
        assert offsets(found) == [[n, n + 50, n + 100, n + 150] for n in range(50)]
        assert matcher.stats()["keys"] == 0

    def test_packed_keys_are_forgotten_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("summit.cep.lane.KEYS_UNPACKED_MAX", 10)
        matcher = matcher_of(failures_then_success())
        run(matcher, *[event("failed", 1_000, user=f"u{n}") for n in range(50)])
        matcher.apply([], 70_000)
        assert matcher.stats()["keys"] == 0


def test_a_long_share_is_let_go_when_no_run_needs_it() -> None:
    bucket = Bucket([], [])
    origin = Origin("t", 0)
    for n in range(1_000):
        captured = Captured(n, n, n, origin, n, None, b"")
        bucket.add(Run(n, n, n, (0, captured)))
        bucket.taken += (0, captured)
        if len(bucket.runs) > 5:
            del bucket.runs[0]
            bucket.trim()
    assert len(bucket.taken) < 400


class TestRest:
    """Rules that were given nothing are not asked behind a batch; time finds them all the same."""

    def test_what_is_over_goes_though_nothing_comes_for_its_rule(self) -> None:
        other = pattern(StepPlan("x", predicate=of_type("x")), pattern_id="q")
        matcher = matcher_of(failures_then_success(), other)
        matcher.apply([chunk(event("failed", 1_000, user="u"))])
        for time in (2_000, 60_999):
            assert matcher.apply([chunk(event("x", time, user="w"))]).dirty == set()
            assert matcher.stats()["keys"] == 1
        (gone,) = matcher.apply([chunk(event("x", 65_000, user="w"))]).dirty
        assert gone.key == "u"
        assert matcher.stats()["keys"] == 0

    def test_what_was_loaded_goes_too(self) -> None:
        matcher, again = matcher_of(failures_then_success()), matcher_of(failures_then_success())
        (key,) = matcher.apply([chunk(event("failed", 1_000, user="u"))]).dirty
        again.apply([])
        state = matcher.dump(key)
        assert state is not None
        assert again.load(key, state, matcher.state_version(key))
        again.apply([chunk(event("x", 2_000))])
        assert again.stats()["keys"] == 1
        assert again.apply([], 70_000).dirty == {key}
        assert again.stats()["keys"] == 0

    def test_an_event_that_is_a_match_by_itself_leaves_no_state(self) -> None:
        matcher = matcher_of(pattern(StepPlan("x", predicate=of_type("x")), within_ms=1_000))
        applied = matcher.apply([chunk(event("x", 5, user="u"), event("x", 5, user="u"))])
        assert [(m.start_ms, m.end_ms, m.timed) for m in applied.outputs.found] == [
            (5, 5, False)
        ] * 2
        assert applied.dirty == set()
        assert (matcher.stats()["keys"], matcher.stats()["matches"]) == (0, 2)
