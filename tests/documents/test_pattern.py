"""Patterns: from a document to its plan, or to every one of its problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.documents.documents import pattern, places_of, problems_of, refused, step

from summit.base import limits
from summit.cep.rules import prepare_rule
from summit.documents import (
    PatternDocument,
    lower_pattern,
    parse_documents,
    validate_document,
    validate_pattern,
)
from summit.documents.plan import AfterMatchPlan, Limits
from summit.events.expressions.parser import parse_predicate
from summit.events.expressions.unparse import unparse

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ({}, "id", "p"),
        ({}, "name", "p"),
        ({"name": "A rule"}, "name", "A rule"),
        ({"description": "What"}, "description", "What"),
        ({"description": ""}, "description", ""),
        ({"version": 3}, "version", 3),
        ({"version": "3.1"}, "version", "3.1"),
        ({}, "version", None),
        ({}, "enabled", True),
        ({"enabled": False}, "enabled", False),
        ({"topics": ["auth.*", "web"]}, "topics", ("auth.*", "web")),
        ({}, "topics", ()),
        ({"groupBy": ["a.b", "c"]}, "group_by", (("a", "b"), ("c",))),
        ({"groupBy": []}, "group_by", ()),
        ({"groupBy": None}, "group_by", ()),
        ({"within": 1500}, "within_ms", 1500),
        ({"within": "1.5s"}, "within_ms", 1500),
        ({"within": "2h"}, "within_ms", 7_200_000),
        ({"within": None}, "within_ms", None),
        ({}, "after_match", AfterMatchPlan("pastLast")),
        ({"afterMatch": "noSkip"}, "after_match", AfterMatchPlan("noSkip")),
        ({"afterMatch": "toNext"}, "after_match", AfterMatchPlan("toNext")),
        ({"afterMatch": {"toFirst": "a"}}, "after_match", AfterMatchPlan("toFirst", "a")),
        ({"afterMatch": {"toLast": "a"}}, "after_match", AfterMatchPlan("toLast", "a")),
        ({}, "limits", Limits()),
        ({"limits": {"keys": 5}}, "limits", Limits(keys=5)),
        ({"limits": {"runsPerKey": 7}}, "limits", Limits(runs_per_key=7)),
        ({"tags": ["attack.t1110", "b"]}, "tags", ("attack.t1110", "b")),
        ({"emit": "all", "matching": "ordered", "allowedLateness": 0}, "emit", "all"),
        ({"strictOrder": False, "allowedLateness": "0s"}, "lateness_ms", 0),
        ({"allowedLateness": "5s"}, "lateness_ms", 5_000),
    ],
)
def test_a_field_of_the_plan(fields: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(lower_pattern(pattern(**fields)), attribute) == expected


def test_where_is_the_rules_own_stream() -> None:
    plan = lower_pattern(pattern(where='source == "vpn"'))
    assert plan.where == parse_predicate('source == "vpn"')


def test_steps_in_order() -> None:
    plan = lower_pattern(pattern(steps=[step("a", times={"min": 2}), step("b", relation="next")]))
    assert [(s.name, s.relation, s.times_min, s.times_max) for s in plan.steps] == [
        ("a", "followedBy", 2, None),
        ("b", "next", 1, 1),
    ]


INVALID = "document.invalid"
LATER = "pattern.not_available"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": None}, [("/id", INVALID)]),
        ({"id": ""}, [("/id", INVALID)]),
        ({"id": 5}, [("/id", INVALID)]),
        ({"id": "a/b"}, [("/id", INVALID)]),
        ({"id": "a b"}, [("/id", INVALID)]),
        ({"id": "x" * 201}, [("/id", INVALID)]),
        ({"kind": "stream"}, [("/kind", INVALID)]),
        ({"name": 5}, [("/name", INVALID)]),
        ({"description": ["x"]}, [("/description", INVALID)]),
        ({"version": 1.5}, [("/version", INVALID)]),
        ({"version": True}, [("/version", INVALID)]),
        ({"enabled": "yes"}, [("/enabled", INVALID)]),
        ({"owner": 5}, [("/owner", INVALID)]),
        ({"tags": "x"}, [("/tags", INVALID)]),
        ({"tags": ["a", "a"]}, [("/tags/1", INVALID)]),
        ({"tags": [1, ""]}, [("/tags/0", INVALID), ("/tags/1", INVALID)]),
        ({"topics": "auth"}, [("/topics", INVALID)]),
        ({"topics": True}, [("/topics", INVALID)]),
        ({"topics": []}, [("/topics", INVALID)]),
        ({"topics": ["a b"]}, [("/topics/0", INVALID)]),
        ({"topics": ["ok", "_summit.x"]}, [("/topics/1", INVALID)]),
        ({"topics": ["a.dlq", "alerts"]}, [("/topics/0", INVALID), ("/topics/1", INVALID)]),
        ({"groupBy": "user"}, [("/groupBy", INVALID)]),
        ({"groupBy": ["a..b"]}, [("/groupBy/0", "path.invalid")]),
        ({"groupBy": [5]}, [("/groupBy/0", INVALID)]),
        ({"groupBy": ["a", "a"]}, [("/groupBy/1", INVALID)]),
        ({"within": 0}, [("/within", INVALID)]),
        ({"within": -1}, [("/within", "duration.invalid")]),
        ({"within": "5 parsecs"}, [("/within", "duration.invalid")]),
        ({"within": 1.5}, [("/within", "duration.invalid")]),
        ({"within": True}, [("/within", "duration.invalid")]),
        ({"where": "a =="}, [("/where", "expression.syntax")]),
        ({"where": "a.last.x == 1 && count(a) > 2"}, [("/where", "expression.unknown_step")]),
        ({"afterMatch": "skip"}, [("/afterMatch", INVALID)]),
        ({"afterMatch": "toFirst"}, [("/afterMatch", INVALID)]),
        ({"afterMatch": {"toFirst": "b"}}, [("/afterMatch/toFirst", INVALID)]),
        ({"afterMatch": {"toFirst": 5}}, [("/afterMatch/toFirst", INVALID)]),
        ({"afterMatch": {}}, [("/afterMatch", INVALID)]),
        ({"afterMatch": {"toFirst": "a", "toLast": "a"}}, [("/afterMatch", INVALID)]),
        (
            {"afterMatch": {"first": "a"}},
            [("/afterMatch/first", INVALID), ("/afterMatch", INVALID)],
        ),
        ({"limits": 5}, [("/limits", INVALID)]),
        ({"limits": {"keys": 0}}, [("/limits/keys", INVALID)]),
        ({"limits": {"runsPerKey": "many"}}, [("/limits/runsPerKey", INVALID)]),
        ({"limits": {"runs": 1}}, [("/limits/runs", INVALID)]),
        ({"limits": {"ttl": 0}}, [("/limits/ttl", INVALID)]),
        ({"limits": {"ttl": "1h"}, "within": "5m"}, [("/limits/ttl", INVALID)]),
        ({"emit": "some"}, [("/emit", INVALID)]),
        ({"matching": 5}, [("/matching", INVALID)]),
        ({"steps": None}, [("", INVALID)]),
        ({"steps": []}, [("/steps", INVALID)]),
        ({"steps": {}}, [("/steps", INVALID)]),
        ({"conditions": [{"eventType": "a"}]}, [("/conditions", INVALID)]),
        ({"emit": "longest", "within": None}, [("/emit", INVALID)]),
        ({"strictOrder": 1}, [("/strictOrder", INVALID)]),
        ({"severity": "high"}, [("/severity", INVALID)]),
        ({"allowedLateness": "-5s"}, [("/allowedLateness", "duration.invalid")]),
        ({"suppress": {}}, [("/suppress/for", INVALID)]),
        ({"suppress": {"for": 0}}, [("/suppress/for", INVALID)]),
        ({"suppress": {"for": "1m", "untl": 1}}, [("/suppress/untl", INVALID)]),
        (
            {"groupBy": ["ip"], "suppress": {"for": "1m", "by": ["ip", "a..b"]}},
            [("/suppress/by/1", "path.invalid")],
        ),
        (
            {"groupBy": ["ip", "user"], "suppress": {"for": "1m", "by": ["ip", "host"]}},
            [("/suppress/by", INVALID)],
        ),
    ],
)
def test_a_problem(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert places_of(pattern(**fields)) == expected


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("groupby", "groupBy"),
        ("group_by", "groupBy"),
        ("aftermatch", "afterMatch"),
        ("stpes", "steps"),
        ("agregates", "aggregates"),
        ("zzz", ""),
    ],
)
def test_an_unknown_field_names_the_nearest(name: str, suggestion: str) -> None:
    (problem,) = problems_of({**pattern(), name: []})
    assert (problem.pointer, problem.suggestion) == (f"/{name}", suggestion)
    assert problem.message == f"a pattern has no field '{name}'"


def test_all_problems_are_raised_at_once() -> None:
    document = pattern(
        id=None,
        within="soon",
        groupby=["x"],
        steps=[{"where": "a ==", "relation": "notNext"}, {"whre": "b", "times": 0}],
        action={"type": "alert", "config": {"severity": "urgent", "title": "${"}},
        tests=[{"events": []}],
    )
    error = refused(lambda: validate_pattern(document, source="r.yaml:7"))
    assert error.code == INVALID
    assert [problem.pointer for problem in error.details["problems"]] == [
        "/groupby",
        "/id",
        "/within",
        "/steps/0/where",
        "/steps/1/whre",
        "/steps/1/times",
        "/steps/1/where",
        "/steps/0/relation",
        "/action/config/severity",
        "/action/config/title",
        "/tests/0/events",
        "/tests/0/expect",
    ]
    assert str(error) == (
        "r.yaml:7: a pattern without an id: /groupby: a pattern has no field 'groupby' "
        "(did you mean 'groupBy'?) (and 11 more problems)"
    )


def test_the_text_of_a_single_problem() -> None:
    document = {"id": "p", "windowConfig": {"type": "sliding", "size": 5, "slide": 6},
                "conditions": [{"eventType": "a"}, {"eventType": "b"}],
                "action": {"type": "alert"}}  # fmt: skip
    error = refused(lambda: validate_pattern(document))
    assert error.code == INVALID
    assert str(error).startswith("pattern 'p': /windowConfig/slide: must not be longer than 'size'")
    assert error.http_status == 400


def test_a_field_that_is_null_was_not_given() -> None:
    document = {**pattern(), "having": None, "where": None, "description": None, "limits": None}
    assert lower_pattern(document).semantic_hash == lower_pattern(pattern()).semantic_hash


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"groupBy": None}, ["there is no groupBy"]),
        ({"groupBy": None, "steps": [step("a", times=2)]}, ["there is no groupBy"]),
        ({"groupBy": None, "steps": [step("a"), step("b")]}, ["there is no groupBy"]),
        ({"within": None}, []),
        ({"within": None, "steps": [step("a", times=3)]}, ["step 'a' collects events without"]),
        ({"within": None, "steps": [step("a"), step("b")]}, ["a match that was begun is kept"]),
        ({"within": None, "steps": [step("a"), step("b", within="5s")]}, []),
        (
            {"steps": [step("failed"), step("b", where="user == faild.last.user")]},
            ["'faild.last.user' is a field of the event: no step is called 'faild' (did you mean"],
        ),
        ({"steps": [step("failed"), step("b", where="user == failed.last.user")]}, []),
        ({"enabled": False}, ["the pattern is not enabled"]),
        (
            {"action": {"type": "alert", "config": {"notify": ["x", "y"]}}},
            [],
        ),
    ],
)
def test_warnings(fields: dict[str, Any], expected: list[str]) -> None:
    warnings = validate_pattern(pattern(**fields)).warnings
    assert len(warnings) == len(expected)
    for warning, part in zip(warnings, expected, strict=True):
        assert part in warning


def test_the_document_again() -> None:
    document = pattern(version=2)
    checked = validate_pattern(document)
    assert checked.to_dict() == {"kind": "pattern", **document}
    assert validate_pattern(checked.to_dict()).plan == checked.plan
    assert lower_pattern(checked) is checked.plan


@pytest.mark.parametrize("name", ["examples/ssh/rules.yaml", "src/summit/cli/demo/rules.yaml"])
def test_the_rules_that_are_shipped(name: str) -> None:
    for parsed in parse_documents((ROOT / name).read_bytes(), name):
        document = validate_document(parsed)
        assert isinstance(document, PatternDocument)
        prepare_rule(document.plan)
        assert document.plan.group_by
        assert document.plan.within_ms
        assert document.warnings == () or "notifications" in document.warnings[0]


def test_the_pattern_of_the_documentation() -> None:
    """The example of the document reference, without what is not built."""
    document = pattern(
        id="ssh-bruteforce-login",
        groupBy=["sourceIP"],
        where='eventType.startsWith("auth.")',
        steps=[
            {
                "name": "failed",
                "where": 'eventType == "auth.login.failed"',
                "times": {"min": 5},
                "contiguity": "relaxed",
                "greedy": False,
                "until": 'eventType == "auth.reset"',
            },
            {
                "name": "success",
                "relation": "followedBy",
                "where": [
                    {"field": "eventType", "operator": "eq", "value": "auth.login.success"},
                    {"field": "user", "operator": "eq", "ref": "failed.last.user"},
                ],
                "optional": False,
                "within": "30s",
            },
        ],
        matching="ordered",
        allowedLateness=0,
        limits={"runsPerKey": 1000, "keys": 1000000},
    )
    plan = lower_pattern(document)
    assert plan.steps[1].predicate is not None
    assert unparse(plan.steps[1].predicate) == (
        '((eventType == "auth.login.success") && (user == failed.last.user))'
    )
    prepare_rule(plan)


def test_a_pattern_as_large_as_it_may_be_can_be_prepared() -> None:
    count = limits.PATTERN_STEPS_MAX
    times = limits.PATTERN_STATES_MAX // count
    steps = [step(f"s{n}", times={"min": 1, "max": times}, optional=True) for n in range(count)]
    prepare_rule(lower_pattern(pattern(steps=steps)))
    assert places_of(pattern(steps=[*steps, step("more")])) == [("/steps", INVALID)]
    steps[0]["times"] = {"min": 1, "max": times + 1}
    assert places_of(pattern(steps=steps)) == [("/steps", INVALID)]


def test_the_list_of_problems_is_bounded() -> None:
    document = {**pattern(), **{f"field{n}": n for n in range(500)}}
    error = refused(lambda: validate_pattern(document))
    assert len(error.details["problems"]) == limits.DOCUMENT_PROBLEMS_MAX
    assert str(error).endswith("(and 499 more problems)")


def test_a_pattern_without_within_may_say_when_it_forgets_a_key() -> None:
    rule = pattern(within=None, steps=[step("a"), step("b")])
    assert [text for text in validate_pattern(rule).plan.warnings if "within" in text]
    found = validate_pattern({**rule, "limits": {"ttl": "2h"}}).plan
    assert found.limits.ttl_ms == 7_200_000
    assert not [text for text in found.warnings if "within" in text]
