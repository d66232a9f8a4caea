"""Patterns with a window: what is read, what is refused and where."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import places_of

from summit.documents import lower_pattern
from summit.documents.window_plan import WindowPlan

INVALID, LATER = "document.invalid", "pattern.not_available"


def rule(**fields: Any) -> dict[str, Any]:
    return {
        "id": "w", "groupBy": ["ip"], "where": "eventType == 'x'",
        "window": {"type": "sliding", "size": "60s"}, "having": "count() > 5", **fields,
    }  # fmt: skip


def window_of(**fields: Any) -> WindowPlan:
    window = lower_pattern(rule(**fields)).window
    assert window is not None
    return window


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"window": {"type": kind, "size": "5s", **more}}


def test_what_a_window_is() -> None:
    plan = window_of()
    assert (plan.kind, plan.size_ms, plan.slide_ms, plan.gap_ms) == ("sliding", 60_000, None, None)
    assert plan.is_trailing
    assert (plan.rearm, plan.on_empty, plan.by_groups) == ("window", False, False)
    assert [call.text for call in plan.calls] == ["count()"]
    session = window_of(window={"type": "session"}, having=None)
    assert (session.kind, session.size_ms, session.gap_ms) == ("session", None, 5_000)
    assert window_of(having="count() == 0").on_empty
    assert window_of(having="count() < 5 || sum(x) > 1").on_empty
    assert not window_of(having="max(x) < 5").on_empty


def test_what_texts_ask_for_is_computed_too() -> None:
    config = {"severity": "low", "title": "${distinct(user)} of ${count()} by ${ip}"}
    plan = window_of(
        action={"type": "alert", "config": config},
        severity={"high": "percentile(size, 99) > 10"},
        aggregates=[{"name": "most", "field": "size", "function": "max"}],
    )
    texts = [call.text for call in plan.calls]
    assert texts == ["count()", "distinct(user)", "max(size)", "percentile(size, 99)"]
    assert plan.names == (("most", "max(size)"),)


def test_both_spellings_mean_the_same() -> None:
    named = rule(
        aggregates=[{"name": "ports", "field": "port", "function": "distinct"}],
        having=[{"field": "ports", "operator": "gt", "value": 20}],
    )
    text = rule(having="distinct(port) > 20")
    assert lower_pattern(named).semantic_hash == lower_pattern(text).semantic_hash
    bare = rule(having=[{"field": "count", "operator": "gt", "value": 5}])
    assert lower_pattern(bare).semantic_hash == lower_pattern(rule()).semantic_hash


def test_the_guides_form_is_any_of_its_conditions() -> None:
    document = rule(
        where=None, window=None, having="score() > 70", score={"a": 50, "b": 40},
        windowConfig={"type": "sliding", "size": 86_400_000},
        conditions=[
            {"eventType": "a"}, {"field": "size", "operator": "gt", "value": 5}, {"eventType": "b"},
        ],
    )  # fmt: skip
    (step,) = lower_pattern(document).steps
    expected = rule(where="(eventType == 'a' && size > 5) || eventType == 'b'")
    assert step.predicate == lower_pattern(expected).steps[0].predicate


def test_a_session_of_one_condition_is_a_window() -> None:
    document = rule(
        where=None, window=None, having=None, conditions=[{"eventType": "beat"}],
        windowConfig={"type": "session", "size": 300_000, "gap": 60_000},
    )  # fmt: skip
    window = lower_pattern(document).window
    assert window is not None
    assert (window.kind, window.gap_ms, window.having) == ("session", 60_000, None)


def test_the_id_of_alerts_and_the_state_change_with_what_they_mean() -> None:
    plain = lower_pattern(rule())
    for fields, same_alerts, same_state in (
        ({"name": "other", "tags": ["x"], "limits": {"keys": 5}}, True, True),
        ({"having": "count() > 6"}, False, True),
        ({"rearm": "always"}, False, True),
        ({"window": {"type": "sliding", "size": "61s"}}, False, False),
        ({"where": "eventType == 'y'"}, False, False),
        ({"groupBy": ["user"]}, False, False),
        ({"having": "count() > 5 && sum(x) > 0"}, False, False),
    ):
        other = lower_pattern(rule(**fields))
        assert plain.window is not None
        assert other.window is not None
        assert (other.semantic_hash == plain.semantic_hash) is same_alerts, fields
        assert (other.window.state_hash == plain.window.state_hash) is same_state, fields


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"window": None}, [("/window", INVALID)]),
        ({"window": 5}, [("/window", INVALID)]),
        ({"window": {"size": "5s"}}, [("/window/type", INVALID)]),
        ({"window": {"type": "hopping", "size": "5s"}}, [("/window/type", INVALID)]),
        ({"window": {"type": "sliding"}}, [("/window/size", INVALID)]),
        (of("tumbling", slide="1s"), [("/window/slide", INVALID)]),
        (of("sliding", slide="2s"), [("/window/slide", INVALID)]),
        (of("sliding", slide="6s"), [("/window/slide", INVALID)]),
        (of("sliding", size="5h", slide="1s"), [("/window/slide", INVALID)]),
        ({"window": {"type": "sliding", "size": "5s", "gap": "6s"}}, [("/window/gap", INVALID)]),
        ({"window": {"type": "session", "gap": "6s", "size": "5s"}}, [("/window/size", INVALID)]),
        ({"having": None}, [("/having", INVALID)]),
        ({"having": "count(a, b) > 5"}, [("/having", "expression.syntax")]),
        ({"having": "percentile(a, 101) > 5"}, [("/having", "expression.syntax")]),
        ({"having": "median(a) > 5"}, [("/having", "expression.unknown_function")]),
        ({"having": "count()"}, [("/having", INVALID)]),
        ({"having": "ports > 5"}, [("/having", INVALID)]),
        ({"having": "score() > 5"}, [("/score", INVALID)]),
        ({"score": {"a": 5}}, [("/having", INVALID)]),
        ({"score": {"a": "5"}, "having": "score() > 1"}, [("/score/a", INVALID)]),
        ({"having": "zscore(sum(x), groups) > 3"}, [("/window", INVALID)]),
        ({"where": None}, [("", INVALID)]),
        ({"steps": [{"where": "true"}]}, [("/steps", INVALID)]),
        ({"within": "5s"}, [("/within", INVALID)]),
        ({"aggregates": [5]}, [("/aggregates/0", INVALID)]),
        ({"aggregates": [{"name": "a", "function": "sum"}]}, [("/aggregates/0/field", INVALID)]),
        ({"aggregates": [{"name": "a"}]}, [("/aggregates/0/function", INVALID)]),
        (
            {"aggregates": [{"name": "a", "function": "percentile", "field": "x"}]},
            [("/aggregates/0/percentile", INVALID)],
        ),
        (
            {"window": {"type": "session", "gap": "5s"}, "having": "count() == 0"},
            [("/having", INVALID)],
        ),
        ({"rearm": "never"}, [("/rearm", INVALID)]),
        ({"rearm": "after: 10m"}, [("/rearm", INVALID)]),
        ({"rearm": {"after": 0}}, [("/rearm/after", INVALID)]),
        ({"expectedKeys": ["a"]}, [("/expectedKeys", INVALID)]),
        ({"expectedKeys": [["a", "b"]], "having": "count() == 0"}, [("/expectedKeys/0", INVALID)]),
        ({"expectedKeys": [{}], "having": "count() == 0"}, [("/expectedKeys/0", INVALID)]),
        ({"limits": {"runsPerKey": 5}}, [("/limits/runsPerKey", INVALID)]),
        ({"limits": {"evidence": 0}}, [("/limits/evidence", INVALID)]),
    ],
)  # fmt: skip
def test_a_problem(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert places_of(rule(**fields)) == expected
