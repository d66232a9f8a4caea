"""The index of rules: whom an event concerns, against putting every event to every rule."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cep.plans import equals, event, matcher_of, of_type, offsets, pattern, run

from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan, StepPlan
from summit.events.expressions.generator import compile_predicate
from summit.events.expressions.ir import (
    And,
    AnyIn,
    Arithmetic,
    Compare,
    Field,
    In,
    ListOf,
    Literal,
    Node,
    Not,
    Or,
    Present,
    StartsWith,
)
from summit.events.layouts import TypedLayout
from summit.keyed.probes import Interest
from summit.keyed.ruleset import RuleSet
from summit.keyed.specialise import specialise
from summit.keyed.type_index import ERRORS

TYPE = ("eventType",)
types = st.sampled_from(["a", "b", "ab", "c", ""])
values = st.sampled_from(["x", "y", 1, 1.0, True, 0, None, ["x", 1], {"x": 1}])

leaves = st.one_of(
    types.map(of_type),
    types.map(lambda name: Compare("==", Literal(name), Field(TYPE))),
    types.map(lambda name: Compare("!=", Field(TYPE), Literal(name))),
    types.map(lambda name: StartsWith(Field(TYPE), Literal(name))),
    st.lists(types, max_size=2).map(
        lambda names: In(Field(TYPE), ListOf(tuple(map(Literal, names))))
    ),
    st.just(Present(Field(TYPE))),
    st.builds(
        lambda name, value: Compare("==", Field((name,)), Literal(value)),
        st.sampled_from(["f", "g"]),
        st.sampled_from(["x", "y", 1, True, 0]),
    ),
    st.just(AnyIn(Field(("f",)), ListOf((Literal("x"), Literal(1))))),
    st.just(Literal(True)),
    st.just(Literal(False)),
)
nodes = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda items: And(tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: Or(tuple(items))),
        inner.map(Not),
    ),
    max_leaves=5,
)
bodies = st.fixed_dictionaries(
    {},
    optional={"eventType": types | values, "f": values, "g": values, "data": st.just({"f": "x"})},
)


def plans_of(predicates: list[tuple[Node, Node | None, str]]) -> list[PatternPlan]:
    return [
        pattern(
            StepPlan("a", predicate=of_type("never")),
            StepPlan("b", relation=relation, predicate=predicate),  # type: ignore[arg-type]
            pattern_id=f"{number:03}",
            where=where,
            group_by=(),
        )
        for number, (predicate, where, relation) in enumerate(predicates)
    ]


def found_masks(rules: RuleSet, body: dict[str, Any]) -> dict[int, int]:
    """Rule number -> mask, as the index says; the same for every way of decoding."""
    index = rules.index("t")
    assert index is not None
    value = json.dumps(body).encode()
    masks = masks_of(index.decode_unusual(value).find())
    try:
        decoded = index.decode(value)
    except ERRORS:
        assert type(body.get("eventType")) is not str
    else:
        assert masks_of(decoded.find()) == masks
    return masks


def masks_of(found: Iterable[Interest]) -> dict[int, int]:
    numbers = [one.rule for one in found]
    assert numbers == sorted(set(numbers))
    return {one.rule: one.mask for one in found}


@settings(max_examples=80, deadline=None)
@given(
    predicates=st.lists(
        st.tuples(nodes, st.none() | nodes, st.sampled_from(["next", "followedBy"])),
        min_size=1,
        max_size=8,
    ),
    events=st.lists(bodies, min_size=1, max_size=6),
)
def test_the_index_says_what_every_rule_would_say(
    predicates: list[tuple[Node, Node | None, str]], events: list[dict[str, Any]]
) -> None:
    rules = compile_rules(plans_of(predicates))
    for body in events:
        decoded = rules.decode(json.dumps(body).encode())
        masks = found_masks(rules, body)
        for number, (predicate, where, relation) in enumerate(predicates):
            if where is not None and not compile_predicate(where, rules.layout)(decoded):
                assert number not in masks
                continue
            mask = 2 if compile_predicate(predicate, rules.layout)(decoded) else 0
            if compile_predicate(of_type("never"), rules.layout)(decoded):
                mask |= 1
            if mask or relation == "next":
                assert masks[number] == mask
            else:
                assert masks.get(number, 0) == 0


@settings(max_examples=80, deadline=None)
@given(node=nodes, name=types, body=bodies)
def test_specialised_is_the_same_for_its_type(node: Node, name: str, body: dict[str, Any]) -> None:
    layout = TypedLayout([TYPE, ("f",), ("g",)])
    decoded = layout.decode(msgspec.json.encode({**body, "eventType": name}))
    left = specialise(node, TYPE, name)
    holds = left if isinstance(left, bool) else compile_predicate(left, layout)(decoded)
    assert holds is compile_predicate(node, layout)(decoded)


def many(count: int) -> list[PatternPlan]:
    """Rules for one event type, each for a user of its own, and some for other types."""
    return [
        pattern(
            StepPlan("a", predicate=And((of_type("login"), equals("user", f"user{n}")))),
            pattern_id=f"r{n:04}",
        )
        for n in range(count)
    ]


def test_an_irrelevant_event_costs_one_look_up_however_many_rules() -> None:
    rules = compile_rules(many(500))
    index = rules.index("t")
    assert index is not None
    assert index["http.request"] is None


def test_rules_for_one_type_are_found_by_another_field() -> None:
    rules = compile_rules(many(500))
    index = rules.index("t")
    assert index is not None
    probe = index["login"]
    assert probe is not None
    decoded = rules.decode(event("login", 1, user="user123"))
    assert [rules.rules[i.rule].plan.id for i in probe.find(decoded)] == ["r0123"]
    assert probe.find(rules.decode(event("login", 1, user="nobody"))) == ()


def test_equal_predicates_are_tested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = Compare("==", Field(("n",)), Arithmetic("*", Field(("m",)), Literal(2)))
    tested = []
    monkeypatch.setattr(
        "summit.events.values.equal", lambda one, two: tested.append(one) or one == two
    )
    plans = [pattern(StepPlan("a", predicate=condition), pattern_id=f"r{n}") for n in range(20)]
    rules = compile_rules(plans)
    index = rules.index("t")
    assert index is not None
    probe = index["a"]
    assert probe is not None
    assert len(probe.find(rules.decode(event("a", 1, n=6, m=3)))) == 20
    assert tested == [6]


def test_types_beyond_the_limit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.keyed.type_index.INDEXED_TYPES_MAX", 5)
    matcher = matcher_of(
        pattern(StepPlan("a", predicate=StartsWith(Field(TYPE), Literal("k"))), pattern_id="open"),
        pattern(StepPlan("a", predicate=of_type("k999")), pattern_id="one"),
    )
    found = run(matcher, *[event(f"k{n}", n, user="u") for n in range(1_000)])
    assert offsets(found) == [*[[n] for n in range(1_000)], [999]]
    index = matcher.rules.index("t")
    assert index is not None
    assert len(index) <= 6
