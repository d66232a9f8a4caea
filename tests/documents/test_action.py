"""Actions: the alert and its texts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, places_of, step

from summit.documents import lower_pattern
from summit.documents.plan import ActionPlan
from summit.events.expressions.ir import Literal
from summit.events.expressions.parser import parse_predicate


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
        ({"type": "alert", "handler": "f"}, [("/action/handler", INVALID)]),
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
        ({"severityRules": "high"}, [("severityRules", INVALID)]),
        ({"severityRules": ["high"]}, [("severityRules/0", INVALID)]),
        ({"severityRules": {"urgent": True}}, [("severityRules/urgent", INVALID)]),
        (
            {"severityRules": {"high": "count(b) > 1"}},
            [("severityRules/high", "expression.unknown_step")],
        ),
        (
            {"severityRules": [{"severity": "high", "when": "a == 1"}]},
            [("severityRules/0/when", INVALID)],
        ),
        ({"technique": ["x"]}, [("technique", INVALID)]),
        ({"titel": "x"}, [("titel", INVALID)]),
    ],
)
def test_a_refused_field_of_an_alert(config: Any, expected: list[tuple[str, str]]) -> None:
    document = pattern(action={"type": "alert", "config": config})
    assert places_of(document) == [(f"/action/config/{name}", code) for name, code in expected]


RULES = (("critical", parse_predicate("count(a) > 100", steps=["a"])), ("high", Literal(True)))


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": {"critical": "count(a) > 100", "high": True}},
        {"action": {"type": "alert", "config": {
            "severityRules": {"critical": "count(a) > 100", "high": True}}}},
        {"action": {"type": "alert", "config": {"severityRules": [
            {"severity": "critical", "where": "count(a) > 100"}, {"severity": "high"}]}}},
    ],
)  # fmt: skip
def test_severity_by_rule(fields: dict[str, Any]) -> None:
    assert lower_pattern(pattern(**fields)).action.severity_rules == RULES


def test_severity_by_rule_stands_in_one_place() -> None:
    config = {"severityRules": {"high": True}}
    document = pattern(severity={"low": True}, action={"type": "alert", "config": config})
    assert places_of(document) == [("/severity", INVALID)]


def test_on_timeout_is_an_action_too() -> None:
    title = {"title": "${count(a)} and no more"}
    plan = lower_pattern(pattern(onTimeout={"action": {"type": "alert", "config": title}}))
    assert plan.on_timeout is not None
    assert plan.on_timeout.title is not None
    assert plan.on_timeout.title.text == title["title"]
    assert lower_pattern(pattern()).on_timeout is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"onTimeout": 5}, [("/onTimeout", INVALID)]),
        ({"onTimeout": {}}, [("/onTimeout/action", INVALID)]),
        ({"onTimeout": {"action": {}}}, [("/onTimeout/action/type", INVALID)]),
        ({"onTimeout": {"action": {"type": "alert", "config": {"titel": "x"}}}},
         [("/onTimeout/action/config/titel", INVALID)]),
        ({"onTimeout": {"action": {"type": "alert"}}, "within": None}, [("/onTimeout", INVALID)]),
    ],
)  # fmt: skip
def test_a_refused_on_timeout(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert places_of(pattern(**fields)) == expected
