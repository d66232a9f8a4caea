"""Tables and `Enricher`: which row a key gets, and what is said of it."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.documents.enrichment import EnrichmentPlan, validate_enrichment
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.enriching import Enriched, Enricher
from summit.enrich.tables import MISS, compile_table, find_rows


@pytest.mark.parametrize(
    ("match", "keys", "key", "expected"),
    [
        ("exact", ["a", "7", "true"], "a", "a"),
        ("exact", ["a", "7", "true"], 7, "7"),
        ("exact", ["a", "7", "true"], True, "true"),
        ("exact", ["a"], "A", None),
        ("exact", ["a"], ["a"], None),
        ("cidr", ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"], "10.1.2.3", "10.1.2.3"),
        ("cidr", ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"], "10.1.2.4", "10.1.0.0/16"),
        ("cidr", ["10.0.0.0/8", "10.1.0.0/16"], "::ffff:10.9.0.1", "10.0.0.0/8"),
        ("cidr", ["10.0.0.0/8", "2001:db8::/32", "::/0"], "2001:db8::1", "2001:db8::/32"),
        ("cidr", ["10.0.0.0/8", "::/0"], "11.0.0.1", None),
        ("cidr", ["0.0.0.0/0"], "web1", None),
        ("domain", ["ample.org", "evil.ample.org"], "a.b.evil.Ample.ORG.", "evil.ample.org"),
        ("domain", ["example.org"], "notexample.org", None),
        ("domain", ["*.example.org"], "x.example.org", "*.example.org"),
        ("domain", ["org"], "a.org", "org"),
        ("domain", ["org"], 5, None),
        ("domain", ["org"], "", None),
    ],
)  # fmt: skip
def test_the_longest_match_wins(match: Any, keys: list[str], key: Any, expected: Any) -> None:
    found = compile_table([(name, {"row": name}) for name in keys], match)(key)
    assert found is MISS if expected is None else found == {"row": expected}


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_networks_against_a_search(rows: list[tuple[int, int]], number: int) -> None:
    networks = {ipaddress.ip_network((first, bits), strict=False) for first, bits in rows}
    address = ipaddress.ip_address(number)
    inside = [network for network in networks if address in network]
    best = max(inside, key=lambda network: network.prefixlen, default=None)
    found = compile_table([(str(each), str(each)) for each in networks], "cidr")(str(address))
    assert found is MISS if best is None else found == str(best)


@pytest.mark.parametrize(
    ("match", "table"),
    [
        ("cidr", {"10.0.0.0/33": 1}), ("cidr", {"10.0.0.0/8": [1], "10.1.0.0/8": [2]}),
        ("domain", {"A.org": [1], "a.org.": [2]}), ("domain", {"*.": 1}),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong(match: Any, table: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        compile_table(table.items(), match)


def lookup(rule_id: str = "assets", **config: Any) -> dict[str, Any]:
    given_config = {"keyField": "ip", "table": {"a": {"site": ["x"]}}, **config}
    return {"id": rule_id, "eventType": "*", "enrichmentType": "lookup", "config": given_config}


def table_of(plan: EnrichmentPlan) -> Any:
    assert isinstance(plan.source, TablePlan)
    return plan.source.table


def enrich(value: dict[str, Any], *rules: dict[str, Any]) -> Enriched:
    plans = [validate_enrichment(rule).plan for rule in rules]
    tables = {plan.id: compile_table(table_of(plan).items(), "exact") for plan in plans}
    find = lambda ask: find_rows(tables[ask.rule], ask.keys)  # noqa: E731
    return Enricher(plans).apply([value], find)[0]


def note(status: str) -> dict[str, str]:
    return {"type": "lookup", "status": status}


def test_found_missed_and_without_a_key() -> None:
    rule = lookup()
    assert enrich({"ip": "a"}, rule).value == {
        "ip": "a",
        "enrichedData": {
            "assets": {"site": ["x"]},
            "_meta": {"enrichments": {"assets": note("found")}},
        },
    }
    for value, status in (({"ip": "b"}, "miss"), ({}, "noKey"), ({"ip": None}, "noKey")):
        done = enrich(value, rule)
        assert done.value["enrichedData"] == {"_meta": {"enrichments": {"assets": note(status)}}}
        assert done.statuses == {"assets": status}


def test_nothing_is_shared_with_the_input_or_the_table() -> None:
    table = {"a": {"site": ["x"]}}
    value = {"metadata": {"ip": "a"}, "enrichedData": {"old": [1]}}
    before = copy.deepcopy(value)
    done = enrich(value, lookup(table=table, outputField="asset.info"))
    assert value == before
    assert done.value["enrichedData"]["asset"] == {"info": {"site": ["x"]}}
    done.value["enrichedData"]["asset"]["info"]["site"].append("y")
    done.value["enrichedData"]["old"].append(2)
    assert (table, value) == ({"a": {"site": ["x"]}}, before)


def test_a_later_rule_may_use_what_an_earlier_one_found() -> None:
    first = lookup("first", table={"a": {"owner": "eve"}})
    second = lookup("second", keyField="first.owner", table={"eve": {"team": 7}})
    assert enrich({"ip": "a"}, first, second).value["enrichedData"]["second"] == {"team": 7}


def test_other_types_are_left_alone() -> None:
    rule = {**lookup(), "eventType": "x"}
    assert enrich({"eventType": "y", "ip": "a"}, rule).value == {"eventType": "y", "ip": "a"}


def test_no_place_for_what_was_found_is_an_error_and_others_go_on() -> None:
    done = enrich({"ip": "a", "enrichedData": "text"}, lookup())
    assert done.value == {"ip": "a", "enrichedData": "text"}
    assert done.statuses == {"assets": "error"}
    done = enrich({"ip": "a", "enrichedData": {"one": 1}}, lookup("x", outputField="one.two"),
                  lookup("y"))  # fmt: skip
    assert done.statuses == {"x": "error", "y": "found"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"enrichmentType": None}, "/enrichmentType"),
        ({"enrichmentType": "sql"}, "/enrichmentType"),
        ({"enrichmentType": "geos"}, "/enrichmentType"),
        ({"config": {"table": {}}}, "/config/keyField"),
        ({"config": {"keyField": "a"}}, "/config/table"),
        ({"config": {"keyField": "a", "table": {}, "file": "a.csv"}}, "/config/file"),
        ({"config": {"keyField": "a", "file": "a.txt"}}, "/config/file"),
        ({"config": {"keyField": "a", "table": []}}, "/config/table"),
        ({"config": {"keyField": "a", "table": {}, "keyColumn": "a"}}, "/config/keyColumn"),
        ({"config": {"keyField": "a", "table": {}, "match": "glob"}}, "/config/match"),
        (
            {
                "config": {
                    "keyField": "a",
                    "file": "a.csv",
                    "sqlite": "a.db",
                    "sqlTable": "t",
                    "keyColumn": "k",
                }
            },
            "/config/sqlite",
        ),
        ({"config": {"keyField": "a", "sqlite": "a.db", "keyColumn": "k"}}, "/config/sqlTable"),
        ({"config": {"keyField": "a", "table": {}, "sqlTable": "t"}}, "/config/sqlTable"),
        ({"config": {"keyField": "a", "table": {}, "outputField": "_meta"}}, "/config/outputField"),
        ({"id": "_meta"}, "/config/outputField"),
    ],
)
def test_a_document_that_is_wrong(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate_enrichment({**lookup(), **changes})
    assert [each.pointer for each in caught.value.details["problems"]] == [pointer]
