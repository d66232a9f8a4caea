"""The correlator: limits of groups to the millisecond, keys, bounds, rules that change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cep.correlations import (
    Sent,
    chunks,
    correlated,
    correlator_of,
    open_groups,
    rule,
    told,
)
from tests.cep.plans import event

from summit.base.errors import Corrupt
from summit.base.limits import EVENT_AHEAD_MS_MAX
from summit.cep.correlation_lane import CorrelationLane
from summit.cep.group_state import GROUP_STATE_VERSION
from summit.keyed.chunks import Chunk
from summit.keyed.keys import key_text


def at(time: int, kind: str = "a", k: Any = "x", partition: int = 0, **fields: Any) -> Sent:
    return partition, time, kind, {"k": k, **fields}


def outcomes(*sent: Sent, until: int | None = None, **fields: Any) -> list[tuple[Any, ...]]:
    """Offsets and close reason of what is told."""
    found, _ = correlated(rule(**fields), *sent, until=until)
    return [(offsets, reason) for _, offsets, _, _, _, reason in found]


# ---- when a group is over ----


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (109, [([0, 1], None), ([0, 1], "window")]),
        (110, []),  # exactly the window after the first event: another group
    ],
)
def test_a_window_is_half_open(second: int, expected: list[Any]) -> None:
    assert outcomes(at(100), at(second), minEvents=2, until=1_000) == expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (105, [([0, 1], None), ([0, 1], "gap")]),  # exactly the gap: it still joins
        (106, []),
    ],
)
def test_a_session_goes_on_up_to_its_gap(second: int, expected: list[Any]) -> None:
    sent = (at(100), at(second))
    assert outcomes(*sent, window="session", gap=5, minEvents=2, until=1_000) == expected


def test_every_event_prolongs_a_session_and_its_time_window_ends_it() -> None:
    sent = [at(time) for time in (0, 4, 8, 12, 16)]
    whole = outcomes(*sent, window="session", gap=5, minEvents=5, until=100)
    assert whole == [([0, 1, 2, 3, 4], None), ([0, 1, 2, 3, 4], "gap")]
    cut = outcomes(*sent, window="session", gap=5, timeWindow=10, minEvents=2, until=100)
    assert cut == [([0, 1], None), ([0, 1, 2], "window"), ([3, 4], None), ([3, 4], "window")]


@pytest.mark.parametrize(("frontier", "closed"), [(109, 0), (110, 1)])
def test_time_alone_closes_a_window(frontier: int, closed: int) -> None:
    correlator = correlator_of([rule(minEvents=1)])
    correlator.apply(chunks([at(100)]))
    assert correlator.next_timer_ms == 110
    assert len(correlator.apply([], frontier).outputs.found) == closed


@pytest.mark.parametrize(("frontier", "closed"), [(105, 0), (106, 1)])
def test_time_alone_closes_a_session_after_the_events_of_that_instant(
    frontier: int, closed: int
) -> None:
    correlator = correlator_of([rule(window="session", gap=5)])
    correlator.apply(chunks([at(98), at(100)]))
    assert correlator.next_timer_ms == 106
    assert len(correlator.apply([], frontier).outputs.found) == closed


def test_the_event_of_another_key_closes_what_is_over_before_it_is_taken() -> None:
    found = outcomes(at(0), at(1, k="y"), at(10, k="z"), minEvents=1)
    assert found == [([0], None), ([1], None), ([0], "window"), ([2], None)]


# ---- how many events ----


def test_a_full_group_is_closed_and_the_next_event_opens_another() -> None:
    found = outcomes(*(at(n) for n in range(5)), minEvents=2, maxEvents=2, until=100)
    assert found == [([0, 1], "max"), ([2, 3], "max")]  # the last one is alone: no group


def test_a_capped_group_counts_on_and_keeps_its_first_events() -> None:
    found, counts = correlated(
        rule(maxEvents=2, minEvents=4, onMax="cap"), *(at(n) for n in range(5)), until=100
    )
    assert found == [(("x",), [0, 1], 4, 0, 3, None), (("x",), [0, 1], 5, 0, 4, "window")]
    assert counts["beyond_max"] == 3


def test_required_types_hold_a_group_back() -> None:
    fields = {"minEvents": 2, "requireTypes": ["in", "out"], "until": 100}
    assert outcomes(at(0, "in"), at(1, "in"), **fields) == []
    found = outcomes(at(0, "in"), at(1, "in"), at(2, "out"), **fields)
    assert found == [([0, 1, 2], None), ([0, 1, 2], "window")]


# ---- keys ----


@pytest.mark.parametrize("k", [None, ["x"], {"x": 1}])
def test_an_event_without_the_key_is_skipped_and_counted(k: Any) -> None:
    found, counts = correlated(rule(minEvents=1), at(0, k=k), (0, 1, "a", {}), until=100)
    assert (found, counts["without_key"], counts["taken"]) == ([], 2, 0)


def test_keys_keep_their_types() -> None:
    found, _ = correlated(rule(), *(at(0, k=k) for k in (1, 1.0, "1", True)))
    assert [key for key, *_ in found] == [(1,), ("1",), (True,)]


def test_a_path_by_event_type_and_fields_of_containers() -> None:
    plan = rule(
        correlationKey=None, minEvents=3, eventTypes=["login", "action", "logout"],
        correlationKeys=[{"login": "user.id", "action": "actor", "*": "who"}],
    )  # fmt: skip
    found, counts = correlated(
        plan,
        (0, 0, "login", {"user": {"id": "eve"}}),
        (0, 1, "action", {"metadata": {"actor": "eve"}, "who": "bob"}),
        (0, 2, "logout", {"who": "eve"}),
        (0, 3, "other", {"who": "eve"}),
        (0, 4, "action", {"who": "eve"}),
    )
    assert found == [(("eve",), [0, 1, 2], 3, 0, 2, None)]
    assert counts["without_key"] == 1


def test_a_key_of_the_record() -> None:
    correlator = correlator_of([rule(correlationKey=None, correlationKeys=["key", "headers.h"])])
    value, headers = event("a", 0), [("h", b"v")]
    done = correlator.apply([Chunk("t", 0, [0], [0], [value], [headers], [b"from"])])
    assert told(done.outputs.found) == [(("from", "v"), [0], 1, 0, 0, None)]


def test_what_is_no_event_is_rejected_with_its_place() -> None:
    correlator = correlator_of([rule()])
    values = [None, b"{", b"[1]", event("a", "noon", k="x"), event("a", 5, k="x")]
    done = correlator.apply([Chunk("t", 3, range(7, 12), [0] * 5, values)])
    assert [(r.partition, r.offset, r.code) for r in done.outputs.rejected] == [
        (3, 7, "event.empty"), (3, 8, "event.not_json"), (3, 9, "event.not_object"),
        (3, 10, "event.bad_time"),
    ]  # fmt: skip
    assert correlator.stats()["rejected"] == 4
    assert told(done.outputs.found) == [(("x",), [11], 1, 5, 5, None)]


# ---- time ----


def test_an_event_out_of_order_is_taken_at_what_its_partition_has_reached() -> None:
    correlator = correlator_of([rule(minEvents=2)])
    done = correlator.apply(chunks([at(100), at(115, k="y"), at(95), at(116)]))
    # The first is over at 110; the third is taken at 115, with the last.
    assert told(done.outputs.found) == [(("x",), [2, 3], 2, 115, 116, None)]
    assert [e.timestamp_ms for e in done.outputs.found[0].events] == [95, 116]
    assert correlator.stats()["clamped"] == 1


def test_a_partition_behind_joins_the_group_and_moves_no_limit() -> None:
    correlator = correlator_of([rule(minEvents=3)])
    correlator.open_input("t", 1)
    done = correlator.apply(
        chunks([at(100), at(95, partition=1), at(109), at(120), at(109, partition=1)])
    )
    assert told(done.outputs.found) == [(("x",), [0, 1, 2], 3, 100, 109, None)]
    assert [e.taken_ms for e in done.outputs.found[0].events] == [100, 100, 109]
    assert done.outputs.found[0].events[1].timestamp_ms == 95
    done = correlator.apply(chunks([at(110, partition=1)], first=5))
    # What came at 109 belonged to the first group, though another had been opened at 120.
    assert told(done.outputs.found) == [(("x",), [0, 1, 2, 4], 4, 100, 109, "window")]


@pytest.mark.parametrize(("behind", "groups"), [(95, 1), (94, 2)])
def test_a_session_is_joined_from_exactly_its_gap_before_it(behind: int, groups: int) -> None:
    correlator = correlator_of([rule(window="session", gap=5)])
    correlator.apply(chunks([at(100), at(behind, partition=1)]))
    assert correlator.stats()["opened"] == groups


def test_a_partition_far_behind_opens_a_group_of_its_own() -> None:
    correlator = correlator_of([rule(minEvents=2)])
    correlator.open_input("t", 1)
    done = correlator.apply(chunks([at(100), at(90, partition=1), at(91, partition=1)]))
    assert told(done.outputs.found) == [(("x",), [1, 2], 2, 90, 91, None)]


def test_a_partition_that_says_nothing_holds_groups_open_until_it_rests_or_goes() -> None:
    for let_go in (
        lambda c: c.rest("t", 1, 0, idle=True),
        lambda c: c.rest("t", 1, 1_000, idle=False),
        lambda c: c.forget_input("t", 1),
    ):
        correlator = correlator_of([rule(minEvents=2)])
        correlator.apply(chunks([at(100), at(101), at(50, k="y", partition=1)]))
        assert told(correlator.apply(chunks([at(200, k="y")], first=3)).outputs.found) == []
        let_go(correlator)
        closed = told(correlator.apply([]).outputs.found)
        assert closed == [(("x",), [0, 1], 2, 100, 101, "window")]


def test_an_event_far_past_its_record_gets_the_records_time() -> None:
    correlator = correlator_of([rule(minEvents=1)])
    far = event("a", 1_000 + EVENT_AHEAD_MS_MAX + 1, k="x")
    done = correlator.apply([Chunk("t", 0, [0], [1_000], [far])])
    assert told(done.outputs.found) == [(("x",), [0], 1, 1_000, 1_000, None)]
    assert correlator.stats()["ahead"] == 1


def test_rules_see_their_topics_and_none_of_the_systems() -> None:
    correlator = correlator_of(
        [rule(id="all", maxEvents=1), rule(id="logs", maxEvents=1, topics=["log-*"])]
    )
    value = event("a", 0, k="x")
    parts = [Chunk(topic, 0, [0], [0], [value]) for topic in ("log-1", "t", "_x", "alerts")]
    done = correlator.apply(parts)
    assert [(c.rule_id, c.events[0].topic) for c in done.outputs.found] == [
        ("all", "log-1"), ("logs", "log-1"), ("all", "t"),
    ]  # fmt: skip
    assert correlator.stats()["unseen"] == 2


# ---- bounds ----


def test_beyond_its_limit_the_group_that_would_close_next_is_evicted_and_told() -> None:
    found, counts = correlated(
        rule(limits={"groups": 2}, minEvents=2),
        at(0, k="a"), at(1, k="b"), at(2, k="b"), at(3, k="c"), at(4, k="d"),
    )  # fmt: skip
    assert [(key, reason) for key, *_, reason in found] == [(("b",), None), (("b",), "evicted")]
    assert (counts["evicted"], counts["live_runs"], counts["incomplete"]) == (2, 2, 1)


def test_events_are_bounded_over_all_groups() -> None:
    correlator = correlator_of([rule(limits={"events": 10}, timeWindow="1h")])
    correlator.apply(chunks([at(n, k=f"{n % 7}") for n in range(500)]))
    (lane,) = correlator.lanes
    assert isinstance(lane, CorrelationLane)
    assert lane.events <= 10
    counts = lane.counts()
    assert counts["evicted"] > 0
    assert counts["taken"] == 500


def test_a_key_that_fills_group_after_group_leaves_nothing_behind() -> None:
    correlator = correlator_of([rule(maxEvents=1, timeWindow="1h")])
    correlator.apply(chunks([at(n) for n in range(3_000)]))
    (lane,) = correlator.lanes
    assert isinstance(lane, CorrelationLane)
    assert lane._timers.places <= 1_001
    assert correlator.state_keys() == []


def test_of_a_long_event_only_its_name_is_kept() -> None:
    correlator = correlator_of([rule()], event_bytes_max=100)
    sent = [at(0, eventId="e1", filler="." * 200), at(1, eventId="e2")]
    correlator.apply(chunks(sent))
    (name,) = correlator.state_keys()
    long, short = open_groups(correlator, name)[0].events
    assert (long.value, short.projection) == (None, None)
    assert long.projection is not None
    kept = {name: value for name, value in json.loads(long.projection).items() if value is not None}
    assert kept == {"eventId": "e1", "eventType": "a", "timestamp": 0, "k": "x"}


# ---- rules that change, saved state ----


def test_groups_stay_with_a_rule_that_means_the_same() -> None:
    correlator = correlator_of([rule(minEvents=2, name="before", eventTypes=["a", "b"])])
    correlator.apply(chunks([at(0)]))
    after = rule(minEvents=2, name="after", eventTypes=["b", "a"], timeWindow="10ms")
    assert correlator.replace_rules(correlator_of([after]).rules) == set()
    assert len(correlator.apply(chunks([at(1)], first=1)).outputs.found) == 1
    (gone,) = correlator.replace_rules(correlator_of([rule(minEvents=2, timeWindow=11)]).rules)
    assert key_text(gone.key) == '["x"]'
    assert correlator.dump(gone) is None
    assert correlator.stats()["dropped"] == 1


def test_counters_outlive_a_change_of_rules() -> None:
    correlator = correlator_of([rule()])
    correlator.apply(chunks([at(0, k=None)]))
    for plan in (rule(name="same, with no group open"), rule(timeWindow=11)):
        correlator.replace_rules(correlator_of([plan]).rules)
        assert correlator.stats()["without_key"] == 1


def test_what_is_forgotten_is_counted() -> None:
    correlator = correlator_of([rule(minEvents=1)])
    correlator.apply(chunks([at(0)]))
    (name,) = correlator.state_keys()
    correlator.forget(name)
    done = correlator.apply([], 1_000)
    assert (done.outputs.found, done.dirty, correlator.next_timer_ms) == ([], {name}, None)
    assert correlator.stats()["dropped"] == 1


def test_saved_groups_remember_the_types_and_events_they_have() -> None:
    plan = rule(minEvents=3, maxEvents=2, onMax="cap", requireTypes=["in", "out"])
    before, after = correlator_of([plan]), correlator_of([plan])
    value = event("in", 5, k="x", text="é")
    before.apply([Chunk("t", 2, [7, 8], [0, 0], [value, value], [[("summit.src", b"s:1")], None])])
    (name,) = before.state_keys()
    state = before.dump(name)
    assert state is not None
    assert after.load(name, state, GROUP_STATE_VERSION)
    assert after.dump(name) == state
    (found,) = after.apply([Chunk("t", 2, [9], [0], [event("out", 6, k="x")])]).outputs.found
    assert (found.count, found.start_ms, found.end_ms) == (3, 5, 6)
    assert [(e.topic, e.partition, e.offset, e.src, e.value) for e in found.events] == [
        ("t", 2, 7, "s:1", value), ("t", 2, 8, None, value),
    ]  # fmt: skip


def test_state_that_is_none_of_ours_is_refused() -> None:
    correlator = correlator_of([rule()])
    correlator.apply(chunks([at(0)]))
    (name,) = correlator.state_keys()
    state = correlator.dump(name)
    assert state is not None
    for data, version in ((state, GROUP_STATE_VERSION + 1), (state[:-1], 1), (b"\xc0", 1)):
        with pytest.raises(Corrupt, match="cannot be read"):
            correlator.load(name, data, version)
    assert correlator.dump(name) == state
    assert not correlator_of([]).load(name, state, GROUP_STATE_VERSION)
