"""Actions: the alert and its texts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, places_of, problems_of, step

from summit.documents import lower_pattern, validate_pattern
from summit.documents.plan import ActionPlan, Aggregation
from summit.events.expressions.ir import Field, Literal
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


INVALID = "document.invalid"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("alert", [("/action", INVALID)]),
        ({}, [("/action/type", INVALID)]),
        ({"type": "mail"}, [("/action/type", INVALID)]),
        ({"type": "custom"}, [("/action/type", INVALID)]),
        ({"type": "forward"}, [("/action/config/topic", INVALID)]),
        ({"type": "forward", "config": {"topic": "a b"}}, [("/action/config/topic", INVALID)]),
        ({"type": "forward", "config": {"topic": "alerts"}}, [("/action/config/topic", INVALID)]),
        ({"type": "forward", "config": {"topic": "_x"}}, [("/action/config/topic", INVALID)]),
        ({"type": "forward", "config": {"topic": "x.dlq"}}, [("/action/config/topic", INVALID)]),
        (
            {"type": "forward", "config": {"topic": "x", "key": "a..b"}},
            [("/action/config/key", "expression.syntax")],
        ),
        (
            {"type": "forward", "config": {"topic": "x", "key": "${count(z)}"}},
            [("/action/config/key", "expression.unknown_step")],
        ),
        (
            {"type": "forward", "config": {"topic": "x", "tpoic": 1}},
            [("/action/config/tpoic", INVALID)],
        ),
        ({"type": "aggregate"}, [("/action/config/aggregations", INVALID)]),
        (
            {"type": "aggregate", "config": {"aggregations": []}},
            [("/action/config/aggregations", INVALID)],
        ),
        ({"type": "trigger"}, [("/action/config/url", INVALID)]),
        (
            {"type": "trigger", "config": {"url": "http://x", "pattern": "p2"}},
            [("/action/config/pattern", INVALID)],
        ),
        ({"type": "trigger", "config": {"url": "ftp://x"}}, [("/action/config/url", INVALID)]),
        ({"type": "trigger", "config": {"url": "x"}}, [("/action/config/url", INVALID)]),
        ({"type": "trigger", "config": {"url": "http://u:p@x"}}, [("/action/config/url", INVALID)]),
        (
            {"type": "trigger", "config": {"url": "http://x", "secret": "abc"}},
            [("/action/config/secret", INVALID)],
        ),
        (
            {"type": "trigger", "config": {"pattern": "p2", "secret": "${A}"}},
            [("/action/config/secret", INVALID)],
        ),
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


def action_of(kind: str, **config: Any) -> ActionPlan:
    return lower_pattern(pattern(action={"type": kind, "config": config})).action


def test_forward() -> None:
    plan = action_of("forward", topic="found", key="user.name")
    assert (plan.type, plan.topic) == ("forward", "found")
    assert plan.record_key is not None
    assert plan.record_key.parts == (Field(("user", "name")),)
    text = action_of("forward", topic="found", key="${user}-${count(a)}").record_key
    assert text is not None
    assert len(text.parts) == 3
    assert action_of("forward", topic="found").record_key is None


def test_a_pattern_does_not_read_what_it_writes() -> None:
    action = {"type": "forward", "config": {"topic": "auth.found"}}
    assert places_of(pattern(action=action, topics=["auth.*"])) == [
        ("/action/config/topic", INVALID)
    ]  # fmt: skip
    timeout = {"action": action}
    assert places_of(pattern(onTimeout=timeout, topics=["auth.*"])) == [
        ("/onTimeout/action/config/topic", INVALID)
    ]  # fmt: skip
    assert lower_pattern(pattern(action=action)).topics == (), "outputs are no inputs by default"


def test_aggregate() -> None:
    plan = action_of(
        "aggregate",
        groupBy=["host"],
        aggregations=[
            {"function": "count"},
            {"function": "percentile", "field": "ms", "percentile": 99.5},
            {"function": "avg", "field": "data.ms", "name": "mean"},
        ],
    )
    assert (plan.topic, plan.group_by) == ("aggregates", (("host",),))
    assert plan.aggregations == (
        Aggregation("count()", "count"),
        Aggregation("percentile(ms, 99.5)", "percentile", ("ms",), 99.5),
        Aggregation("mean", "avg", ("data", "ms")),
    )


@pytest.mark.parametrize(
    ("aggregation", "place"),
    [
        (5, ""),
        ({}, "/function"),
        ({"function": "median", "field": "x"}, "/function"),
        ({"function": "sum"}, "/field"),
        ({"function": "sum", "field": "a..b"}, "/field"),
        ({"function": "percentile", "field": "x"}, "/percentile"),
        ({"function": "percentile", "field": "x", "percentile": 101}, "/percentile"),
        ({"function": "avg", "field": "x", "percentile": 5}, "/percentile"),
        ({"function": "avg", "field": "x", "nmae": "y"}, "/nmae"),
    ],
)
def test_a_refused_aggregation(aggregation: Any, place: str) -> None:
    action = {"type": "aggregate", "config": {"aggregations": [aggregation]}}
    (found,) = places_of(pattern(action=action))
    assert found[0] == f"/action/config/aggregations/0{place}"


def test_trigger() -> None:
    plan = action_of("trigger", url="https://host:8443/path?x=1", secret="${HOOK_KEY}")
    assert (plan.url, plan.secret) == ("https://host:8443/path?x=1", "${HOOK_KEY}")
    assert action_of("trigger", url="http://x", secret="file:/run/secrets/hook").secret
    assert action_of("trigger", pattern="other").pattern == "other"
    unsigned = pattern(action={"type": "trigger", "config": {"url": "http://x"}})
    assert "without a signature" in validate_pattern(unsigned).warnings[-1]


def test_custom_is_for_python_and_says_what_documents_have_instead() -> None:
    (problem,) = problems_of(pattern(action={"type": "custom"}))
    assert problem.pointer == "/action/type"
    assert "CEPEngine" in problem.message
    assert "'having'" in problem.message
    plan = validate_pattern(pattern(action={"type": "custom"}), custom=True).plan
    assert plan.action.type == "custom"


def test_a_severity_needs_an_alert() -> None:
    action = {"type": "forward", "config": {"topic": "x"}}
    assert places_of(pattern(action=action, severity={"high": True})) == [("/severity", INVALID)]
    assert places_of(pattern(action=action, suppress={"for": "1m"})) == [("/suppress", INVALID)]
