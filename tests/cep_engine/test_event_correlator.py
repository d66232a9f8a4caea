"""`EventCorrelator`: groups over several calls, what listeners hear, what calls return."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Invalid
from summit.cep_engine import CorrelationRule, EventCorrelator
from summit.events.event import make_event

RULE: dict[str, Any] = {"id": "r", "correlationKey": "k", "timeWindow": 100, "minEvents": 2}
Heard = list[tuple[list[str], str | None]]


def event(name: str, time: int, k: Any = "x", kind: str = "a") -> dict[str, Any]:
    return {"eventId": name, "eventType": kind, "timestamp": time, "k": k}


def run(
    *calls: list[Any], **fields: Any
) -> tuple[EventCorrelator, list[dict[str, list[str]]], Heard]:
    """The correlator, the ids of what each call returned, and of what was told."""
    heard: Heard = []

    async def go() -> tuple[EventCorrelator, list[dict[str, list[str]]]]:
        correlator = EventCorrelator(clock=ManualClock(1_000))
        correlator.register_correlation_rule({**RULE, **fields})
        correlator.on(
            "events:correlated", lambda p: heard.append((ids(p.events), p["close_reason"]))
        )
        returned = []
        for events in calls:
            groups = await correlator.correlate_events(events)
            returned.append({name: ids(group) for name, group in groups.items()})
        return correlator, returned

    correlator, returned = asyncio.run(go())
    return correlator, returned, heard


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventId"] for event in events]


def test_groups_stay_open_from_call_to_call() -> None:
    _, returned, heard = run(
        [event("1", 0)], [event("2", 1)], [event("3", 2)], [event("4", 100, "y")]
    )
    assert returned == [{}, {"r:x": ["1", "2"]}, {"r:x": ["1", "2", "3"]}, {"r:x": ["1", "2", "3"]}]
    assert heard == [(["1", "2"], None), (["1", "2", "3"], "window")]


def test_what_has_enough_within_a_call_is_told_as_it_stands_at_its_end() -> None:
    _, _, heard = run([event("1", 0), event("2", 1), event("3", 2)])
    assert heard == [(["1", "2", "3"], None)]


def test_full_groups_of_one_key_do_not_overwrite_each_other() -> None:
    _, returned, heard = run([event(str(n), 0) for n in range(7)], maxEvents=3)
    assert returned == [{"r:x": ["0", "1", "2"], "r:x#2": ["3", "4", "5"]}]
    assert [reason for _, reason in heard] == [None, "max", None, "max"]


def test_a_missing_key_is_skipped_and_counted() -> None:
    correlator, returned, heard = run([event("1", 0, None), event("2", 1, None)])
    assert (returned, heard, correlator.stats["without_key"]) == ([{}], [], 2)


def test_keys_of_other_types_have_names_of_their_own() -> None:
    _, returned, _ = run([event("1", 0, 5), event("2", 1, "5"), event("3", 2, True)], minEvents=1)
    assert returned == [{"r:[5]": ["1"], "r:5": ["2"], "r:[true]": ["3"]}]


def test_every_form_of_an_event_is_taken_and_long_ones_whole() -> None:
    long = {**event("4", 3), "text": "." * 100_000}
    given = [b'{"eventId":"1","k":"x"}', '{"eventId":"2","k":"x"}', make_event(event("3", 2)), long]

    async def go() -> Any:
        correlator = EventCorrelator(clock=ManualClock(2))
        correlator.register_correlation_rule(CorrelationRule.from_dict(RULE))
        return await correlator.correlate_events(given)

    groups = asyncio.run(go())
    assert ids(groups["r:x"]) == ["1", "2", "3", "4"]
    assert groups["r:x"][3] == long


def test_two_rules_over_one_event_are_told_apart() -> None:
    async def go() -> list[tuple[str, int]]:
        told: list[tuple[str, int]] = []
        correlator = EventCorrelator()
        for name, least in (("two", 2), ("three", 3)):
            correlator.register_correlation_rule({**RULE, "id": name, "minEvents": least})
        correlator.on("events:correlated", lambda p: told.append((p.rule.name, len(p.events))))
        await correlator.correlate_events([event(str(n), n) for n in range(3)])
        return told

    assert asyncio.run(go()) == [("two", 3), ("three", 3)]


def test_a_bad_event_is_told_and_harms_no_other() -> None:
    async def go() -> tuple[list[tuple[str, Any]], Any]:
        rejected: list[tuple[str, Any]] = []
        correlator = EventCorrelator()
        correlator.register_correlation_rule(RULE)
        correlator.on("event:rejected", lambda p: rejected.append((p.code, p.event)))
        return rejected, await correlator.correlate_events([event("1", 0), "{", event("2", 1)])

    rejected, groups = asyncio.run(go())
    assert rejected == [("event.not_json", "{")]
    assert ids(groups["r:x"]) == ["1", "2"]


def test_a_rule_may_be_renamed_changed_and_put_to_rest() -> None:
    async def go() -> list[Any]:
        correlator = EventCorrelator()
        found = []
        for fields in ({}, {"name": "renamed"}, {"timeWindow": 99}, {"enabled": False}):
            correlator.register_correlation_rule({**RULE, **fields})
            found.append(list(await correlator.correlate_events([event("1", 0)])))
        return [*found, correlator.stats["dropped"]]

    # What means the same keeps its group; another meaning begins anew, rest lets all go.
    assert asyncio.run(go()) == [[], ["r:x"], [], [], 2]


def test_a_bad_rule_is_refused_and_what_was_registered_stays() -> None:
    correlator = EventCorrelator()
    correlator.register_correlation_rule(RULE)
    with pytest.raises(Invalid, match="minEvents"):
        correlator.register_correlation_rule({**RULE, "minEvents": 0})
    found = asyncio.run(correlator.correlate_events([event("1", 0), event("2", 1)]))
    assert list(found) == ["r:x"]
