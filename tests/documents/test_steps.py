"""Steps: what each field gives, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.documents import pattern, places_of, problems_of, step

from summit.base.errors import Invalid
from summit.cep.rules import prepare_rule
from summit.documents import lower_pattern, validate_pattern
from summit.documents.plan import PatternPlan, StepPlan
from summit.events.expressions.ir import And, Or
from summit.events.expressions.parser import parse_predicate

INVALID = "document.invalid"


def only_step(**fields: Any) -> StepPlan:
    return lower_pattern(pattern(steps=[{"where": "a == 1", **fields}])).steps[0]


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ({}, "name", "step1"),
        ({"name": "failed"}, "name", "failed"),
        ({"name": "first-try_2"}, "name", "first-try_2"),
        ({"name": "versuch_größe"}, "name", "versuch_größe"),
        ({}, "times_min", 1),
        ({}, "times_max", 1),
        ({"times": 3}, "times_min", 3),
        ({"times": 3}, "times_max", 3),
        ({"times": {"min": 2}}, "times_min", 2),
        ({"times": {"min": 2}}, "times_max", None),
        ({"times": {"min": 2, "max": 4}}, "times_max", 4),
        ({"times": {"max": 4}}, "times_min", 1),
        ({}, "relation", "followedBy"),
        ({"relation": "next"}, "relation", "followedBy"),  # on the first step it says nothing
        ({}, "contiguity", "relaxed"),
        ({"contiguity": "strict"}, "contiguity", "relaxed"),  # it does not repeat
        ({"contiguity": "strict", "times": 2}, "contiguity", "strict"),
        ({"contiguity": "any", "times": {"min": 1}}, "contiguity", "any"),
        ({"optional": True}, "optional", True),
        ({"greedy": True, "times": {"min": 1}}, "greedy", True),
        ({"until": "b == 2", "times": {"min": 1}}, "until", parse_predicate("b == 2")),
        ({}, "until", None),
        ({}, "within_ms", None),
        ({}, "predicate", parse_predicate("a == 1")),
        ({"where": ["a == 1", "b == 2"]}, "predicate", parse_predicate("a == 1 && b == 2")),
        ({"anyOf": ["b == 2", "c == 3"]}, "predicate",
         parse_predicate("a == 1 && (b == 2 || c == 3)")),
    ],
)  # fmt: skip
def test_a_field_of_a_step(fields: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(only_step(**fields), attribute) == expected


@pytest.mark.parametrize("relation", ["next", "followedBy", "followedByAny"])
def test_relations(relation: str) -> None:
    plan = lower_pattern(pattern(steps=[step("a"), step("b", relation=relation, within="5s")]))
    assert (plan.steps[1].relation, plan.steps[1].within_ms) == (relation, 5_000)


@pytest.mark.parametrize("relation", ["notNext", "notFollowedBy"])
def test_negative_steps(relation: str) -> None:
    plan = lower_pattern(pattern(steps=[step("a"), step("b", relation=relation), step("c")]))
    assert plan.steps[1].relation == relation
    prepare_rule(plan)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["a"], [("/steps/0", INVALID)]),
        ([{}], [("/steps/0/where", INVALID)]),
        ([{"where": 5}], [("/steps/0/where", INVALID)]),
        ([{"where": True}], [("/steps/0/where", INVALID)]),
        ([{"where": []}], [("/steps/0/where", INVALID)]),
        ([{"where": ["a == 1", "b =="]}], [("/steps/0/where/1", "expression.syntax")]),
        ([{"where": "size(a)"}], [("/steps/0/where", "expression.type")]),
        ([{"anyOf": ["a == 1"]}], [("/steps/0/anyOf", INVALID)]),
        ([{"anyOf": ["a == 1", "b &&"]}], [("/steps/0/anyOf/1", "expression.syntax")]),
        ([{"where": "a", "until": "b"}], [("/steps/0/until", INVALID)]),
        ([{"where": "a", "until": "b =", "times": {"min": 1}}],
         [("/steps/0/until", "expression.syntax")]),
        ([{"where": "a", "wehre": "b"}], [("/steps/0/wehre", INVALID)]),
        ([{"where": "a", "name": ""}], [("/steps/0/name", INVALID)]),
        ([{"where": "a", "name": 5}], [("/steps/0/name", INVALID)]),
        ([{"where": "a", "name": "a.b"}], [("/steps/0/name", INVALID)]),
        ([{"where": "a", "name": "a`b"}], [("/steps/0/name", INVALID)]),
        ([{"where": "a", "name": "true"}], [("/steps/0/name", INVALID)]),
        ([{"where": "a", "name": "x" * 65}], [("/steps/0/name", INVALID)]),
        ([step("a"), step("a")], [("/steps/1/name", INVALID)]),
        ([{"where": "a"}, {"where": "b", "name": "step1"}], [("/steps/1/name", INVALID)]),
        ([step("a", times=0)], [("/steps/0/times", INVALID)]),
        ([step("a", times=-1)], [("/steps/0/times", INVALID)]),
        ([step("a", times=1.5)], [("/steps/0/times", INVALID)]),
        ([step("a", times=True)], [("/steps/0/times", INVALID)]),
        ([step("a", times="3")], [("/steps/0/times", INVALID)]),
        ([step("a", times=1001)], [("/steps/0/times", INVALID)]),
        ([step("a", times={})], [("/steps/0/times", INVALID)]),
        ([step("a", times={"min": 0})], [("/steps/0/times/min", INVALID)]),
        ([step("a", times={"min": 3, "max": 2})], [("/steps/0/times/max", INVALID)]),
        ([step("a", times={"min": 1, "most": 2})], [("/steps/0/times/most", INVALID)]),
        ([step("a", times={"min": 10**9})], [("/steps/0/times/min", INVALID)]),
        ([step("a", relation="after")], [("/steps/0/relation", INVALID)]),
        ([step("a", contiguity="loose")], [("/steps/0/contiguity", INVALID)]),
        ([step("a", optional="no")], [("/steps/0/optional", INVALID)]),
        ([step("a", within="5s")], [("/steps/0/within", INVALID)]),
        ([step("a"), step("b", within=0)], [("/steps/1/within", INVALID)]),
        # groups
        ([{"steps": []}], [("/steps/0/steps", INVALID)]),
        ([{"steps": "a"}], [("/steps/0/steps", INVALID)]),
        ([{"steps": [step("a")], "where": "x"}], [("/steps/0/where", INVALID)]),
        ([{"steps": [step("a")], "greedy": True, "times": {"min": 1}}],
         [("/steps/0/greedy", INVALID)]),
        ([step("a"), {"steps": [step("a")]}], [("/steps/1/steps/0/name", INVALID)]),
        ([{"steps": [step("a", optional=True)]}], [("/steps/0/steps", INVALID)]),
        ([{"steps": [step("a"), step("b", relation="notFollowedBy")]}, step("c")],
         [("/steps/0/steps/1/relation", INVALID)]),
        ([{"steps": [step("a", relation="notNext"), step("b")]}],
         [("/steps/0/steps/0/relation", INVALID)]),
        ([step("a"), {"steps": [step("b")], "relation": "notNext"}, step("c")],
         [("/steps/1/steps", INVALID)]),
        ([{"steps": [step("a"), {"where": "count(b) > 1"}], "times": 2}, step("b")],
         [("/steps/0/steps/1/where", "expression.unknown_step")]),
        ([{"steps": [step("a", times=1000)], "times": 3}], [("/steps", INVALID)]),
        # what stands where it cannot
        ([step("a", relation="notNext")],
         [("/steps/0/relation", INVALID), ("/steps/0/relation", INVALID)]),
        ([step("a"), step("b", relation="notNext")], [("/steps/1/relation", INVALID)]),
        ([step("a", optional=True), step("b", relation="notNext"), step("c")],
         [("/steps/1/relation", INVALID)]),
        ([step("a"), step("b", relation="notNext", times=2, optional=True, within=5), step("c")],
         [("/steps/1/times", INVALID), ("/steps/1/optional", INVALID),
          ("/steps/1/within", INVALID)]),
        ([step("a", greedy=True, times={"min": 1}), step("b", optional=True)],
         [("/steps/1/optional", INVALID)]),
        ([step("a", greedy=True, times=2)], [("/steps/0/greedy", INVALID)]),
    ],
)  # fmt: skip
def test_a_problem(steps: list[Any], expected: list[tuple[str, str]]) -> None:
    assert places_of(pattern(steps=steps)) == expected


def test_an_absence_needs_a_within() -> None:
    steps = [step("a"), step("b", relation="notFollowedBy")]
    assert places_of(pattern(steps=steps, within=None)) == [("/within", INVALID)]
    assert validate_pattern(pattern(steps=steps)).plan.within_ms == 60_000


def test_a_wrong_word_names_the_nearest() -> None:
    (problem,) = problems_of(pattern(steps=[step("a", relation="followedby")]))
    assert problem.suggestion == "followedBy"


def test_an_error_in_an_expression_says_where() -> None:
    (problem,) = problems_of(pattern(steps=[{"where": 'user = "eve"'}]))
    assert problem.pointer == "/steps/0/where"
    assert "(column 6)" in problem.message


def test_a_step_refers_to_itself_and_to_those_before_it() -> None:
    lower_pattern(
        pattern(steps=[step("a"), {"name": "b", "where": "x > a.last.x && y > b.last.y"}])
    )
    (problem,) = problems_of(pattern(steps=[{"name": "a", "where": "count(b) > 1"}, step("b")]))
    assert (problem.pointer, problem.code) == ("/steps/0/where", "expression.unknown_step")


def test_nothing_refers_to_a_step_that_takes_no_events() -> None:
    steps = [step("a"), step("b", relation="notNext"), {"where": "count(b) > 1"}]
    document = pattern(
        steps=steps,
        afterMatch={"toLast": "b"},
        action={"type": "alert", "config": {"title": "${count(b)}"}},
    )
    assert places_of(document) == [
        ("/steps/2/where", "expression.unknown_step"),
        ("/afterMatch/toLast", INVALID),
        ("/action/config/title", "expression.unknown_step"),
    ]


def test_conditions_of_a_list_are_flat_and_each_stands_once() -> None:
    found = only_step(where=["a == 1", "b == 2 && c == 3", "a == 1"])
    assert isinstance(found.predicate, And)
    assert len(found.predicate.items) == 3
    assert isinstance(only_step(where="a == 1 || b == 2").predicate, Or)


random_steps = st.lists(
    st.fixed_dictionaries(
        {"where": st.just("a == 1")},
        optional={
            "relation": st.sampled_from(
                ["next", "followedBy", "followedByAny", "notNext", "notFollowedBy"]
            ),
            "times": st.sampled_from([1, 2, {"min": 1}, {"min": 2}, {"min": 1, "max": 3}]),
            "contiguity": st.sampled_from(["strict", "relaxed", "any"]),
            "optional": st.booleans(),
            "greedy": st.booleans(),
            "until": st.just("b == 2"),
        },
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(steps=random_steps)
def test_what_is_accepted_can_be_matched_and_what_cannot_be_matched_is_refused(
    steps: list[dict[str, Any]],
) -> None:
    try:
        plan = validate_pattern(pattern(steps=steps)).plan
    except Invalid as error:
        places = {(problem.pointer, problem.code) for problem in error.details["problems"]}
    else:
        prepare_rule(plan)
        return
    # Refused here and not by the matcher: what has no effect, and what is not driven yet.
    plain = [
        StepPlan(
            f"s{number}",
            relation=given.get("relation", "followedBy"),
            predicate=parse_predicate(given["where"]),
            times_min=_times(given)[0],
            times_max=_times(given)[1],
            optional=given.get("optional", False),
            greedy=given.get("greedy", False),
            until=parse_predicate(given["until"]) if "until" in given else None,
        )
        for number, given in enumerate(steps)
    ]
    try:
        prepare_rule(PatternPlan("p", "p", tuple(plain), within_ms=60_000))
    except Invalid:
        return
    for pointer, code in places:
        reason = pointer.rpartition("/")[2]
        assert code == "pattern.not_available" or reason in ("greedy", "until"), (pointer, steps)


def _times(given: dict[str, Any]) -> tuple[int, int | None]:
    times = given.get("times", 1)
    if isinstance(times, int):
        return times, times
    return times["min"], times.get("max")


def test_a_group_holds_steps_and_repeats_whole() -> None:
    group = {
        "name": "pair",
        "relation": "next",
        "steps": [step("b"), {"where": "v > b.last.v", "within": "5s"}],
        "times": {"min": 2, "max": 3},
        "contiguity": "strict",
        "optional": True,
        "within": "9s",
    }
    found = lower_pattern(pattern(steps=[step("a"), group], afterMatch={"toLast": "b"})).steps[1]
    assert (found.name, found.relation, found.predicate) == ("pair", "next", None)
    assert (found.times_min, found.times_max, found.contiguity) == (2, 3, "strict")
    assert (found.optional, found.within_ms) == (True, 9_000)
    assert [(inner.name, inner.within_ms) for inner in found.group] == [
        ("b", None), ("pair-2", 5_000),
    ]  # fmt: skip


def test_groups_stand_in_groups_but_not_without_end() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"steps": [nested(depth - 1)]} if depth else step("a")

    assert lower_pattern(pattern(steps=[nested(8)])).steps[0].group
    assert places_of(pattern(steps=[nested(9)])) == [
        ("/steps/0" + "/steps/0" * 8 + "/steps", INVALID)
    ]


@pytest.mark.parametrize(
    "name", ["relation", "contiguity", "optional", "greedy", "until", "within", "steps"]
)
def test_steps_in_any_order_say_nothing_of_order(name: str) -> None:
    values = {"relation": "next", "contiguity": "any", "optional": True, "greedy": True,
              "until": "b == 1", "within": "5s", "steps": [step("c")]}  # fmt: skip
    other = {**step("b", times={"min": 1}), name: values[name]}
    places = places_of(pattern(steps=[step("a"), other], matching="unordered"))
    assert (f"/steps/1/{name}", INVALID) in places


def test_steps_in_any_order_know_only_themselves() -> None:
    steps = [step("a"), {"name": "b", "where": "count(b) < 2 && v > b.last.v", "times": {"min": 1}}]
    plan = lower_pattern(pattern(steps=steps, matching="unordered"))
    assert plan.matching == "unordered"
    prepare_rule(plan)
    steps[1]["where"] = "v > a.last.v"
    places = places_of(pattern(steps=steps, matching="unordered"))
    assert places == [("/steps/1/where", "expression.unknown_step")]
    many = [step(f"e{n}", times=9) for n in range(5)]
    assert places_of(pattern(steps=many, matching="unordered")) == [("/steps", INVALID)]
