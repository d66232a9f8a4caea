"""The matcher from JSON bytes to matches: content, time, streams, bad events."""

from __future__ import annotations

import pytest
from tests.cep.plans import (
    STAMP_MS,
    chunk,
    codes,
    equals,
    event,
    failures_then_success,
    matcher_of,
    of_type,
    offsets,
    pattern,
    run,
)

from summit.base.errors import Invalid
from summit.base.limits import CAPTURED_BYTES_MAX, EVENT_AHEAD_MS_MAX
from summit.cep.rules import compile_rules
from summit.documents.plan import StepPlan
from summit.events.expressions.ir import And, Compare, Field, StartsWith, StepField
from summit.events.expressions.ir import Literal as Constant
from summit.keyed.chunks import chunk_records
from summit.keyed.processor import Processor

FAILED, SUCCESS = StepPlan("a", predicate=of_type("a")), StepPlan("b", predicate=of_type("b"))


def a_then_b(**more: object) -> Processor:
    return matcher_of(pattern(FAILED, SUCCESS, **more))


class TestMatch:
    def test_tells_where_every_event_is(self) -> None:
        matcher = matcher_of(failures_then_success())
        values = [event("failed", 1_000 + n, user="eve") for n in range(3)]
        headers = [[("summit.src", b"file:x:%d:0" % n)] for n in range(3)] + [None]
        values.append(event("success", 2_000, user="eve"))
        found = run(matcher, *values, headers=headers, first=70, partition=2, topic="auth")
        assert len(found) == 1
        match = found[0]
        assert (match.pattern_id, match.key) == ("p", ("eve",))
        assert (match.start_ms, match.end_ms, match.timed) == (1_000, 2_000, False)
        assert [step for step, _ in match.captures] == ["failed"] * 3 + ["success"]
        refs = [ref for _, ref in match.captures]
        assert [(r.topic, r.partition, r.offset) for r in refs] == [
            ("auth", 2, n) for n in range(70, 74)
        ]
        assert [ref.src for ref in refs] == ["file:x:0:0", "file:x:1:0", "file:x:2:0", None]
        assert [ref.value for ref in refs] == values
        assert [ref.timestamp_ms for ref in refs] == [1_000, 1_001, 1_002, 2_000]

    def test_past_last_is_the_default_and_the_longest_comes_first(self) -> None:
        matcher = matcher_of(failures_then_success())
        values = [event("failed", n, user="eve") for n in range(5)] + [
            event("success", 9, user="eve")
        ]
        assert offsets(run(matcher, *values)) == [[0, 1, 2, 3, 4, 5]]
        assert matcher.live_runs == 0

    def test_a_loop_at_the_end_matches_at_its_minimum(self) -> None:
        step = StepPlan("failed", predicate=of_type("failed"), times_min=5, times_max=None)
        matcher = matcher_of(pattern(step, within_ms=60_000))
        found = run(matcher, *[event("failed", n, user="eve") for n in range(12)])
        assert offsets(found) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]

    def test_one_step_matches_every_event(self) -> None:
        matcher = matcher_of(pattern(FAILED))
        assert offsets(run(matcher, *[event("a", 1, user="u")] * 3)) == [[0], [1], [2]]

    @pytest.mark.parametrize(("gap_ms", "count"), [(59_999, 1), (60_000, 0), (60_001, 0)])
    def test_within_is_half_open(self, gap_ms: int, count: int) -> None:
        matcher = a_then_b(within_ms=60_000)
        found = run(matcher, event("a", 1_000, user="u"), event("b", 1_000 + gap_ms, user="u"))
        assert len(found) == count

    def test_equal_times_count_in_order_of_arrival(self) -> None:
        a, b = event("a", 5, user="u"), event("b", 5, user="u")
        assert len(run(a_then_b(), a, b)) == 1
        assert len(run(a_then_b(), b, a)) == 0

    def test_an_event_too_large_to_copy_leaves_what_rules_read(self) -> None:
        matcher = a_then_b()
        large = event("a", 5, user="u", text="x" * CAPTURED_BYTES_MAX)
        (match,) = run(matcher, large, event("b", 6, user="u"))
        ref = match.captures[0][1]
        assert ref.value is None
        assert ref.projection is not None
        assert matcher.rules.decode(ref.projection) is not None
        assert len(ref.projection) < 300

    def test_steps_can_look_at_what_the_run_has_taken(self) -> None:
        same = Compare("==", Field(("ip",)), StepField("a", "last", ("ip",)))
        second = StepPlan("b", predicate=And((of_type("b"), same)))
        matcher = matcher_of(pattern(FAILED, second))
        values = [
            event("a", 1, user="u", ip="1.1.1.1"),
            event("b", 2, user="u", ip="2.2.2.2"),
            event("b", 3, user="u", data={"ip": "1.1.1.1"}),
        ]
        assert offsets(run(matcher, *values)) == [[0, 2]]

    def test_rules_that_read_the_record_around_the_event(self) -> None:
        step = StepPlan("a", predicate=And((of_type("a"), equals("headers.tenant", "north"))))
        matcher = matcher_of(pattern(step, group_by=(("key",),)))
        found = run(
            matcher,
            event("a", 1),
            event("a", 2),
            headers=[[("tenant", b"north")], [("tenant", b"south")]],
            keys=[b"k1", b"k2"],
        )
        assert [match.key for match in found] == [("k1",)]


class TestKeys:
    def test_keep_their_types(self) -> None:
        values = [event("a", 1, user=key) for key in (1, "1", True, 1.5)]
        values += [event("b", 2, user=key) for key in (1.0, "1", True, 1.5)]
        found = run(a_then_b(), *values)
        assert [match.key for match in found] == [(1,), ("1",), (True,), (1.5,)]
        assert [type(match.key[0]) for match in found] == [int, str, bool, float]

    @pytest.mark.parametrize("key", [None, [1], {"a": 1}])
    def test_what_is_no_key_is_rejected_and_counted(self, key: object) -> None:
        matcher = a_then_b()
        applied = matcher.apply([chunk(event("a", 1, user=key), event("a", 1), event("x", 1))])
        assert codes(applied) == [(0, "event.no_key"), (1, "event.no_key")]
        assert applied.outputs.rejected[0].rule == "p"
        assert matcher.stats()["without_key"] == 2
        assert matcher.stats()["keys"] == 0

    def test_of_several_fields(self) -> None:
        matcher = a_then_b(group_by=(("user",), ("net", "ip")))
        values = [
            event("a", 1, user="u=1", net={"ip": "x"}),
            event("b", 2, user="u", net={"ip": "=1x"}),
            event("b", 2, user="u=1", data={"net": {"ip": "x"}}),
        ]
        (match,) = run(matcher, *values)
        assert match.key == ("u=1", "x")

    def test_none_means_one_group(self) -> None:
        (match,) = run(a_then_b(group_by=()), event("a", 1, user="x"), event("b", 2, user="y"))
        assert match.key == ()


class TestTime:
    def test_its_own_in_both_forms_else_the_records(self) -> None:
        matcher = a_then_b()
        found = run(
            matcher,
            event("a", "1970-01-01T00:16:39.500Z", user="u"),
            event("b", user="u"),
            stamps=[0, STAMP_MS],
        )
        assert [ref.timestamp_ms for _, ref in found[0].captures] == [999_500, STAMP_MS]

    def test_an_older_event_is_taken_at_its_partitions_watermark(self) -> None:
        matcher = a_then_b(within_ms=100)
        (match,) = run(
            matcher, event("x", 1_000), event("a", 500, user="u"), event("b", 1_050, user="u")
        )
        first = match.captures[0][1]
        assert (first.timestamp_ms, first.taken_ms) == (500, 1_000)
        assert (match.start_ms, match.end_ms) == (1_000, 1_050)
        assert matcher.stats()["clamped"] == 1

    def test_each_partition_has_its_own_watermark(self) -> None:
        matcher = a_then_b()
        run(matcher, event("x", 9_000), partition=0)
        (match,) = run(
            matcher, event("a", 1_000, user="u"), event("b", 1_001, user="u"), partition=1
        )
        assert matcher.stats()["clamped"] == 0
        assert match.start_ms == 1_000
        assert matcher.watermarks() == {("t", 0): 9_000, ("t", 1): 1_001}

    def test_an_event_from_far_ahead_counts_as_of_its_record(self) -> None:
        matcher = a_then_b(within_ms=1_000)
        ahead = STAMP_MS + EVENT_AHEAD_MS_MAX
        found = run(
            matcher,
            event("a", ahead + 1, user="u"),
            event("b", STAMP_MS + 1, user="u"),
            event("x", ahead),
        )
        assert len(found) == 1
        assert matcher.stats()["ahead"] == 1
        assert matcher.watermarks() == {("t", 0): ahead}

    def test_watermarks_can_be_saved_and_set(self) -> None:
        first, second = a_then_b(), a_then_b()
        run(first, event("x", 5_000))
        second.set_watermarks(first.watermarks())
        assert run(second, event("a", 1, user="u")) == []
        (match,) = run(second, event("b", 2, user="u"))
        assert match.start_ms == 5_000


class TestStreams:
    def test_topics_by_name_glob_and_default(self) -> None:
        named = pattern(FAILED, pattern_id="named", topics=("auth.*", "vpn"))
        every = pattern(FAILED, pattern_id="every")
        matcher = matcher_of(named, every)
        seen = {
            topic: [m.pattern_id for m in run(matcher, event("a", 1, user="u"), topic=topic)]
            for topic in ("auth.ssh", "vpn", "web", "_summit.progress", "auth.x.dlq", "alerts")
        }
        assert seen == {
            "auth.ssh": ["every", "named"],
            "vpn": ["every", "named"],
            "web": ["every"],
            "_summit.progress": [],
            "auth.x.dlq": ["named"],
            "alerts": [],
        }

    def test_strictness_is_relative_to_the_rules_stream(self) -> None:
        next_b = StepPlan("b", relation="next", predicate=of_type("b"))
        values = [event("a", 1, user="u"), event("x", 2, user="u"), event("b", 3, user="u")]
        every = pattern(FAILED, next_b)
        assert run(matcher_of(every), *values) == []
        only_ab = pattern(FAILED, next_b, where=Compare("!=", Field(("eventType",)), Constant("x")))
        assert offsets(run(matcher_of(only_ab), *values)) == [[0, 2]]

    def test_another_keys_event_breaks_nothing(self) -> None:
        next_b = StepPlan("b", relation="next", predicate=of_type("b"))
        values = [event("a", 1, user="u"), event("x", 2, user="v"), event("b", 3, user="u")]
        assert offsets(run(matcher_of(pattern(FAILED, next_b)), *values)) == [[0, 2]]

    def test_where_applies_to_relaxed_rules_too(self) -> None:
        matcher = a_then_b(where=StartsWith(Field(("host",)), Constant("db-")))
        values = [event("a", 1, user="u", host="web-1"), event("a", 2, user="u", host="db-1")]
        values.append(event("b", 3, user="u", host="db-2"))
        assert offsets(run(matcher, *values)) == [[1, 2]]


class TestBadEvents:
    def test_are_reported_with_their_code_and_disturb_no_other(self) -> None:
        matcher = a_then_b()
        values = [
            event("a", 1, user="u"), b"{not json", b"[1, 2]", b"\xff\xfe", None, b"", b"{}",
            b'{"eventType": 5, "user": "u"}', b'{"eventType": ["a"], "user": "u"}',
            b'{"eventType": "a", "timestamp": "noon", "user": "u"}',
            b'{"eventType": "a", "timestamp": 1e300, "user": "u"}',
            b'{"eventType": "a", "timestamp": -99999999999999999, "user": "w"}',
            b'{"eventType": "a", "timestamp": 99999999999999999, "user": "w"}',
            b'{"eventType": "a", "metadata": 7, "user": "v"}', b"[" * 100_000,
            event("b", 2, user="u"),
        ]  # fmt: skip
        applied = matcher.apply([chunk(*values)])
        assert offsets(applied.outputs.found) == [[0, 15]]
        assert codes(applied) == [
            (1, "event.not_json"),
            (2, "event.not_object"),
            (3, "event.not_json"),
            (4, "event.empty"),
            (5, "event.empty"),
            (6, "event.no_type"),
            (7, "event.no_type"),
            (8, "event.no_type"),
            (9, "event.bad_time"),
            (10, "event.bad_time"),
            (11, "event.bad_time"),
            (12, "event.bad_time"),
            (14, "event.not_json"),
        ]
        assert matcher.stats()["rejected"] == 13

    def test_a_type_is_not_needed_where_no_rule_asks_for_one(self) -> None:
        matcher = matcher_of(pattern(StepPlan("a", predicate=equals("user", "root"))))
        applied = matcher.apply([chunk(b'{"user": "root"}', b'{"user": "eve"}')])
        assert offsets(applied.outputs.found) == [[0]]
        assert codes(applied) == [(1, "event.no_type")]

    def test_fields_of_any_kind_are_only_values(self) -> None:
        matcher = a_then_b()
        odd = (None, 7, 7.5, True, [1], {"x": 1}, "text")
        applied = matcher.apply(
            [chunk(*[event("x", 1, user=v, metadata=v, data=v, source=v) for v in odd])]
        )
        assert codes(applied) == []


class TestEventTime:
    def test_releases_in_order_of_time_then_place(self) -> None:
        matcher = matcher_of(pattern(FAILED), delay_ms=100)
        first = matcher.apply(
            [
                chunk(event("a", 1_050, user="p1"), event("a", 1_000, user="p1"), partition=1),
                chunk(event("a", 1_000, user="p0"), event("x", 1_200), partition=0),
            ]
        )
        # F = min(1050, 1200) - 100 = 950: nothing has passed yet.
        assert first.outputs.found == []
        assert matcher.next_timer_ms == 1_001
        second = matcher.apply([chunk(event("x", 1_160), partition=1, first=2)])
        found = [(m.key[0], m.captures[0][1].offset) for m in second.outputs.found]
        assert found == [("p0", 0), ("p1", 1), ("p1", 0)]

    def test_late_is_older_than_the_watermark_of_its_own_partition(self) -> None:
        matcher = matcher_of(pattern(FAILED), delay_ms=100)
        applied = matcher.apply(
            [chunk(event("x", 1_000), event("a", 900, user="u"), event("a", 899, user="u"))]
        )
        assert [
            (late.offset, late.timestamp_ms, late.watermark_ms) for late in applied.outputs.late
        ] == [(2, 899, 900)]
        assert matcher.stats()["late"] == 1
        assert offsets(matcher.apply([], 2_000).outputs.found) == [[1]]


def test_records_become_chunks_of_one_partition() -> None:
    class R:
        def __init__(self, topic: str, partition: int, offset: int) -> None:
            self.topic, self.partition, self.offset = topic, partition, offset
            self.timestamp, self.key, self.value, self.headers = 5, b"k", b"v", []

    chunks = chunk_records([R("a", 0, 1), R("a", 0, 2), R("a", 1, 1), R("b", 1, 1), R("a", 0, 3)])
    assert [(c.topic, c.partition, list(c.offsets)) for c in chunks] == [
        ("a", 0, [1, 2]),
        ("a", 1, [1]),
        ("b", 1, [1]),
        ("a", 0, [3]),
    ]
    assert chunks[0].keys == [b"k", b"k"]
    assert chunk_records([]) == []


def test_two_patterns_with_one_id_are_refused() -> None:
    with pytest.raises(Invalid):
        compile_rules([pattern(FAILED), pattern(SUCCESS)])
