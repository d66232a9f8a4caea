"""`where` in its three forms: which events it holds for, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, places_of, problems_of

from summit.documents.predicates import read_any_of, read_condition, read_where
from summit.documents.problems import Problems
from summit.events.event import make_event
from summit.events.expressions.generator import compile_predicate
from summit.events.expressions.ir import StepField, walk
from summit.events.layouts import EventLayout

EVENT = {
    "eventType": "auth.login.failed",
    "user": "eve",
    "attempts": 3,
    "severity": "high",
    "ip": "10.1.2.3",
    "roles": ["admin", "dev"],
    "labels": {"env": "prod"},
    "deleted": None,
    "metadata": {"country": "DE"},
}


def holds(where: Any, event: dict[str, Any] | None = None) -> bool:
    problems = Problems()
    node = read_where(where, "", problems)
    assert node is not None, problems.found
    predicate = compile_predicate(node, EventLayout())
    return predicate(make_event(EVENT if event is None else event))


def condition(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"field": field, "operator": operator, **given, **more}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (condition("user", "eq", "eve"), True),
        (condition("user", "eq", "Eve"), False),
        (condition("attempts", "eq", 3.0), True),
        (condition("attempts", "eq", "3"), False),
        (condition("nothing", "eq", "eve"), False),
        (condition("user", "ne", "bob"), True),
        (condition("user", "ne", "eve"), False),
        (condition("nothing", "ne", "eve"), True),
        (condition("deleted", "ne", "eve"), True),
        (condition("attempts", "gt", 2), True),
        (condition("attempts", "gt", 3), False),
        (condition("attempts", "gte", 3), True),
        (condition("attempts", "lt", 4), True),
        (condition("attempts", "lte", 2), False),
        (condition("nothing", "lt", 4), False),
        (condition("user", "gt", 2), False),
        (condition("severity", "gte", "medium"), True),
        (condition("severity", "gt", "high"), False),
        (condition("severity", "lt", "critical"), True),
        (condition("user", "in", ["eve", "bob"]), True),
        (condition("user", "in", ["bob"]), False),
        (condition("roles", "in", ["admin"]), True),
        (condition("roles", "in", ["root"]), False),
        (condition("nothing", "in", ["eve"]), False),
        (condition("user", "nin", ["bob"]), True),
        (condition("user", "nin", ["eve"]), False),
        (condition("eventType", "contains", "login"), True),
        (condition("roles", "contains", "dev"), True),
        (condition("labels", "contains", "env"), True),
        (condition("roles", "contains", "root"), False),
        (condition("user", "regex", "^e.e$"), True),
        (condition("user", "regex", "v"), True),
        (condition("user", "regex", "^v"), False),
        (condition("user", "exists"), True),
        (condition("user", "exists", True), True),
        (condition("user", "exists", False), False),
        (condition("nothing", "exists"), False),
        (condition("deleted", "exists", False), True),
        (condition("eventType", "startsWith", "auth."), True),
        (condition("eventType", "endsWith", ".failed"), True),
        (condition("user", "startsWith", "x"), False),
        (condition("ip", "cidr", "10.0.0.0/8"), True),
        (condition("ip", "cidr", ["192.168.0.0/16", "10.1.0.0/16"]), True),
        (condition("ip", "cidr", "192.168.0.0/16"), False),
        (condition("user", "cidr", "10.0.0.0/8"), False),
        (condition("attempts", "between", [3, 5]), True),
        (condition("attempts", "between", [1, 3]), True),
        (condition("attempts", "between", [4, 5]), False),
        (condition("country", "eq", "DE"), True),
        (condition("metadata.country", "eq", "DE"), True),
        (condition("data.country", "eq", "DE"), False),
        (condition("user", "eq", "eve", eventType="auth.login.failed"), True),
        (condition("user", "eq", "eve", eventType="auth.login.success"), False),
        ({"eventType": "auth.login.failed"}, True),
        ({"eventType": "other"}, False),
        (condition("user", "eq", "eve", negate=False), True),
        (condition("user", "eq", "eve", negate=True), False),
        (condition("user", "eq", "bob", negate=True), True),
        (condition("nothing", "eq", "bob", negate=True), True),
        (condition("user", "eq", "bob", negate=True, eventType="other"), False),
        ({"field": "deleted", "operator": "eq", "value": None}, True),
        ({"field": "user", "operator": "eq", "value": None}, False),
        (condition("attempts", "gt", "10", compareAs="number"), False),
        # lists: all of them
        ([condition("user", "eq", "eve"), "attempts == 3"], True),
        ([condition("user", "eq", "eve"), "attempts == 4"], False),
        # expressions
        ("user == 'eve' && attempts > 2", True),
        ("user == 'eve' && nothing > 2", False),
    ],
)
def test_which_events_it_holds_for(where: Any, expected: bool) -> None:
    assert holds(where) is expected


@pytest.mark.parametrize(
    ("where", "pointer", "code"),
    [
        (condition("user", "equals", "eve"), "/operator", "condition.unknown_operator"),
        (condition("user", "EQ", "eve"), "/operator", "condition.unknown_operator"),
        ({"field": "user", "value": 1}, "/operator", "document.invalid"),
        ({"operator": "eq", "value": 1}, "/field", "document.invalid"),
        (condition("a..b", "eq", 1), "/field", "path.invalid"),
        (condition("user", "eq"), "", "condition.value"),
        (condition("user", "in", "eve"), "/value", "condition.value"),
        (condition("user", "regex", "("), "/value", "regex.invalid"),
        (condition("user", "regex", "(?=x)"), "/value", "regex.invalid"),
        (condition("user", "regex", 5), "/value", "condition.value"),
        (condition("user", "exists", "yes"), "/value", "condition.value"),
        (condition("user", "startsWith", 5), "/value", "condition.value"),
        (condition("ip", "cidr", "10.0.0.0/99"), "/value", "network.invalid"),
        (condition("ip", "cidr", 10), "/value", "condition.value"),
        (condition("n", "between", [1]), "/value", "condition.value"),
        (condition("n", "gt", [1]), "/value", "condition.value"),
        (condition("n", "gt", 1, compareAs="size"), "/compareAs", "condition.invalid"),
        (condition("user", "eq", 1, eventType=5), "/eventType", "document.invalid"),
        (condition("user", "eq", 1, feild="x"), "/feild", "document.invalid"),
        (condition("user", "eq", 1, step="x"), "/step", "document.invalid"),
        (condition("user", "eq", 1, negate="yes"), "/negate", "document.invalid"),
        (condition("user", "eq", ref="previous.user"), "/ref", "document.invalid"),
        (condition("user", "eq", ref="a.user"), "/ref", "condition.invalid"),
        (condition("user", "eq", ref="b.last.user"), "/ref", "condition.invalid"),
        (condition("user", "eq", ref="a.last"), "/ref", "expression.syntax"),
        (condition("user", "eq", ref=5), "/ref", "document.invalid"),
        (condition("user", "eq", 1, ref="a.last.user"), "/ref", "condition.invalid"),
        (condition("user", "regex", ref="a.last.user"), "/ref", "condition.invalid"),
    ],
)
def test_a_refused_condition(where: Any, pointer: str, code: str) -> None:
    problems = Problems()
    assert read_where(where, "/where", problems, steps=("a",)) is None
    assert [(p.pointer, p.code) for p in problems.found] == [(f"/where{pointer}", code)]


def test_a_ref_is_a_field_of_an_earlier_event() -> None:
    where = condition("user", "eq", ref="a.last.name.first")
    node = read_condition(where, "", Problems(), steps=("a",))
    assert node is not None
    assert [found for found in walk(node) if isinstance(found, StepField)] == [
        StepField("a", "last", ("name", "first"))
    ]


def test_any_of() -> None:
    problems = Problems()
    node = read_any_of(
        ["user == 'bob'", [condition("attempts", "gt", 2), "ip != ''"]], "", problems
    )
    assert node is not None
    assert compile_predicate(node, EventLayout())(make_event(EVENT))
    assert read_any_of("user == 'bob'", "/anyOf", problems) is None
    assert problems.found[0].pointer == "/anyOf"


def test_every_condition_of_a_list_is_looked_at() -> None:
    where = [condition("a", "eqq", 1), "b ==", condition("c", "eq")]
    assert [pointer for pointer, _ in places_of(pattern(steps=[{"where": where}]))] == [
        "/steps/0/where/0/operator",
        "/steps/0/where/1",
        "/steps/0/where/2",
    ]


def test_an_unknown_operator_names_the_nearest_and_all() -> None:
    (problem,) = problems_of(pattern(steps=[{"where": condition("a", "startswith", "x")}]))
    assert "startsWith" in problem.message
