"""What `CEPEngine` remembers: sequences under way, the buffer, snapshots."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from summit.base.errors import Corrupt
from summit.event_processing import CEPEngine

LOGIN: dict[str, Any] = {
    "id": "login", "groupBy": ["user"], "within": "60s",
    "steps": [
        {"name": "failed", "where": "eventType == 'failed'", "times": 2},
        {"name": "ok", "where": "eventType == 'ok'"},
    ],
    "suppress": {"by": ["user"], "for": "10m"},
    "action": {"type": "alert", "config": {"severity": "high", "title": "${user}"}},
}  # fmt: skip
COUNT: dict[str, Any] = {
    "id": "count", "groupBy": ["user"], "where": "eventType == 'failed'",
    "window": {"type": "sliding", "size": "20s"},
    "having": "count() >= 3", "action": {"type": "alert", "config": {"title": "many"}},
}  # fmt: skip
QUIET: dict[str, Any] = {
    "id": "quiet", "groupBy": ["user"], "within": "30s",
    "steps": [
        {"name": "ok", "where": "eventType == 'ok'"},
        {"name": "none", "where": "eventType == 'failed'", "relation": "notFollowedBy"},
    ],
    "action": {"type": "alert", "config": {"title": "quiet"}},
}  # fmt: skip


def engine_of(*patterns: dict[str, Any], **settings: Any) -> CEPEngine:
    engine = CEPEngine(**settings)
    for pattern in patterns:
        engine.register_pattern(pattern)
    return engine


def event(at_s: float, kind: str, user: str = "eve") -> dict[str, Any]:
    return {"eventType": kind, "timestamp": int(at_s * 1000), "user": user}


def feed(engine: CEPEngine, *events: dict[str, Any]) -> list[tuple[str, str, int]]:
    alerts = asyncio.run(engine.process_events(events))
    return [(alert.id, alert.title, alert.timestamp) for alert in alerts]


def test_active_sequences_are_the_partial_matches_alive() -> None:
    engine = engine_of(LOGIN, COUNT)
    feed(engine, event(0, "failed"), event(1, "failed", "bob"), event(2, "failed", "bob"))
    found = {(one.key[0], one.waits_for[0]): one for one in engine.get_active_sequences()}
    assert set(found) == {("eve", "failed"), ("bob", "failed"), ("bob", "ok")}
    bob = found["bob", "ok"]
    assert [step for step, _ in bob.captures] == ["failed", "failed"]
    assert [one.timestamp for one in bob.events] == [1000, 2000]
    assert (bob.pattern, bob.matched, bob.start_time, bob.end_time) == ("login", False, 1000, 2000)
    assert bob.expires_at == 61_000
    feed(engine, event(3, "ok", "bob"))  # with it both of bob's are over
    assert [one.key for one in engine.get_active_sequences()] == [["eve"]]
    asyncio.run(engine.advance_time(60_000))
    assert engine.get_active_sequences() == []


def test_the_buffer_is_bounded_and_clearing_it_changes_no_match() -> None:
    engine = engine_of(LOGIN, event_buffer=3)
    feed(engine, *(event(n, "failed", f"u{n}") for n in range(5)), event(5, "failed", "u4"))
    assert [(one.event_type, one["user"]) for one in engine.get_event_buffer()] == [
        ("failed", "u3"), ("failed", "u4"), ("failed", "u4"),
    ]  # fmt: skip
    asyncio.run(engine.process_event(b"no json"))
    assert len(engine.get_event_buffer()) == 2
    engine.clear_buffer()
    assert engine.get_event_buffer() == []
    assert len(feed(engine, event(6, "ok", "u4"))) == 1


def test_a_snapshot_anywhere_changes_nothing() -> None:
    chance = random.Random(11)
    events, at_s = [], 0.0
    for _ in range(300):
        at_s += chance.choice([0, 1, 2, 8])
        events.append(event(at_s, chance.choice(["failed", "failed", "ok"]), chance.choice("abc")))
    plain = engine_of(LOGIN, COUNT, QUIET)
    expected = feed(plain, *events)
    assert len(expected) > 30
    engine, found = engine_of(LOGIN, COUNT, QUIET), []
    for one in events:
        found += feed(engine, one)
        if chance.random() < 0.2:
            data = engine.snapshot()
            engine = engine_of(COUNT, QUIET, LOGIN)
            assert engine.restore(data) == 0
            assert engine.snapshot() == data
    assert found == expected
    assert [one.to_dict() for one in engine.get_event_buffer()] == events  # type: ignore[attr-defined]
    assert [one.id for one in engine.get_active_sequences()] == [
        one.id for one in plain.get_active_sequences()
    ]


def test_a_snapshot_of_other_patterns_and_one_that_is_none() -> None:
    engine = engine_of(LOGIN, COUNT)
    feed(engine, event(0, "failed"), event(1, "failed"))
    data = engine.snapshot()
    other = engine_of({**LOGIN, "within": "30s"}, COUNT)
    assert other.restore(data) == 1
    assert other.get_active_sequences() == []
    feed(engine, event(2, "failed"))
    before = engine.snapshot()
    for bad in (b"", b"\x00", data[:-3]):
        with pytest.raises(Corrupt):
            engine.restore(bad)
    assert engine.snapshot() == before
