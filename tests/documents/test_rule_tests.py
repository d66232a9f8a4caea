"""Tests of rules: their events, and what is expected of the alerts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, places_of

from summit.documents import (
    RuleTest,
    expand_test_events,
    failed_expectations,
    validate_pattern,
)
from summit.documents.rule_tests import TEST_BASE_MS


def only_test(**fields: Any) -> RuleTest:
    whole = {"events": [{"eventType": "a"}], "expect": {"alerts": 1}, **fields}
    (test,) = validate_pattern(pattern(tests=[whole])).tests
    return test


def test_a_test() -> None:
    test = only_test(name="one", expect={"alerts": 0, "severity": "high", "title": "T"})
    assert (test.name, test.alerts, test.severity, test.title) == ("one", 0, "high", "T")
    assert test.pointer == "/tests/0"
    assert only_test().name == "test 1"
    assert validate_pattern(pattern()).tests == ()


def test_a_test_begins_with_a_window_whatever_its_size() -> None:
    assert TEST_BASE_MS % 86_400_000 == 0


def expanded(*entries: dict[str, Any]) -> list[tuple[int, Any]]:
    events = expand_test_events(only_test(events=list(entries)))
    return [(event["timestamp"] - TEST_BASE_MS, event["eventType"]) for event in events]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"eventType": "a"}], [(0, "a")]),
        ([{"at": "5s", "eventType": "a"}], [(5_000, "a")]),
        ([{"at": 250, "eventType": "a"}], [(250, "a")]),
        (
            [{"at": "1s", "times": 3, "every": "2s", "eventType": "a"}],
            [(1_000, "a"), (3_000, "a"), (5_000, "a")],
        ),
        ([{"times": 2, "every": 0, "eventType": "a"}], [(0, "a"), (0, "a")]),
        (
            [{"at": "9s", "eventType": "late"}, {"times": 2, "every": "9s", "eventType": "a"}],
            [(0, "a"), (9_000, "late"), (9_000, "a")],
        ),
        ([{"timestamp": TEST_BASE_MS + 7, "eventType": "a"}], [(7, "a")]),
    ],
)
def test_times_of_the_events(
    entries: list[dict[str, Any]], expected: list[tuple[int, str]]
) -> None:
    assert expanded(*entries) == expected


def test_the_events_hold_only_their_own_members_and_an_id() -> None:
    test = only_test(
        events=[
            {"at": "1s", "times": 2, "every": "1s", "eventType": "a", "user": {"name": "eve"}},
            {"eventType": "b", "eventId": "mine"},
        ]
    )
    assert expand_test_events(test) == [
        {"timestamp": TEST_BASE_MS, "eventType": "b", "eventId": "mine"},
        {
            "timestamp": TEST_BASE_MS + 1_000,
            "eventType": "a",
            "user": {"name": "eve"},
            "eventId": "test-2",
        },
        {
            "timestamp": TEST_BASE_MS + 2_000,
            "eventType": "a",
            "user": {"name": "eve"},
            "eventId": "test-3",
        },
    ]


INVALID = "document.invalid"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"expect": None}, [("/expect", INVALID)]),
        ({"expect": 3}, [("/expect", INVALID)]),
        ({"expect": {}}, [("/expect", INVALID)]),
        ({"expect": {"alerts": -1}}, [("/expect/alerts", INVALID)]),
        ({"expect": {"alert": 1}}, [("/expect/alert", INVALID)]),
        ({"expect": {"severity": "urgent"}}, [("/expect/severity", INVALID)]),
        ({"events": None}, [("/events", INVALID)]),
        ({"events": []}, [("/events", INVALID)]),
        ({"events": [5]}, [("/events/0", INVALID)]),
        ({"events": [{"at": "soon"}]}, [("/events/0/at", "duration.invalid")]),
        ({"events": [{"at": -5}]}, [("/events/0/at", "duration.invalid")]),
        ({"events": [{"times": 2}]}, [("/events/0/times", INVALID)]),
        ({"events": [{"times": 0}]}, [("/events/0/times", INVALID)]),
        ({"events": [{"times": None}]}, [("/events/0/times", INVALID)]),
        ({"events": [{"times": 2, "every": "x"}]}, [("/events/0/every", "duration.invalid")]),
        ({"events": [{"at": 1, "timestamp": 1}]}, [("/events/0/timestamp", INVALID)]),
        ({"events": [{"timestamp": "noon"}]}, [("/events/0/timestamp", INVALID)]),
        ({"events": [{"times": 60_000, "every": 1}] * 2}, [("/events", INVALID)]),
        ({"event": []}, [("/event", INVALID)]),
        ({"name": 5}, [("/name", INVALID)]),
    ],
)
def test_a_problem(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    test = {"events": [{"eventType": "a"}], "expect": {"alerts": 1}, **fields}
    found = places_of(pattern(tests=[test]))
    assert found == [(f"/tests/0{pointer}", code) for pointer, code in expected]


def test_tests_are_a_list_of_maps() -> None:
    assert places_of(pattern(tests={})) == [("/tests", INVALID)]
    assert places_of(pattern(tests=["x"])) == [("/tests/0", INVALID)]


@pytest.mark.parametrize(
    ("expect", "alerts", "failures"),
    [
        ({"alerts": 1}, [{"severity": "low"}], []),
        ({"alerts": 0}, [], []),
        ({"alerts": 2}, [{}], ["1 alerts instead of 2"]),
        ({"severity": "high"}, [{"severity": "high"}] * 2, []),
        ({"severity": "high"}, [{"severity": "low"}] * 2,
         ["an alert has the severity 'low' instead of 'high'"]),
        ({"alerts": 1, "title": "x"}, [{"title": "x"}, {"title": "y"}],
         ["2 alerts instead of 1", "an alert has the title 'y' instead of 'x'"]),
        ({"severity": "high"}, [], ["no alert came"]),
    ],
)  # fmt: skip
def test_what_differs(expect: dict[str, Any], alerts: list[Any], failures: list[str]) -> None:
    assert failed_expectations(only_test(expect=expect), alerts) == failures
