"""Actions: the alert and its texts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, places_of, step

from summit.documents import lower_pattern
from summit.documents.plan import ActionPlan


def test_without_an_action_there_is_an_alert_with_all_defaults() -> None:
    assert lower_pattern(pattern()).action == ActionPlan()
    assert lower_pattern(pattern(action={"type": "alert"})).action == ActionPlan()
    assert lower_pattern(pattern(action={"type": "alert", "config": {}})).action == ActionPlan()


def test_every_field_of_an_alert() -> None:
    config = {
        "severity": "critical",
        "title": "Login of ${b.last.user}",
        "description": "after ${count(a)} failures",
        "notify": ["team", "duty"],
        "runbook": "ops/ssh",
        "fields": ["user", "metadata.country"],
    }
    document = pattern(steps=[step("a"), step("b")], action={"type": "alert", "config": config})
    action = lower_pattern(document).action
    assert (action.severity, action.notify, action.runbook) == (
        "critical", ("team", "duty"), "ops/ssh",
    )  # fmt: skip
    assert action.fields == (("user",), ("metadata", "country"))
    assert action.title is not None
    assert action.description is not None
    assert action.title.text == config["title"]
    assert action.description.text == config["description"]


INVALID, LATER = "document.invalid", "pattern.not_available"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("alert", [("/action", INVALID)]),
        ({}, [("/action/type", INVALID)]),
        ({"type": "mail"}, [("/action/type", INVALID)]),
        ({"type": "forward", "config": {"topic": "x"}}, [("/action/type", LATER)]),
        ({"type": "aggregate"}, [("/action/type", LATER)]),
        ({"type": "trigger"}, [("/action/type", LATER)]),
        ({"type": "custom"}, [("/action/type", LATER)]),
        ({"type": "alert", "handler": "f"}, [("/action/handler", LATER)]),
        ({"type": "alert", "conf": {}}, [("/action/conf", INVALID)]),
        ({"type": "alert", "config": []}, [("/action/config", INVALID)]),
    ],
)
def test_a_refused_action(action: Any, expected: list[tuple[str, str]]) -> None:
    assert places_of(pattern(action=action)) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"severity": "urgent"}, [("severity", INVALID)]),
        ({"severity": "HIGH"}, [("severity", INVALID)]),
        ({"severity": 4}, [("severity", INVALID)]),
        ({"title": ""}, [("title", INVALID)]),
        ({"title": 5}, [("title", INVALID)]),
        ({"title": "x" * 5000}, [("title", INVALID)]),
        ({"title": "${"}, [("title", INVALID)]),
        ({"description": "${count(b)}"}, [("description", "expression.unknown_step")]),
        ({"notify": "team"}, [("notify", INVALID)]),
        ({"notify": [5]}, [("notify/0", INVALID)]),
        ({"runbook": []}, [("runbook", INVALID)]),
        ({"fields": "user"}, [("fields", INVALID)]),
        ({"fields": ["a..b"]}, [("fields/0", "path.invalid")]),
        ({"severityRules": []}, [("severityRules", LATER)]),
        ({"technique": ["x"]}, [("technique", INVALID)]),
        ({"titel": "x"}, [("titel", INVALID)]),
    ],
)
def test_a_refused_field_of_an_alert(config: Any, expected: list[tuple[str, str]]) -> None:
    document = pattern(action={"type": "alert", "config": config})
    assert places_of(document) == [(f"/action/config/{name}", code) for name, code in expected]
