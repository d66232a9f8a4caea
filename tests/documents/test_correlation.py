"""Correlation rules as documents: what they mean, and what is refused at which place."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.base.limits import CORRELATION_EVENTS_DEFAULT
from summit.documents.correlation import CorrelationPlan, validate_correlation
from summit.documents.correlation_rule import CorrelationRule

LEAST: dict[str, Any] = {"id": "r", "correlationKey": "user.id", "timeWindow": "1h"}


def plan(**fields: Any) -> CorrelationPlan:
    return validate_correlation({**LEAST, **fields}).plan


def test_the_least_rule() -> None:
    found = plan()
    assert (found.name, found.types, found.window_ms, found.gap_ms) == ("r", None, 3_600_000, None)
    assert (found.min_events, found.max_events, found.caps) == (
        1,
        CORRELATION_EVENTS_DEFAULT,
        False,
    )
    assert found.keys[0].path_for("any") == ("user", "id")


def test_a_star_among_the_types_is_every_type() -> None:
    assert plan(eventTypes=["a", "*"]).types is None


def test_paths_by_type() -> None:
    parts = plan(correlationKey=None, correlationKeys=["a", {"in": "b.c", "*": "d"}]).keys
    assert [part.path_for("in") for part in parts] == [("a",), ("b", "c")]
    assert [part.path_for("out") for part in parts] == [("a",), ("d",)]


def test_words_about_a_rule_do_not_change_its_state_and_its_meaning_does() -> None:
    same = plan(name="n", tags=["t"], version=2, timeWindow=3_600_000, limits={"groups": 5})
    assert same.state_id == plan().state_id
    for change in ({"id": "s"}, {"timeWindow": 1}, {"minEvents": 2}, {"topics": ["t"]},
                   {"correlationKey": "user"}, {"onMax": "cap"}):  # fmt: skip
        assert plan(**change).state_id != plan().state_id


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"id": "no space"}, "/id"),
        ({"correlationKey": None}, "/correlationKey"),
        ({"correlationKeys": ["a"]}, "/correlationKey"),
        ({"correlationKey": "a..b"}, "/correlationKey"),
        ({"correlationKey": 5}, "/correlationKey"),
        ({"correlationKey": {}}, "/correlationKey"),
        ({"correlationKey": None, "correlationKeys": []}, "/correlationKeys"),
        ({"correlationKey": None, "correlationKeys": ["a", {"in": 1}]}, "/correlationKeys/1/in"),
        ({"eventTypes": ["in"], "correlationKey": {"out": "a"}}, "/correlationKey/out"),
        ({"eventTypes": ["in", "out"], "correlationKey": {"out": "a"}}, "/correlationKey"),
        ({"eventTypes": []}, "/eventTypes"),
        ({"eventTypes": ["user.*"]}, "/eventTypes/0"),
        ({"timeWindow": None}, "/timeWindow"),
        ({"timeWindow": 0}, "/timeWindow"),
        ({"timeWindow": "soon"}, "/timeWindow"),
        ({"window": "session"}, "/gap"),
        ({"gap": "1m"}, "/gap"),
        ({"window": "sliding"}, "/window"),
        ({"minEvents": 0}, "/minEvents"),
        ({"minEvents": 5, "maxEvents": 4}, "/minEvents"),
        ({"maxEvents": 100_001}, "/maxEvents"),
        ({"onMax": "drop"}, "/onMax"),
        ({"eventTypes": ["a"], "requireTypes": ["b"]}, "/requireTypes/0"),
        ({"requireTypes": ["a", "b"], "maxEvents": 1}, "/requireTypes"),
        ({"limits": {"groups": 0}}, "/limits/groups"),
        ({"timewindow": 5}, "/timewindow"),
        ({"kind": "pattern"}, "/kind"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan(**fields)
    assert pointer in [problem.pointer for problem in caught.value.details["problems"]]


def test_the_class_gives_the_document_back() -> None:
    rule = CorrelationRule(
        id="r", correlation_keys=["a", {"in": "b"}], window="session", gap="5m", on_max="cap"
    )
    document = {
        "id": "r", "correlationKeys": ["a", {"in": "b"}], "window": "session", "gap": "5m",
        "onMax": "cap",
    }  # fmt: skip
    assert rule.to_dict() == document
    assert CorrelationRule.from_dict({"kind": "correlation", **document}) == rule


def test_the_class_knows_its_names_and_kind() -> None:
    with pytest.raises(Invalid, match="did you mean"):
        CorrelationRule.from_dict({"id": "r", "corelationKey": "a"})
    with pytest.raises(Invalid, match="no correlation"):
        CorrelationRule.from_dict({"kind": "pattern", "id": "r"})


LINKED: dict[str, Any] = {"id": "r", "timeWindow": "1h", "linkedBy": {"user": ["user", "actor"]}}


def test_a_rule_that_links_needs_no_key_and_may_have_one() -> None:
    found = validate_correlation({**LINKED, "linkedBy": {"user": "user", "ip": ["a", "b.c"]}}).plan
    assert found.keys == ()
    assert found.linking is not None
    kinds = [(kind.name, kind.paths) for kind in found.linking.kinds]
    assert kinds == [("ip", (("a",), ("b", "c"))), ("user", (("user",),))]
    assert "127.0.0.1" in found.linking.ignore
    keyed = validate_correlation({**LINKED, "correlationKey": "tenant"}).plan
    assert len(keyed.keys) == 1
    assert keyed.state_id.endswith("/linked")


def test_what_links_is_part_of_the_meaning() -> None:
    first = validate_correlation(LINKED).plan.state_id
    for change in ({"linkedBy": {"user": "user"}}, {"hubs": {"links": 7}}, {"hubs": {"ignore": []}},
                   {"correlationKey": "tenant"}):  # fmt: skip
        assert validate_correlation({**LINKED, **change}).plan.state_id != first


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"linkedBy": {}}, "/linkedBy"),
        ({"linkedBy": ["user"]}, "/linkedBy"),
        ({"linkedBy": {"user": []}}, "/linkedBy/user"),
        ({"linkedBy": {"user": {"a": "b"}}}, "/linkedBy/user"),
        ({"linkedBy": {"user": ["a", 1]}}, "/linkedBy/user/1"),
        ({"linkedBy": {"user": "a..b"}}, "/linkedBy/user"),
        ({"hubs": {"links": 0}}, "/hubs/links"),
        ({"hubs": {"ignore": [1]}}, "/hubs/ignore/0"),
        ({"hubs": {"after": 1}}, "/hubs/after"),
        ({"linkedBy": None, "correlationKey": "k", "hubs": {"links": 1}}, "/hubs"),
    ],
)
def test_bad_links_are_refused_at_their_place(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as failure:
        validate_correlation({**LINKED, **fields})
    assert pointer in [problem.pointer for problem in failure.value.details["problems"]]
