"""The worked examples of the windows, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.analytics.queries import COUNT, SUM, briefly, event_of, plan_of, run

from summit.analytics.runner import QueryRunner

TUMBLING = {"type": "tumbling", "size": 10}
HOPPING = {"type": "hopping", "size": 10, "slide": 5}


def rows(*pairs: tuple[int, Any]) -> list[tuple[int, Any, Any]]:
    return [(at, "a", value) for at, value in pairs]


def told(window: dict[str, Any], *pairs: tuple[int, Any], delay: int = 0, end: bool = True,
         **more: Any) -> list[tuple[Any, ...]]:  # fmt: skip
    runner = QueryRunner(plan_of(window, **more), delay_ms=delay)
    return briefly(run(runner, rows(*pairs), end=end), "n", "sum")


def test_tumbling_windows_are_half_open() -> None:
    # [0 ........ 10)[10 ....... 20)[20
    #   1        9     10             20
    found = told(TUMBLING, (1, 1), (9, 2), (10, 3), (20, 0), end=False)
    assert found == [(0, 10, 2, 3), (10, 20, 1, 3)]


def test_times_before_1970_fall_into_their_windows() -> None:
    assert told(TUMBLING, (-1, 5)) == [(-10, 0, 1, 5)]


def test_an_offset_moves_the_windows() -> None:
    assert told({**TUMBLING, "offset": 3}, (2, 1), (3, 2)) == [(-7, 3, 1, 1), (3, 13, 1, 2)]


@pytest.mark.parametrize(
    ("at", "starts"), [(12, [5, 10]), (10, [5, 10]), (-1, [-10, -5]), (4, [-5, 0])]
)
def test_a_time_is_in_each_window_that_holds_it(at: int, starts: list[int]) -> None:
    assert told(HOPPING, (at, 1)) == [(start, start + 10, 1, 1) for start in starts]


def test_hops_wider_than_the_window_leave_gaps() -> None:
    runner = QueryRunner(plan_of({"type": "hopping", "size": 5, "slide": 10}))
    found = run(runner, rows((7, 1), (12, 1)))
    assert briefly(found) == [(10, 15, 1)]
    assert (runner.stats()["unassigned"], runner.stats()["taken"]) == (1, 1)


def test_a_trailing_window_has_its_end_and_not_its_start() -> None:
    # (t - 10, t]: at 10 the event at 0 is exactly 10 old, and out.
    found = told({"type": "sliding", "size": 10}, (0, 1), (5, 2), (10, 4), (11, 8))
    assert [row[3] for row in found] == [1, 3, 6, 14]
    assert found[0][:2] == (-9, 1)


def test_events_of_one_moment_make_one_result() -> None:
    found = told({"type": "sliding", "size": 10}, (0, 1), (0, 2), (3, 4))
    assert found == [(-9, 1, 2, 3), (-6, 4, 3, 7)]


def test_sessions_end_a_gap_after_their_last_event() -> None:
    session = {"type": "session", "gap": 5}
    assert told(session, (10, 1), (12, 1), (20, 1)) == [(10, 17, 2, 2), (20, 25, 1, 1)]
    assert told(session, (10, 1), (12, 1), (20, 1), (16, 1), delay=3) == [(10, 25, 4, 4)]
    assert told(session, (0, 1), (5, 1)) == [(0, 10, 2, 2)]  # exactly the gap still joins
    assert told(session, (0, 1), (6, 1)) == [(0, 5, 1, 1), (6, 11, 1, 1)]


def test_a_session_that_does_not_end_is_cut() -> None:
    beats = [(at, 1) for at in range(0, 20, 2)]
    found = told({"type": "session", "gap": 5, "size": 10}, *beats)
    assert found == [(0, 13, 5, 5), (10, 23, 5, 5)]


def test_a_delay_holds_windows_open_and_late_events_are_counted() -> None:
    # F after each event: -1, 9, 9, 10 (closes [0, 10)), then 3 is late.
    events = rows((1, 1), (11, 1), (9, 1), (12, 1), (3, 1))
    runner = QueryRunner(plan_of(TUMBLING), delay_ms=2)
    assert briefly(run(runner, events, end=False)) == [(0, 10, 2)]
    assert runner.stats()["late"] == 1


def test_within_the_allowed_lateness_a_window_is_told_anew() -> None:
    runner = QueryRunner(plan_of(TUMBLING, allowedLateness=5), delay_ms=2)
    found = run(runner, rows((1, 1), (11, 1), (9, 1), (12, 1), (3, 1)), end=False)
    assert [(one.start_ms, one.count, one.revision) for one in found] == [(0, 2, 0), (0, 3, 1)]
    assert runner.stats()["late"] == 0
    more = run(runner, rows((17, 1), (4, 1)), end=False)  # F = 15: freed
    assert more == []
    assert runner.stats()["late"] == 1


def test_a_late_event_of_a_hop_still_counts_where_it_is_in_time() -> None:
    runner = QueryRunner(plan_of(HOPPING))
    found = run(runner, rows((4, 1), (12, 1), (7, 1)))
    assert briefly(found, "n") == [(-5, 5, 1), (0, 10, 1), (5, 15, 2), (10, 20, 1)]
    stats = runner.stats()
    assert (stats["partly_late"], stats["late"]) == (1, 0)


def test_a_rate_is_by_the_length_of_the_window() -> None:
    window = {"type": "tumbling", "size": 10_000}
    rate = {"name": "r", "function": "rate"}
    by_minute = {"name": "m", "function": "rate", "per": "1m"}
    runner = QueryRunner(plan_of(window, rate, by_minute))
    assert briefly(run(runner, rows((0, 1))), "r", "m") == [(0, 10_000, 0.1, 6.0)]


def test_count_windows_go_by_arrival_and_what_is_left_is_partial() -> None:
    runner = QueryRunner(plan_of({"type": "count", "count": 3}))
    found = run(runner, rows(*((at, at) for at in range(7))))
    assert [(one.count, one.metrics["sum"], one.partial) for one in found] == [
        (3, 3, False), (3, 12, False), (1, 6, True),
    ]  # fmt: skip
    assert [(one.start_ms, one.end_ms) for one in found] == [(0, 3), (3, 6), (6, 7)]


def test_a_silent_group_is_told_and_forgotten() -> None:
    plan = plan_of({"type": "count", "count": 3}, limits={"idle": 100})
    runner = QueryRunner(plan)
    assert run(runner, rows((0, 1), (50, 1)), end=False) == []
    assert runner.advance(149) == []
    (found,) = runner.advance(150)
    assert (found.count, found.partial) == (2, True)
    assert (runner.stats()["groups"], runner.stats()["expired"]) == (0, 1)


def test_a_global_window_is_told_every_so_often_and_keeps_all() -> None:
    found = told({"type": "global", "every": 10}, (0, 1), (3, 1), (12, 1), (30, 1), end=False)
    assert found == [(0, 10, 2, 2), (0, 20, 3, 3)]
    found = told({"type": "global", "everyCount": 2}, (0, 1), (3, 1), (4, 1), (5, 1), end=False)
    assert found == [(0, 4, 2, 2), (0, 6, 4, 4)]


def test_groups_keep_their_types_and_what_is_missing_is_one_of_them() -> None:
    from summit.keyed.keys import key_values

    runner = QueryRunner(plan_of(TUMBLING, COUNT))
    keys = [1, 1.0, True, "1", None, "true", 2.5]
    found = run(runner, [(0, key, 0) for key in keys])
    counts = {key_values(one.key)[0].__repr__(): one.count for one in found}
    assert counts == {"1": 2, "True": 1, "'1'": 1, "None": 1, "'true'": 1, "2.5": 1}


def test_groups_beyond_the_limit_are_told_before_they_go() -> None:
    runner = QueryRunner(plan_of(TUMBLING, COUNT, limits={"groups": 3}))
    found = run(runner, [(0, f"k{n}", 0) for n in range(5)], end=False)
    assert [(one.key, one.partial) for one in found] == [("k0", True), ("k1", True)]
    assert (runner.stats()["groups"], runner.stats()["evicted"]) == (3, 2)


def test_bad_events_are_reported_with_their_place() -> None:
    runner = QueryRunner(plan_of(TUMBLING))
    values = [event_of((1, "a", 1)), b"{", b"[1]", b'{"timestamp": "noon"}', event_of((2, "a", 1))]
    runner.take(values, [5] * len(values))
    assert [(one.offset, one.code) for one in runner.rejected] == [
        (1, "event.not_json"), (2, "event.not_object"), (3, "event.bad_time"),
    ]  # fmt: skip
    assert [one.metrics["n"] for one in runner.finish()] == [2]


def test_an_event_far_ahead_of_its_record_does_not_close_everything() -> None:
    runner = QueryRunner(plan_of(TUMBLING))
    values = [event_of((5, "a", 1)), event_of((9 * 10**12, "a", 1)), event_of((6, "a", 1))]
    assert runner.take(values, [7, 7, 7]) == []
    assert runner.stats()["ahead"] == 1
    (found,) = runner.finish()
    assert found.count == 3  # it counts at its record's time


def test_filters_stand_behind_the_clock() -> None:
    filters = [{"field": "v", "operator": "gt", "value": 0}]
    runner = QueryRunner(plan_of(TUMBLING, SUM, filters=filters))
    assert briefly(run(runner, rows((1, 5), (2, -5), (20, -1)), end=False)) == [(0, 10, 5)]


def test_early_results_do_not_change_the_final_ones() -> None:
    runner = QueryRunner(plan_of(TUMBLING))
    assert runner.early() == []  # from now on
    run(runner, rows((1, 1), (2, 2)), end=False)
    (early,) = runner.early()
    assert (early.final, early.count, early.metrics["sum"]) == (False, 2, 3)
    assert runner.early() == []  # nothing new
    assert briefly(run(runner, rows((3, 4)))) == [(0, 10, 7)]
