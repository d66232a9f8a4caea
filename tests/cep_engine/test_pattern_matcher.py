"""`PatternMatcher`: what matches in a finished list, and what a call leaves behind: nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.cep_engine import PatternMatcher

PAIR: dict[str, Any] = {
    "id": "pair", "within": "1m", "groupBy": ["user"],
    "steps": [
        {"name": "failed", "where": "eventType == 'failed'", "times": {"min": 2}},
        {"name": "success", "where": "eventType == 'success'"},
    ],
}  # fmt: skip
SILENCE: dict[str, Any] = {
    "id": "silence", "within": "1m", "groupBy": ["user"],
    "steps": [
        {"name": "beat", "where": "eventType == 'beat'"},
        {"name": "none", "relation": "notFollowedBy", "where": "eventType == 'beat'"},
    ],
}  # fmt: skip


def event(name: str, kind: str, time: int, user: str = "eve") -> dict[str, Any]:
    return {"eventId": name, "eventType": kind, "timestamp": time, "user": user}


def match(*calls: list[Any]) -> tuple[list[dict[str, list[str]]], list[tuple[str, Any]]]:
    """Ids of what each call returned, and what was told."""
    told: list[tuple[str, Any]] = []

    async def go() -> list[dict[str, list[str]]]:
        matcher = PatternMatcher(clock=ManualClock(50))
        matcher.on("pattern:registered", lambda p: told.append(("registered", p.pattern.id)))
        matcher.on("event:rejected", lambda p: told.append((p.code, p.event)))
        matcher.register_pattern(PAIR)
        matcher.register_pattern(SILENCE)
        found = [await matcher.match_events(events) for events in calls]
        return [
            {name: [each["eventId"] for each in group] for name, group in one.items()}
            for one in found
        ]

    return asyncio.run(go()), told


def test_the_events_of_all_matches_of_a_pattern_in_order() -> None:
    events = [
        event("1", "failed", 0), event("2", "failed", 1, "bob"), event("3", "failed", 2),
        event("4", "success", 3), event("5", "failed", 4, "bob"), event("6", "success", 5, "bob"),
        event("7", "failed", 6),
    ]  # fmt: skip
    found, told = match(events)
    assert found == [{"pair": ["1", "2", "3", "4", "5", "6"]}]
    assert told == [("registered", "pair"), ("registered", "silence")]


def test_the_list_is_finished_so_an_absence_is_certain() -> None:
    found, _ = match(
        [event("1", "beat", 0), event("2", "beat", 59_999), event("3", "beat", 60_000)]
    )
    assert found == [{"silence": ["3"]}]


def test_a_call_leaves_nothing_behind() -> None:
    found, _ = match([event("1", "failed", 0), event("2", "failed", 1)], [event("3", "success", 2)])
    assert found == [{}, {}]


def test_a_bad_event_is_told_and_harms_no_other() -> None:
    beat = {"eventId": "1", "eventType": "beat", "user": "eve"}
    found, told = match(["{", beat])
    assert found == [{"silence": ["1"]}]
    assert told[2:] == [("event.not_json", "{")]


def test_a_bad_pattern_is_refused() -> None:
    with pytest.raises(Invalid, match="steps"):
        PatternMatcher().register_pattern({"id": "p"})
