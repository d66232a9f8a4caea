"""Which changes of a pattern make it another pattern."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, step

from summit.documents import lower_pattern


def hashes(**fields: Any) -> tuple[str, str]:
    plan = lower_pattern(pattern(**fields))
    return plan.semantic_hash, plan.document_hash


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "other"},
        {"description": "other"},
        {"version": 2},
        {"owner": "me"},
        {"tags": ["x"]},
        {"enabled": False},
        {"topics": ["x"]},
        {"limits": {"keys": 5}},
        {"afterMatch": "noSkip"},
        {"emit": "all"},
        {"emit": "longest"},
        {"matching": "ordered"},
        {"strictOrder": True},
        {"onTimeout": {"action": {"type": "alert"}}},
        {"severity": {"high": True}},
        {"action": {"type": "alert", "config": {"title": "x", "severity": "low"}}},
        {"within": 60_000},
        {"steps": [{"name": "a", "where": {"eventType": "a"}}]},
        {"steps": [{"name": "a", "where": "eventType=='a'", "times": 1, "optional": False}]},
        {"steps": [step("a", relation="next", contiguity="strict")]},
    ],
)
def test_the_same_meaning_in_another_document(fields: dict[str, Any]) -> None:
    assert hashes(**fields)[0] == hashes()[0]
    assert hashes(**fields)[1] != hashes()[1]


@pytest.mark.parametrize(
    "fields",
    [
        {"within": "61s"},
        {"within": None},
        {"groupBy": ["ip"]},
        {"groupBy": ["user", "ip"]},
        {"groupBy": None},
        {"where": "x == 1"},
        {"matching": "unordered"},
        {"steps": [{"name": "a", "steps": [step("b")]}]},
        {"steps": [step("b")]},
        {"steps": [{"name": "b", "where": 'eventType == "a"'}]},
        {"steps": [step("a", times=2)]},
        {"steps": [step("a", times={"min": 1})]},
        {"steps": [step("a", times={"min": 2}, contiguity="strict")]},
        {"steps": [step("a", optional=True)]},
        {"steps": [step("a", times={"min": 1}, greedy=True)]},
        {"steps": [step("a", times={"min": 1}, until="x == 1")]},
        {"steps": [step("a"), step("b")]},
        {"steps": [step("a"), step("b", relation="next")]},
        {"steps": [step("a"), step("b", within="5s")]},
        {"steps": [{"name": "a", "where": {"field": "v", "operator": "gt", "value": "2"}}]},
        {"steps": [{"name": "a", "where": {"field": "v", "operator": "gt", "value": "2",
                                           "compareAs": "version"}}]},
        {"steps": [{"name": "a", "where": {"field": "v", "operator": "gt", "value": "2",
                                           "compareAs": "number"}}]},
    ],
)  # fmt: skip
def test_another_meaning(fields: dict[str, Any]) -> None:
    assert hashes(**fields)[0] != hashes()[0]


def test_all_meanings_differ() -> None:
    found = [
        hashes(
            steps=[{"name": "a", "where": {"field": "v", "operator": op, "value": value, **more}}]
        )
        for op, value, more in (
            ("gt", "2", {}),
            ("gt", 2, {}),
            ("gt", "2", {"compareAs": "version"}),
            ("gt", "2", {"compareAs": "number"}),
            ("gt", "2", {"compareAs": "string"}),
            ("eq", "2", {"negate": True}),
            ("in", ["2"], {}),
            ("eq", "2", {}),
            ("eq", 2, {}),
            ("eq", True, {}),
        )
    ]
    assert len({semantic for semantic, _ in found}) == len(found)


def test_the_order_of_members_does_not_matter() -> None:
    document = pattern(name="n", tags=["a"])
    turned = dict(reversed(document.items()))
    assert lower_pattern(turned) == lower_pattern(document)
    assert lower_pattern({"kind": "pattern", **document}) == lower_pattern(document)


def test_hashes_never_change() -> None:
    """Alert ids are made of them: a change here makes every old alert another alert."""
    steps = [
        {"name": "failed", "where": 'eventType == "auth.login.failed"', "times": {"min": 5}},
        {"name": "success", "relation": "next", "within": "30s",
         "where": [{"field": "user", "operator": "eq", "ref": "failed.last.user"},
                   {"field": "severity", "operator": "gte", "value": "high"}]},
    ]  # fmt: skip
    plan = lower_pattern(pattern(steps=steps, where='eventType.startsWith("auth.")'))
    assert plan.semantic_hash == "6ba848adfdd5b58d289df5cffbd6c082"
    assert plan.document_hash == "b48751774890eb81a9b3010d1860f796"
