"""What comes of the whole pattern document through the engine: groups, order, release, severity."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.event_processing import CEPEngine, TemporalRelation

T0 = 1_700_000_000_000


def step(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "where": f'eventType == "{name}"', **fields}


def pattern(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "p", "groupBy": ["user"], "steps": list(steps), "within": "60s", **fields}


class Run:
    """An engine with one pattern, fed with texts such as `a@1 b@2`, seconds after `@`."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.engine = CEPEngine(clock=ManualClock(T0))
        self.told: list[tuple[str, Any]] = []
        for name in ("pattern:matched", "pattern:timeout", "alert:generated"):
            self.engine.on(name, lambda payload, name=name: self.told.append((name, payload)))
        self.engine.register_pattern(document)
        self.alerts: list[Any] = []

    def feed(self, text: str, end_s: float | None = None, **members: Any) -> list[str]:
        """What was matched, as names of events, a text per match."""
        before = len(self.told)

        async def go() -> None:
            for word in text.split():
                name, _, at = word.partition("@")
                event = {"eventType": name[0], "eventId": name, "user": "u", **members}
                event["timestamp"] = T0 + int(float(at) * 1000)
                self.alerts += await self.engine.process_event(event)
            if end_s is not None:
                self.alerts += await self.engine.advance_time(T0 + int(end_s * 1000))

        asyncio.run(go())
        return [
            " ".join(event.event_id for event in payload.sequence.events)
            for name, payload in self.told[before:]
            if name == "pattern:matched"
        ]


def matched(document: dict[str, Any], text: str, end_s: float | None = None) -> list[str]:
    return Run(document).feed(text, end_s)


PAIRS = {"name": "pair", "steps": [step("a"), step("b")], "times": {"min": 2}}


def test_a_group_repeats_as_one() -> None:
    document = pattern(step("s"), PAIRS, step("c"))
    assert matched(document, "s1@0 a1@1 b1@2 a2@3 b2@4 c1@5") == ["s1 a1 b1 a2 b2 c1"]
    assert matched(document, "s1@0 a1@1 b1@2 a2@3 c1@5") == []
    strict = {**PAIRS, "contiguity": "strict"}
    assert matched(pattern(step("s"), strict, step("c")), "s1@0 a1@1 b1@2 x@3 a2@4 b2@5 c1@6") == []


@pytest.mark.parametrize(
    ("emit", "expected"),
    [
        ("all", ["a1 b1", "a1 b1 b2", "a1 b1 b2 b3"]),
        ("first", ["a1 b1"]),
        ("longest", ["a1 b1 b2 b3"]),
    ],
)
def test_emit(emit: str, expected: list[str]) -> None:
    document = pattern(step("a"), step("b", times={"min": 1}), emit=emit, afterMatch="noSkip")
    assert matched(document, "a1@0 b1@1 b2@2 b3@3 b4@61", 70) == expected


def test_the_longest_comes_when_its_time_is_over_without_a_further_event() -> None:
    run = Run(pattern(step("a", times={"min": 2}), emit="longest"))
    assert run.feed("a1@0 a2@1 a3@2", 59.999) == []
    assert run.feed("", 60) == ["a1 a2 a3"]
    (alert,) = run.alerts
    assert alert.count == 3
    assert alert.timestamp == T0 + 2_000, "when it came true, not when it was certain"
    assert run.engine.stats["live_runs"] == 0


@pytest.mark.parametrize(
    ("strict_order", "expected"), [(False, ["b2 c1", "a1 c2"]), (True, ["a1 c2", "b2 c1"])]
)
def test_strict_order(strict_order: bool, expected: list[str]) -> None:
    document = pattern(
        {"name": "s", "where": 'eventType == "a" || eventType == "b"'},
        {"name": "e", "where": 'eventType == "c" && (s.last.eventType == "b" || size == 2)'},
        afterMatch="toNext",
        strictOrder=strict_order,
    )
    run = Run(document)
    found = run.feed("a1@0 b2@1 c1@2")
    found += run.feed("c2@3", 100, size=2)
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1@0 x@1 a1@2 c1@3", ["b1 a1 c1"]),
        ("c1@0 b1@1 a1@2", ["c1 b1 a1"]),
        ("a1@0 a2@1 b1@2", []),
        ("a1@0 b1@30 c1@60", []),
        ("a1@0 b1@1 b2@2 c1@3 c2@4", ["a1 b1 c1"]),
    ],
)
def test_steps_in_any_order(text: str, expected: list[str]) -> None:
    assert matched(pattern(step("a"), step("b"), step("c"), matching="unordered"), text) == expected


def test_one_event_serves_one_step_of_steps_in_any_order() -> None:
    document = pattern(
        {"name": "one", "where": "v > 1"}, {"name": "two", "where": "v > 0"}, matching="unordered"
    )
    run = Run(document)
    assert run.feed("a1@0", v=5) == []
    assert run.feed("a2@1", v=1) == ["a1 a2"]


@pytest.mark.parametrize(("failures", "severity"), [(3, "medium"), (4, "high"), (6, "critical")])
@pytest.mark.parametrize("place", ["severity", "severityRules"])
def test_the_severity_goes_by_the_match(failures: int, severity: str, place: str) -> None:
    rules = {"critical": "count(a) > 5", "high": "count(a) > 3 && a.first.user == user"}
    config: dict[str, Any] = {"severity": "medium"}
    fields: dict[str, Any] = {"action": {"type": "alert", "config": config}}
    (fields if place == "severity" else config)[place] = rules
    run = Run(pattern(step("a", times={"min": 3}), step("b"), **fields))
    run.feed(" ".join(f"a{n}@{n}" for n in range(failures)) + " b1@20")
    assert [alert.severity for alert in run.alerts] == [severity]


def test_what_ran_out_of_time_is_a_result() -> None:
    config = {"title": "${user}: only ${count(a)}", "severity": "low"}
    document = pattern(
        step("a"), step("b"), step("c"), onTimeout={"action": {"type": "alert", "config": config}}
    )
    run = Run(document)
    assert run.feed("a1@0 b1@5", 59.999) == []
    assert run.alerts == []
    run.feed("", 60)
    (alert,) = run.alerts
    assert (alert.title, alert.severity, alert.count) == ("u: only 1", "low", 2)
    assert alert.timestamp == T0 + 60_000
    (name, payload), (last, _) = run.told
    assert (name, last) == ("pattern:timeout", "alert:generated")
    assert payload.sequence.matched is False
    assert [captured for captured, _ in payload.sequence.captures] == ["a", "b"]
    assert payload.sequence.id == alert.id
    assert run.engine.stats["timeouts"] == 1


def test_a_match_is_no_time_out_and_one_burst_is_one_time_out() -> None:
    action = {"action": {"type": "alert"}}
    run = Run(pattern(step("a", times={"min": 2}), step("b"), onTimeout=action))
    run.feed("a1@0 a2@1 a3@2 b1@3", 100)
    assert [name for name, _ in run.told] == ["pattern:matched", "alert:generated"]
    run = Run(pattern(step("a", times={"min": 2}), step("b"), onTimeout=action))
    run.feed("a1@0 a2@1 a3@2", 100)
    assert [alert.count for alert in run.alerts] == [3], "not one for each of its starts"
    run = Run(pattern(step("a", times={"min": 2}), onTimeout=action, afterMatch="noSkip"))
    run.feed("a1@0 a2@1", 100)
    told = [[e.event_id for e in p.sequence.events] for n, p in run.told if n == "pattern:timeout"]
    assert told == [["a2"]], "what has been a match is no time-out, though it could have gone on"


def test_a_match_and_a_time_out_of_the_same_events_are_two_alerts() -> None:
    action = {"action": {"type": "alert"}}
    first = Run(pattern(step("a"), step("b"), onTimeout=action))
    first.feed("a1@0", 100)
    (timeout,) = first.alerts
    second = Run(pattern(step("a"), step("n", relation="notFollowedBy")))
    second.feed("a1@0", 100)
    (absence,) = second.alerts
    assert timeout.id != absence.id
    again = Run(pattern(step("a"), step("b"), onTimeout=action))
    again.feed("a1@0", 100)
    assert again.alerts[0].id == timeout.id


def test_a_temporal_relation_of_the_engine_is_for_every_pattern_that_has_its_events() -> None:
    run = Run(pattern(step("a"), step("b"), afterMatch="noSkip"))
    assert run.feed("a1@0 b1@9") == ["a1 b1"]
    run.engine.define_temporal_relation(
        TemporalRelation(type="before", event1="a", event2="b", max_time_diff="5s")
    )
    assert run.feed("a2@10 b2@20 a3@21 b3@26") == ["a3 b3"]
    named = pattern({"name": "x", "where": 'eventType == "a"'}, step("b"), id="named")
    run.engine.register_pattern(named)
    assert run.feed("a4@30 b4@36", 100) == [], "also for patterns that come later, by event type"
    with pytest.raises(Invalid) as caught:
        run.engine.define_temporal_relation({"type": "beside", "event1": "a", "event2": "b"})
    assert caught.value.details["pointer"] == "/type"


def test_a_time_out_is_not_suppressed_by_a_match_nor_the_other_way_round() -> None:
    action = {"action": {"type": "alert"}}
    run = Run(pattern(step("a"), step("b"), onTimeout=action, suppress={"for": "1h"}))
    run.feed("a1@0 b1@1 a2@2", 70)
    run.feed("a3@80 b3@81")
    assert [alert.count for alert in run.alerts] == [2, 1]
    assert [name for name, _ in run.told] == [
        "pattern:matched", "alert:generated", "pattern:timeout", "alert:generated",
        "pattern:matched",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": [step("s"), PAIRS, step("c")]}, "waits for 'b'"),
        ({"steps": [step("a"), step("b"), step("c")], "matching": "unordered"}, "waits for 'c'"),
        (
            {
                "steps": [
                    step("a"),
                    {
                        "name": "b",
                        "where": [
                            {"field": "x", "operator": "ne", "ref": "previous.x"},
                            {"eventType": "b"},
                        ],
                    },
                ]
            },
            "'b'",
        ),
    ],
)
def test_every_pattern_may_be_tried_and_says_what_was_missing(
    fields: dict[str, Any], words: str
) -> None:
    events = [
        {"eventType": name, "timestamp": T0 + 1000 * n, "user": "u", "x": 1}
        for n, name in enumerate("saba")
    ]
    tried = CEPEngine(clock=ManualClock(T0)).test_pattern({**pattern(), **fields}, events)
    assert tried.matches == []
    texts = [miss.text for miss in tried.near_misses]
    assert any(words in text for text in texts), texts
    assert not any("came before" in text for text in texts), texts
