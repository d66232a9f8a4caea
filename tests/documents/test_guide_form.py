"""The guide's form: flat conditions and a window."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import places_of

from summit.cep.rules import prepare_rule
from summit.documents import lower_pattern, validate_pattern
from summit.events.expressions.unparse import unparse

GUIDE = {
    "id": "suspicious-activity-pattern",
    "name": "Suspicious Activity Detection",
    "description": "Detects multiple failed login attempts followed by successful login",
    "conditions": [
        {
            "field": "eventType",
            "operator": "eq",
            "value": "auth.login.failed",
            "eventType": "auth.login.failed",
        },
        {
            "field": "eventType",
            "operator": "eq",
            "value": "auth.login.success",
            "eventType": "auth.login.success",
        },
    ],
    "windowConfig": {"type": "sliding", "size": 60000},
    "action": {"type": "alert", "config": {"severity": "high", "notify": ["security-team"]}},
}


def guide(*conditions: Any, **fields: Any) -> dict[str, Any]:
    whole = {
        "id": "p",
        "groupBy": ["user"],
        "conditions": list(conditions),
        "windowConfig": {"type": "sliding", "size": 60000},
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def opens(event_type: str, **more: Any) -> dict[str, Any]:
    return {"eventType": event_type, **more}


def check(field: str, value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": "eq", "value": value, **more}


def test_the_pattern_of_the_guide() -> None:
    plan = lower_pattern(GUIDE)
    assert [(s.name, s.relation, s.predicate and unparse(s.predicate)) for s in plan.steps] == [
        ("step1", "followedBy", '(eventType == "auth.login.failed")'),
        ("step2", "followedBy", '(eventType == "auth.login.success")'),
    ]
    assert (plan.within_ms, plan.group_by, plan.after_match.kind) == (60_000, (), "pastLast")
    assert (plan.action.severity, plan.action.notify) == ("high", ("security-team",))
    assert "events of all entities are matched together" in plan.warnings[0]
    prepare_rule(plan)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([opens("a")], [("step1", '(eventType == "a")')]),
        ([check("x")], [("step1", "(x == 1)")]),
        ([check("x"), check("y")], [("step1", "((x == 1) && (y == 1))")]),
        (
            [opens("a"), opens("a")],
            [("step1", '(eventType == "a")'), ("step2", '(eventType == "a")')],
        ),
        (
            [opens("a", **check("x")), check("y"), opens("b"), check("z")],
            [
                ("step1", '((eventType == "a") && (x == 1) && (y == 1))'),
                ("step2", '((eventType == "b") && (z == 1))'),
            ],
        ),
        ([opens("a", step="one"), opens("b", step="two")],
         [("one", '(eventType == "a")'), ("two", '(eventType == "b")')]),
        ([opens("a", step="one"), check("x", step="one")],
         [("one", '((eventType == "a") && (x == 1))')]),
        ([check("x", step="only")], [("only", "(x == 1)")]),
        (
            [opens("a", step="one"), opens("b", field="u", operator="eq", ref="one.last.u")],
            [("one", '(eventType == "a")'), ("step2", '((eventType == "b") && (u == one.last.u))')],
        ),
    ],
)  # fmt: skip
def test_how_a_list_is_read(conditions: list[Any], expected: list[tuple[str, str]]) -> None:
    steps = lower_pattern(guide(*conditions)).steps
    assert [(step.name, step.predicate and unparse(step.predicate)) for step in steps] == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([opens("a", times={"min": 3}), opens("b")], [(3, None), (1, 1)]),
        ([opens("a", times=2), check("x")], [(2, 2)]),
        ([opens("a"), check("x", times=2)], [(2, 2)]),
        ([check("x", times={"min": 1, "max": 4})], [(1, 4)]),
    ],
)
def test_times(conditions: list[Any], expected: list[tuple[int, int | None]]) -> None:
    steps = lower_pattern(guide(*conditions)).steps
    assert [(step.times_min, step.times_max) for step in steps] == expected


@pytest.mark.parametrize(
    ("window", "within_ms"),
    [
        ({"type": "sliding", "size": 60000}, 60_000),
        ({"type": "sliding", "size": "5m"}, 300_000),
        ({"type": "sliding", "size": 1, "allowedLatenessMs": 0}, 1),
        ({"type": "sliding", "size": 1, "slide": None, "gap": None}, 1),
        (None, None),
    ],
)
def test_a_sliding_window_is_a_within(window: Any, within_ms: int | None) -> None:
    assert lower_pattern(guide(opens("a"), windowConfig=window)).within_ms == within_ms


INVALID, LATER = "document.invalid", "pattern.not_available"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (guide(), [("/conditions", INVALID)]),
        (guide(conditions={}), [("/conditions", INVALID)]),
        (guide("a"), [("/conditions/0", INVALID)]),
        (guide(check("x"), opens("a")), [("/conditions/0", INVALID)]),
        (guide(opens("a"), check("x", step="two")), [("/conditions/1/step", INVALID)]),
        (guide(opens("a", step="x"), opens("b", step="x")), [("/conditions/1/step", INVALID)]),
        (guide(opens("a", times=2), check("x", times=3)), [("/conditions/1/times", INVALID)]),
        (guide(opens("a", times=0)), [("/conditions/0/times", INVALID)]),
        (guide(opens("a", oeprator="eq")), [("/conditions/0/oeprator", INVALID)]),
        (guide(opens("a", operator="eq", value=1)), [("/conditions/0/field", INVALID)]),
        (
            guide(opens("a", value=5)),
            [("/conditions/0/field", INVALID), ("/conditions/0/operator", INVALID)],
        ),
        (guide(opens("a"), within="5s"), [("/windowConfig", INVALID)]),
        (guide(opens("a"), windowConfig=5), [("/windowConfig", INVALID)]),
        (guide(opens("a"), windowConfig={"size": 5}), [("/windowConfig/type", INVALID)]),
        (guide(opens("a"), windowConfig={"type": "sliding"}), [("/windowConfig/size", INVALID)]),
        (
            guide(opens("a"), windowConfig={"type": "sliding", "size": 0}),
            [("/windowConfig/size", INVALID)],
        ),
        (
            guide(opens("a"), opens("b"), windowConfig={"type": "session", "gap": 5, "slide": 1}),
            [("/windowConfig/slide", INVALID)],
        ),
        (
            guide(opens("a"), windowConfig={"type": "session", "size": 5, "gap": 6}),
            [("/windowConfig/size", INVALID)],
        ),
        (
            guide(opens("a"), windowConfig={"type": "hopping", "size": 5}),
            [("/windowConfig/type", INVALID)],
        ),
        (
            guide(opens("a"), windowConfig={"type": "sliding", "size": 5, "slide": 6}),
            [("/windowConfig/slide", INVALID)],
        ),
        (
            guide(
                opens("a"),
                allowedLateness=5,
                windowConfig={"type": "sliding", "size": 5, "allowedLatenessMs": 1},
            ),
            [("/windowConfig/allowedLatenessMs", INVALID)],
        ),
    ],
)
def test_a_problem(document: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert places_of(document) == expected


def test_both_spellings_of_a_pattern_mean_the_same() -> None:
    steps = {
        "id": "p",
        "groupBy": ["user"],
        "within": "60s",
        "steps": [
            {"where": {"eventType": "a"}, "times": {"min": 2}},
            {"where": ['eventType == "b"', "x == 1"]},
        ],
    }
    conditions = guide(opens("a", times={"min": 2}), opens("b"), check("x"))
    one, two = validate_pattern(steps).plan, validate_pattern(conditions).plan
    assert one.steps == two.steps
    assert one.semantic_hash == two.semantic_hash
    assert one.document_hash != two.document_hash
