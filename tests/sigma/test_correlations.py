"""Sigma's correlation rules: as documents, and on events."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.sigma.rules import imported, rule

from summit.documents import validate_pattern
from summit.event_processing import CEPEngine
from summit.flow.trying import try_pattern

FAILED = rule("selection:\n  Result: failed\ncondition: selection", "failed")
LOGIN = rule("selection:\n  Result: ok\ncondition: selection", "login")


def correlation(body: str, **more: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"title: C\nname: c\nlevel: critical\ncorrelation:\n{lines}"


def made(body: str, *rules: str) -> dict[str, Any]:
    result = imported("---\n".join([*(rules or (FAILED, LOGIN)), correlation(body)]))
    documents = {each.document["id"]: each.document for each in result.imported}
    assert "c" in documents or not result.refused, result.refused
    return documents


def event(at_ms: int, result: str, user: str = "u", **more: Any) -> dict[str, Any]:
    return {
        "eventType": "windows.process_creation", "timestamp": at_ms, "Result": result,
        "User": user, **more,
    }  # fmt: skip


def alerts(document: dict[str, Any], *events: dict[str, Any]) -> int:
    return len(try_pattern(validate_pattern(document).plan, events).matches)


def test_event_count() -> None:
    body = "type: event_count\nrules: failed\ngroup-by: User\ntimespan: 1m\ncondition: {gte: 3}"
    documents = made(body, FAILED)
    assert set(documents) == {"c"}  # the rule itself makes no alerts
    found = documents["c"]
    three = [event(n * 29_999, "failed") for n in range(3)]
    assert alerts(found, *three) == 1
    assert alerts(found, *three[:2], event(60_000, "failed")) == 0
    assert alerts(found, *three[:2], event(5, "failed", "v")) == 0
    assert validate_pattern(found).plan.action.severity == "critical"
    more = made(body.replace("gte", "gt"), FAILED)["c"]
    assert (alerts(more, *three), alerts(more, *three, event(59_999, "failed"))) == (0, 1)


def test_several_rules_are_counted_together() -> None:
    both = "rules: [failed, login]\ngroup-by: [User]\ntimespan: 1m"
    body = f"type: event_count\n{both}\ncondition: {{gte: 2}}"
    found = made(body)["c"]
    assert alerts(found, event(0, "failed"), event(1, "ok")) == 1
    assert alerts(found, event(0, "failed"), event(1, "other")) == 0


def test_temporal_ordered() -> None:
    body = "type: temporal_ordered\nrules: [failed, login]\ngroup-by: [User]\ntimespan: 1m"
    found = made(body)["c"]
    assert alerts(found, event(0, "failed"), event(59_999, "ok")) == 1
    assert alerts(found, event(0, "failed"), event(60_000, "ok")) == 0
    assert alerts(found, event(0, "ok"), event(1, "failed")) == 0
    assert alerts(found, event(0, "failed"), event(1, "ok", "v")) == 0


def test_temporal() -> None:
    found = made("type: temporal\nrules: [failed, login]\ngroup-by: [User]\ntimespan: 1m")["c"]
    assert alerts(found, event(0, "failed"), event(59_999, "ok")) == 1
    assert alerts(found, event(0, "ok"), event(1, "failed")) == 1
    assert alerts(found, event(0, "ok"), event(60_000, "failed")) == 0
    assert alerts(found, event(0, "ok"), event(1, "failed", "v")) == 0
    assert alerts(found, event(0, "ok"), event(1, "ok")) == 0


def test_generate_keeps_the_rules_themselves() -> None:
    both = "rules: [failed, login]\ngroup-by: [User]\ntimespan: 1m"
    body = f"type: temporal_ordered\n{both}\ngenerate: true"
    assert set(made(body)) == {"failed", "login", "c"}


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (("type: value_count\nrules: failed\ngroup-by: User\ntimespan: 1h\n"
         "condition: {gte: 5, field: Host}"),
         {"window": {"type": "sliding", "size": "3600s"}, "having": "distinct(Host) >= 5"}),
        ("type: value_sum\nrules: failed\ntimespan: 1m\ncondition: {gt: 9, field: Bytes}",
         {"window": {"type": "sliding", "size": "60s"}, "having": "sum(Bytes) > 9"}),
        (("type: value_percentile\nrules: failed\ntimespan: 1m\n"
         "condition: {gt: 9, field: Bytes, percentile: 99}"),
         {"window": {"type": "sliding", "size": "60s"}, "having": "percentile(Bytes, 99) > 9"}),
        ("type: event_count\nrules: failed\ntimespan: 1m\ncondition: {lt: 2}",
         {"window": {"type": "sliding", "size": "60s"}, "having": "count() < 2"}),
        ("type: temporal\nrules: [failed, login]\ntimespan: 1m", {"matching": "unordered"}),
    ],
)  # fmt: skip
def test_the_documents_of_the_others(body: str, members: dict[str, Any]) -> None:
    from summit.sigma import importing
    from summit.sigma.logsources import SourceMapping

    texts = [("x.yml", "---\n".join([FAILED, LOGIN, correlation(body)]))]
    result = importing.import_rules(texts, SourceMapping(), check=lambda _: None)
    (found,) = [each.document for each in result.imported if each.document["id"] == "c"]
    assert {name: found[name] for name in members} == members


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("type: event_count\nrules: nowhere\ntimespan: 1m\ncondition: {gte: 3}", "rulenotfound"),
        (("type: event_count\nrules: [failed, login]\ngroup-by: [ip]\ntimespan: 1m\n"
         "condition: {gte: 3}\naliases:\n  ip: {failed: a, login: b}"), "aliases"),
        (("type: temporal\nrules: [failed, login]\ngroup-by: [ip]\ntimespan: 1m\n"
         "aliases:\n  ip: {failed: a}"), "aliases"),
        (("type: temporal\nrules: [failed, login]\ntimespan: 1m\n"
         "condition: failed or (login and not failed)"), "extended condition"),
        ("type: temporal\ntimespan: 1m\ncondition: not login",
         "extended condition"),
        ("type: value_count\nrules: failed\ntimespan: 1m\ncondition: {gte: 3}", "parse"),
    ],
)  # fmt: skip
def test_what_cannot_be_had(body: str, reason: str) -> None:
    result = imported("---\n".join([FAILED, LOGIN, correlation(body)]))
    assert [each.reason for each in result.refused] == [reason]


def test_a_filter_is_applied() -> None:
    text = (
        "title: F\nlogsource: {product: windows, category: process_creation}\nfilter:\n"
        "  rules: [failed]\n  selection:\n    User|startswith: adm_\n  condition: not selection\n"
    )
    result = imported(FAILED, text)
    assert not result.refused, result.refused
    (found,) = (each.document for each in result.imported)
    assert alerts(found, event(0, "failed")) == 1
    assert alerts(found, event(0, "failed", "adm_x")) == 0


def test_aliases_compare_fields_of_other_names() -> None:
    base = "group-by: [ip, Host]\ntimespan: 1m\naliases:\n  ip: {failed: Source, login: Address}"
    ordered = made(f"type: temporal_ordered\nrules: [failed, login]\n{base}")
    assert set(ordered) == {"c"}
    found = ordered["c"]
    assert found["groupBy"] == ["Host"]
    first = event(0, "failed", Source="1", Host="h")
    assert alerts(found, first, event(9, "ok", Address="1", Host="h")) == 1
    assert alerts(found, first, event(9, "ok", Address="2", Host="h")) == 0
    assert alerts(found, first, event(9, "ok", Source="1", Host="h")) == 0
    assert alerts(found, first, event(9, "ok", Address="1", Host="g")) == 0
    assert alerts(found, event(0, "ok", Address="1", Host="h"), first | {"timestamp": 9}) == 0
    any_order = made(f"type: temporal\nrules: [failed, login]\n{base}")
    assert set(any_order) == {"c", "c--2"}
    second = [event(0, "ok", Address="1", Host="h"), first | {"timestamp": 9}]
    assert [alerts(each, *second) for each in any_order.values()] == [0, 1]


def test_aliases_of_one_field_are_that_field() -> None:
    found = made(
        "type: event_count\nrules: [failed, login]\ngroup-by: [who]\ntimespan: 1m\n"
        "condition: {gte: 2}\naliases:\n  who: {failed: User, login: User}"
    )["c"]
    assert found["groupBy"] == ["User"]
    assert alerts(found, event(0, "failed"), event(1, "ok")) == 1
    assert alerts(found, event(0, "failed"), event(1, "ok", "v")) == 0


def test_conditions_over_rules() -> None:
    body = "type: temporal\ngroup-by: User\ntimespan: 1m\ncondition: "
    without = made(body + "failed and not login")["c"]
    assert alerts(without, event(0, "failed"), event(60_001, "other")) == 1
    assert alerts(without, event(0, "failed"), event(59_999, "ok"), event(70_000, "other")) == 0
    either = made(body + "failed or login")["c"]
    assert alerts(either, event(0, "ok"), event(1, "failed"), event(2, "other")) == 2
    both = made(body + "failed and login")["c"]
    assert alerts(both, event(0, "ok"), event(1, "failed")) == 1


CHAIN = """\
title: Many
name: many
correlation:
    type: event_count
    rules: failed
    group-by: User
    timespan: 1m
    condition: {gte: 3}
"""


def raised(documents: dict[str, dict[str, Any]], *events: dict[str, Any]) -> list[str]:
    engine = CEPEngine()
    for document in documents.values():
        engine.register_pattern(document)
    return [alert.pattern for alert in asyncio.run(engine.process_events(events))]


def test_a_correlation_of_correlations() -> None:
    body = "type: temporal_ordered\nrules: [many, login]\ngroup-by: User\ntimespan: 5m"
    documents = made(body, FAILED, LOGIN, CHAIN)
    assert set(documents) == {"c", "many--c"}  # what only feeds makes no alert
    failures = [event(n, "failed") for n in range(3)]
    assert raised(documents, *failures, event(9, "ok")) == ["c"]
    assert raised(documents, *failures, event(9, "ok", "v")) == []
    assert raised(documents, *failures[:2], event(9, "ok")) == []
    assert raised(documents, event(0, "ok"), *failures) == []
    loud = made(body + "\ngenerate: true", FAILED, LOGIN, CHAIN)
    assert set(loud) == {"c", "many--c", "many", "login"}
    assert sorted(raised(loud, *failures, event(9, "ok"))) == ["c", "login", "many"]


def test_chains_of_chains_and_circles() -> None:
    middle = CHAIN.replace("many", "middle").replace("Many", "Middle").replace(
        "rules: failed", "rules: many"
    ).replace("gte: 3", "gte: 2").replace("1m", "1h")  # fmt: skip
    body = "type: temporal_ordered\nrules: [middle, login]\ngroup-by: User\ntimespan: 2h"
    documents = made(body, FAILED, LOGIN, CHAIN, middle)
    assert set(documents) == {"c", "middle--c", "many--middle--c"}
    assert documents["many--middle--c"]["action"]["config"] == {"pattern": "middle--c"}
    assert documents["middle--c"]["topics"] == ["starts.middle--c"]
    failures = [event(n, "failed") for n in range(6)]
    assert raised(documents, *failures, event(9, "ok")) == ["c"]
    assert raised(documents, *failures[:5], event(9, "ok")) == []
    circle = CHAIN.replace("rules: failed", "rules: c")
    result = imported(
        "---\n".join([FAILED, LOGIN, circle, correlation(body.replace("middle", "many"))])
    )
    assert {each.reason for each in result.refused} == {"chain"}
