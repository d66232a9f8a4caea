"""Sigma's correlation rules: as documents, and on events."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sigma.rules import imported, rule

from summit.documents import validate_pattern
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
        (("type: temporal\nrules: [failed, login]\ngroup-by: [ip]\ntimespan: 1m\n"
         "aliases:\n  ip: {failed: a, login: b}"), "aliases"),
        ("type: temporal\nrules: [failed, login]\ntimespan: 1m\ncondition: failed and not login",
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
