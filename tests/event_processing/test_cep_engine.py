"""`CEPEngine`: the guide's example, its listeners, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.client.types import ConsumerRecord
from summit.event_processing import (
    CEPEngine,
    EventAction,
    EventCondition,
    EventPattern,
    WindowConfig,
)

FAILED, SUCCESS = "auth.login.failed", "auth.login.success"
T0 = 1_700_000_000_000

GUIDE = EventPattern(
    id="suspicious-activity-pattern",
    name="Suspicious Activity Detection",
    description="Detects multiple failed login attempts followed by successful login",
    conditions=[
        EventCondition(field="eventType", operator="eq", value=name, event_type=name)
        for name in (FAILED, SUCCESS)
    ],
    window_config=WindowConfig(type="sliding", size=60_000),
    action=EventAction(type="alert", config={"severity": "high", "notify": ["security-team"]}),
)


def event(event_type: str, at_ms: int, **members: Any) -> dict[str, Any]:
    return {"eventType": event_type, "timestamp": T0 + at_ms, **members}


def process(pattern: Any, *events: Any) -> tuple[CEPEngine, list[Any], list[tuple[str, Any]]]:
    """The engine, the alerts it returned, and all it told."""

    async def go() -> tuple[CEPEngine, list[Any], list[tuple[str, Any]]]:
        engine = CEPEngine(clock=ManualClock(T0))
        told: list[tuple[str, Any]] = []
        for name in (
            "pattern:registered", "pattern:matched", "alert:generated", "event:processed",
            "event:rejected", "alert:suppressed",
        ):  # fmt: skip
            engine.on(name, lambda payload, name=name: told.append((name, payload)))
        engine.register_pattern(pattern)
        return engine, await engine.process_events(events), told

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("events", "alerts"),
    [
        ([(FAILED, 0), (SUCCESS, 59_999)], 1),
        ([(FAILED, 0), (SUCCESS, 60_000)], 0),
        ([(SUCCESS, 0), (FAILED, 1_000)], 0),
        ([(FAILED, 0), ("other", 1), (SUCCESS, 2)], 1),
        ([(FAILED, 0), (SUCCESS, 1), (SUCCESS, 2)], 1),
        ([(FAILED, 0), (SUCCESS, 1), (FAILED, 2), (SUCCESS, 3)], 2),
        ([(FAILED, 0), (SUCCESS, 0)], 1),
        ([], 0),
    ],
)
def test_the_guides_example(events: list[tuple[str, int]], alerts: int) -> None:
    _, found, _ = process(GUIDE, *(event(*e) for e in events))
    assert len(found) == alerts
    for alert in found:
        assert alert.severity == "high"
        assert alert.notify == ["security-team"]
        assert alert.title == "Pattern Match: Suspicious Activity Detection"


def test_what_is_told_and_in_which_order() -> None:
    _, (alert,), told = process(GUIDE, event(FAILED, 0, user="eve"), event(SUCCESS, 5))
    assert [name for name, _ in told] == [
        "pattern:registered", "event:processed", "pattern:matched", "alert:generated",
        "event:processed",
    ]  # fmt: skip
    _, _, matched, generated, processed = (payload for _, payload in told)
    assert matched.pattern is GUIDE
    sequence = matched["sequence"]
    assert [(step, e.event_type) for step, e in sequence.captures] == [
        ("step1", FAILED), ("step2", SUCCESS),
    ]  # fmt: skip
    assert sequence.events[0].get("user") == "eve"
    assert (sequence.start_time, sequence.end_time) == (T0, T0 + 5)
    assert (sequence.id, sequence.matched) == (alert.id, True)
    assert generated is alert
    assert processed.matched == 1


def test_patterns_of_any_form_and_events_of_any_form() -> None:
    camel = json.loads(json.dumps(GUIDE.to_dict()))
    snake = {**camel, "window_config": camel["windowConfig"]}
    del snake["windowConfig"]
    failed = json.dumps(event(FAILED, 0))
    forms = [failed, failed.encode(), ConsumerRecord("t", 0, 0, T0, None, failed.encode())]
    for pattern in (camel, snake):
        for form in forms:
            _, alerts, _ = process(pattern, form, event(SUCCESS, 1))
            assert len(alerts) == 1
    assert EventPattern.from_dict(snake).to_dict() == camel


def test_the_same_id_is_a_new_version_and_patterns_can_be_listed_and_removed() -> None:
    async def go() -> None:
        engine = CEPEngine(clock=ManualClock(T0))
        engine.register_pattern(GUIDE)
        await engine.process_event(event(FAILED, 0))
        loud = GUIDE.replace(action=EventAction(type="alert", config={"severity": "critical"}))
        engine.register_pattern(loud)
        (alert,) = await engine.process_event(event(SUCCESS, 1))
        assert alert.severity == "critical"
        assert engine.list_patterns() == [loud]
        assert engine.remove_pattern(GUIDE.id)
        assert not engine.remove_pattern(GUIDE.id)
        assert await engine.process_events([event(FAILED, 2), event(SUCCESS, 3)]) == []

    asyncio.run(go())


def test_without_a_key_all_entities_are_matched_together_and_it_says_so() -> None:
    engine = CEPEngine()
    quiet = GUIDE.replace(action=EventAction(type="alert", config={}))
    (warning,) = engine.register_pattern(quiet)
    assert "entities" in warning
    assert engine.register_pattern(quiet.replace(group_by=["user"])) == []


def test_topics_do_not_matter_here() -> None:
    pattern = GUIDE.replace(topics=["somewhere-else"])
    assert len(process(pattern, event(FAILED, 0), event(SUCCESS, 1))[1]) == 1


def test_a_bad_event_is_told_and_the_rest_goes_on() -> None:
    _, alerts, told = process(
        GUIDE, event(FAILED, 0), b"{", b"[1]", {"timestamp": "x", "eventType": FAILED},
        {"noType": 1}, event(SUCCESS, 1),
    )  # fmt: skip
    assert len(alerts) == 1
    assert [p.code for name, p in told if name == "event:rejected"] == [
        "event.not_json", "event.not_object", "event.bad_time", "event.no_type",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"conditions": [{"field": "a", "operator": "equals", "value": 1}]}, "operator"),
        ({"conditions": []}, "conditions"),
        ({"conditons": []}, "conditons"),
        ({"action": {"type": "alert", "config": {"severity": "urgent"}}}, "severity"),
        ({"windowConfig": {"type": "sliding", "size": -1}}, "size"),
    ],
)
def test_bad_patterns_are_refused_and_change_nothing(change: dict, pointer: str) -> None:
    engine = CEPEngine()
    engine.register_pattern(GUIDE)
    with pytest.raises(Invalid) as caught:
        engine.register_pattern({**GUIDE.to_dict(), **change})
    assert pointer in str(caught.value)
    assert engine.list_patterns() == [GUIDE]


def test_a_failing_listener_is_reported_and_stops_nobody() -> None:
    async def go() -> None:
        engine = CEPEngine(clock=ManualClock(T0))
        engine.register_pattern(GUIDE)
        errors: list[Any] = []
        late: list[Any] = []

        async def slow(alert: Any) -> None:
            await asyncio.sleep(0)
            late.append(alert)

        def broken(_: Any) -> None:
            raise RuntimeError("listener")

        engine.on("pattern:matched", broken)
        engine.on("alert:generated", slow)
        engine.on("error", errors.append)
        alerts = await engine.process_events([event(FAILED, 0), event(SUCCESS, 1)])
        await engine.drain()
        assert [e.event for e in errors] == ["pattern:matched"]
        assert late == alerts

    asyncio.run(go())


def test_a_pattern_can_be_tried_without_being_registered() -> None:
    engine = CEPEngine()
    tried = engine.test_pattern(GUIDE, [event(FAILED, 0), event(SUCCESS, 1), event(FAILED, 2)])
    assert [alert.severity for alert in tried.alerts] == ["high"]
    assert len(tried.matches) == 1
    assert [one.state.waits_for for one in tried.unfinished] == [("step2",)]
    assert engine.list_patterns() == []


def test_ids_are_the_same_for_the_same_events() -> None:
    events = [event(FAILED, 0), event(SUCCESS, 1)]
    assert process(GUIDE, *events)[1][0].id == process(GUIDE, *events)[1][0].id


def test_what_an_alert_stands_for_is_matched_and_told_as_suppressed() -> None:
    pattern = EventPattern.from_dict({**GUIDE.to_dict(), "suppress": {"for": "1m"}})
    pairs = [
        event(name, at + n) for at in (0, 10_000, 60_001) for n, name in ((0, FAILED), (1, SUCCESS))
    ]
    _, found, told = process(pattern, *pairs)
    assert [alert.timestamp - T0 for alert in found] == [1, 60_002]
    names = [name for name, _ in told if name.startswith(("pattern:matched", "alert:"))]
    assert names == [
        "pattern:matched", "alert:generated", "pattern:matched", "alert:suppressed",
        "pattern:matched", "alert:generated",
    ]  # fmt: skip
    (held,) = [payload for name, payload in told if name == "alert:suppressed"]
    assert (held.pattern, held.by) == (pattern.id, found[0].id)
