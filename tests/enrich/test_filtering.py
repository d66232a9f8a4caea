"""`Filter` and `Router`: which events go on, and to where."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from summit.documents.filter import validate_filter
from summit.documents.route import validate_route
from summit.enrich.filtering import Filter, Mode
from summit.enrich.routing import Router
from summit.events.event import make_event


def chosen(event: dict[str, Any], *rules: dict[str, Any], mode: Mode = "all") -> tuple[bool, str]:
    plans = [validate_filter({"id": f"f{n}", **each}).plan for n, each in enumerate(rules)]
    return Filter(plans, mode).apply([make_event(event)])[0]


def test_exclude_wins_over_include() -> None:
    include = {"action": "include", "where": "a == 1"}
    exclude = {"action": "exclude", "where": "b == 1"}
    assert chosen({"a": 1}, include, exclude) == (True, "")
    assert chosen({"a": 1, "b": 1}, include, exclude) == (False, "f1")
    assert chosen({"b": 1}, exclude) == (False, "f0")
    assert chosen({"a": 2}, include) == (False, "f0")
    assert chosen({}, exclude) == (True, "")
    assert chosen({}) == (True, "")


def test_conditions_all_hold_and_a_type_is_one_of_them() -> None:
    rule = {
        "action": "include",
        "conditions": [
            {"field": "n", "operator": "gte", "value": 5, "eventType": "x"},
            {"field": "tag", "operator": "exists"},
        ],
    }
    assert chosen({"eventType": "x", "n": 5, "metadata": {"tag": 0}}, rule)[0]
    assert not chosen({"eventType": "y", "n": 5, "tag": 0}, rule)[0]
    assert not chosen({"eventType": "x", "n": 5}, rule)[0]
    assert not chosen({"eventType": "x", "n": "5", "tag": 0}, rule)[0]


@given(
    st.lists(st.tuples(st.sampled_from(["include", "exclude"]), st.integers(0, 3)), max_size=5),
    st.integers(0, 3),
    st.sampled_from(["all", "any"]),
)
def test_against_the_definition(rules: list[tuple[str, int]], n: int, mode: Mode) -> None:
    documents = [{"action": action, "where": f"n == {value}"} for action, value in rules]
    include = [value == n for action, value in rules if action == "include"]
    exclude = [value == n for action, value in rules if action == "exclude"]
    wanted = not any(exclude) and (all if mode == "all" or not include else any)(include)
    assert chosen({"n": n}, *documents, mode=mode)[0] == wanted


def routed(event: dict[str, Any], *rules: dict[str, Any]) -> tuple[Any, Any]:
    plans = [validate_route({"id": f"r{n}", **each}).plan for n, each in enumerate(rules)]
    return Router(plans).apply([make_event(event)])[0]


HIGH = {"where": 'severity == "high"', "topic": ["soc", "all"]}
USER = {"conditions": [{"field": "user", "operator": "exists"}], "topic": ["users", "all"]}
REST = {"default": True, "topic": "rest"}


def test_every_route_that_applies_counts_and_each_topic_once() -> None:
    event = {"severity": "high", "user": "eve"}
    assert routed(event, REST, HIGH, USER) == (("soc", "all", "users"), ("r1", "r2"))
    assert routed(event, USER, HIGH) == (("users", "all", "soc"), ("r0", "r1"))


def test_the_default_is_for_what_no_route_takes() -> None:
    assert routed({}, REST, HIGH) == (("rest",), ("r0",))
    assert routed({"severity": "high"}, REST, HIGH)[0] == ("soc", "all")
    assert routed({}, HIGH) == ((), ())


def test_stop_ends_the_asking() -> None:
    event = {"severity": "high", "user": "eve"}
    assert routed(event, {**HIGH, "stop": True}, USER)[1] == ("r0",)
    assert routed({"user": "eve"}, {**HIGH, "stop": True}, USER)[1] == ("r1",)
