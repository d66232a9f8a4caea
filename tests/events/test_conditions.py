"""Conditions: one row per meaning of the operators, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from summit.base.errors import Invalid
from summit.events.conditions import OPERATORS, Condition, lower_condition
from summit.events.event import make_event
from summit.events.expressions.analysis import equality_constraint
from summit.events.expressions.generator import compile_predicate, compile_run_predicate
from summit.events.expressions.ir import StepField
from summit.events.layouts import EventLayout

NOT_GIVEN = msgspec.UNSET
FIELD = "x"


@pytest.mark.parametrize(
    ("operator", "value", "field", "expected"),
    [
        ("eq", 1, 1.0, True), ("eq", 1, "1", False), ("eq", 1, True, False), ("eq", "a", "a", True),
        ("eq", "a", None, False), ("eq", None, None, True), ("eq", None, 0, False),
        ("eq", [1, "a"], [1.0, "a"], True), ("eq", {"a": 1}, {"a": 1}, True),
        ("ne", 1, 2, True), ("ne", 1, "1", True), ("ne", 1, 1, False), ("ne", 1, None, True),
        ("ne", None, None, False), ("ne", None, 0, True), ("ne", True, 1, True),
        ("gt", 1, 2, True), ("gt", 1, 1, False), ("gt", 1, "2", False), ("gt", 1, None, False),
        ("gt", 1, True, False), ("gte", 1, 1.0, True), ("lt", "b", "a", True),
        ("lt", "b", 1, False), ("lte", 1.5, 1, True), ("gt", "Z", "a", True),
        ("in", ["a", "b"], "b", True), ("in", ["a", "b"], ["c", "a"], True),
        ("in", [1], True, False), ("in", [1, "a", None], 1.0, True), ("in", ["a"], None, False),
        ("in", ["a"], ["c"], False), ("in", [], "a", False), ("in", [[1]], [1], False),
        ("in", [[1]], [[1]], True),
        ("nin", ["a"], "b", True), ("nin", ["a"], "a", False), ("nin", ["a"], ["a", "b"], False),
        ("nin", ["a"], None, False),
        ("contains", "b", "abc", True), ("contains", "b", ["a", "b"], True),
        ("contains", "b", {"b": 0}, True), ("contains", "b", 5, False),
        ("contains", 1, [1.0], True), ("contains", 1, "1", False), ("contains", "", "a", True),
        ("regex", "b+", "abbc", True), ("regex", "^b", "ab", False), ("regex", "1", 1, False),
        ("regex", "(?i)ADMIN", "admin", True), ("regex", "a.c", "a\nc", False),
        ("exists", NOT_GIVEN, 0, True), ("exists", True, None, False),
        ("exists", False, None, True), ("exists", False, "", False),
        ("startsWith", "a", "ab", True), ("startsWith", "a", ["a"], False),
        ("endsWith", "b", "ab", True), ("endsWith", "b", None, False),
        ("between", [1, 3], 3, True), ("between", [1, 3], 3.1, False),
        ("between", [1, 3], "2", False), ("between", ["a", "c"], "b", True),
        ("cidr", "10.0.0.0/8", "10.2.3.4", True), ("cidr", ["10.0.0.0/8", "::/0"], "::1", True),
        ("cidr", "10.0.0.0/8", "11.0.0.1", False), ("cidr", "10.0.0.0/8", "host", False),
        ("cidr", "10.0.0.5/8", "10.9.9.9", True), ("cidr", "::ffff:10.0.0.0/104", "10.9.9.9", True),
        ("cidr", "::ffff:10.0.0.0/104", "::ffff:10.9.9.9", True),
        ("cidr", "::/0", "10.9.9.9", False),
    ],
)  # fmt: skip
def test_operators(operator, value, field, expected):
    condition = Condition(field=FIELD, operator=operator, value=value)
    holds = compile_predicate(lower_condition(condition), EventLayout())
    event = make_event({} if field is None else {FIELD: field})
    assert holds(event) is expected
    opposite = Condition(field=FIELD, operator=operator, value=value, negate=True)
    assert compile_predicate(lower_condition(opposite), EventLayout())(event) is not expected


def test_every_operator_stands_in_the_table():
    rows = test_operators.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(OPERATORS)


@pytest.mark.parametrize(
    ("compare_as", "operator", "value", "field", "expected"),
    [
        ("severity", "gte", "high", "CRITICAL", True),
        ("severity", "eq", "high", "HIGH", True),
        ("severity", "gte", "high", "strange", False),
        ("severity", "lt", "high", "strange", False),
        ("number", "gt", 9, "10", True),
        ("number", "eq", "10", 10.0, True),
        ("number", "gt", 9, "many", False),
        ("string", "lt", "9", 10, True),
        ("string", "eq", "true", True, True),
        ("time", "gte", "2024-01-01T00:00:00Z", 1_704_067_200_000, True),
        ("time", "lt", 1_704_067_200_000, "2024-01-01T00:00:00+01:00", True),
        ("ip", "gt", "10.0.0.9", "10.0.0.10", True),
        ("ip", "eq", "::ffff:10.0.0.9", "10.0.0.9", True),
        ("version", "gt", "1.9", "1.10", True),
        ("version", "lt", "1.10", "1.10-rc1", True),
        ("version", "eq", "v1.10", "1.10.0", True),
        ("version", "between", ["1.2", "1.4"], "1.3.9", True),
    ],
)
def test_compare_as(compare_as, operator, value, field, expected):
    condition = Condition(field=FIELD, operator=operator, value=value, compare_as=compare_as)
    holds = compile_predicate(lower_condition(condition), EventLayout())
    assert holds(make_event({FIELD: field})) is expected


def test_severities_compare_by_rank_of_themselves():
    condition = Condition(field="alert.severity", operator="gt", value="high")
    holds = compile_predicate(lower_condition(condition), EventLayout())
    assert holds(make_event({"alert": {"severity": "critical"}}))
    assert not holds(make_event({"alert": {"severity": "medium"}}))
    between = Condition(field="severity", operator="between", value=["low", "high"])
    assert compile_predicate(lower_condition(between), EventLayout())(
        make_event({"severity": "medium"})
    )


def test_an_event_type_must_fit_too():
    condition = Condition(field="user", operator="eq", value="eve", event_type="user.login")
    node = lower_condition(condition)
    holds = compile_predicate(node, EventLayout())
    assert holds(make_event({"eventType": "user.login", "user": "eve"}))
    assert not holds(make_event({"eventType": "user.logout", "user": "eve"}))
    assert equality_constraint(node, ("eventType",)) == {"user.login"}
    same = Condition(field="eventType", operator="eq", value="a", event_type="a")
    assert lower_condition(same) == lower_condition(
        Condition(field="eventType", operator="eq", value="a")
    )


@pytest.mark.parametrize(
    ("operator", "event", "taken", "expected"),
    [
        ("eq", {"user": "eve"}, "eve", True),
        ("eq", {"user": "eve"}, None, False),
        ("ne", {"user": "eve"}, "bob", True),
        ("ne", {"user": "eve"}, "eve", False),
        ("ne", {"user": "eve"}, None, True),
        ("ne", {}, "eve", True),
        ("gt", {"user": 5}, 4, True),
    ],
)
def test_references(operator, event, taken, expected):
    class Run:
        def reference(self, node):
            assert node == StepField("failed", "last", ("user",))
            return taken

    condition = Condition(field="user", operator=operator, ref="failed.last.user")
    node = lower_condition(condition, steps=("failed",))
    assert compile_run_predicate(node, EventLayout())(make_event(event), Run()) is expected


@pytest.mark.parametrize(
    ("members", "code", "pointer", "text"),
    [
        ({"operator": "equals", "value": 1}, "condition.unknown_operator", "/operator", "'eq'"),
        ({"operator": "startswith", "value": "a"}, "condition.unknown_operator", "/operator",
         "'startsWith'"),
        ({"operator": "eq"}, "condition.value", None, "needs a value"),
        ({"operator": "in", "value": "a"}, "condition.value", "/value", "list"),
        ({"operator": "gt", "value": True}, "condition.value", "/value", "number or a text"),
        ({"operator": "gt", "value": None}, "condition.value", "/value", ""),
        ({"operator": "regex", "value": "("}, "regex.invalid", "/value", "missing )"),
        ({"operator": "regex", "value": "(a)\\1"}, "regex.invalid", "/value", ""),
        ({"operator": "regex", "value": 5}, "condition.value", "/value", "text"),
        ({"operator": "regex", "value": "a" * 2_000}, "regex.invalid", "/value", "too long"),
        ({"operator": "contains", "value": [1]}, "condition.value", "/value", ""),
        ({"operator": "exists", "value": "yes"}, "condition.value", "/value", "true, false"),
        ({"operator": "between", "value": [1]}, "condition.value", "/value", "two"),
        ({"operator": "between", "value": [2, 1]}, "condition.value", "/value", "lower"),
        ({"operator": "between", "value": ["10.0.0.10", "10.0.0.9"], "compare_as": "ip"},
         "condition.value", "/value", "lower"),
        ({"operator": "cidr", "value": "10.0.0.0/99"}, "network.invalid", "/value", ""),
        ({"operator": "cidr", "value": []}, "condition.value", "/value", ""),
        ({"operator": "eq", "value": float("nan")}, "condition.value", "/value", "finite"),
        ({"operator": "eq", "value": "a" * 5_000}, "condition.value", "/value", "too long"),
        ({"operator": "in", "value": [1] * 10_001}, "condition.value", "/value", "too large"),
        ({"operator": "eq", "value": object()}, "condition.value", "/value", "JSON"),
        ({"field": "a..b", "operator": "eq", "value": 1}, "path.invalid", "/field", ""),
        ({"field": "severity", "operator": "gt", "value": "urgent"}, "condition.value", "/value",
         "no severity"),
        ({"operator": "eq", "value": 1, "compare_as": "money"}, "condition.invalid", "/compareAs",
         "unknown"),
        ({"operator": "in", "value": [1], "compare_as": "number"}, "condition.invalid",
         "/compareAs", ""),
        ({"operator": "gt", "value": "x", "compare_as": "ip"}, "condition.value", "/value",
         "no ip"),
        ({"operator": "eq", "value": 1, "ref": "a.last.x"}, "condition.invalid", "/ref", "both"),
        ({"operator": "eq", "ref": "b.last.x"}, "condition.invalid", "/ref", "steps: a"),
        ({"operator": "eq", "ref": "user"}, "condition.invalid", "/ref", ""),
        ({"operator": "eq", "ref": "a.last"}, "expression.syntax", "/ref", ""),
        ({"operator": "regex", "ref": "a.last.x"}, "condition.invalid", "/ref", ""),
    ],
)  # fmt: skip
def test_refusals(members, code, pointer, text):
    with pytest.raises(Invalid) as caught:
        lower_condition(Condition(**{"field": FIELD, **members}), steps=("a",))
    assert caught.value.code == code
    assert caught.value.details.get("pointer") == (pointer or "")
    assert text in str(caught.value)


def test_a_hostile_expression_and_text_take_linear_time():
    condition = Condition(field=FIELD, operator="regex", value="(a+)+$")
    holds = compile_predicate(lower_condition(condition), EventLayout())
    assert not holds(make_event({FIELD: "a" * 50_000 + "!"}))
