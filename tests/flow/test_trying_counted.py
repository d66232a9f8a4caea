"""The tests that queries and correlations bring along."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents import validate_query
from summit.flow.trying import run_document_tests

EVENTS: list[dict[str, Any]] = [
    {"at": "1s", "eventType": "a", "user": "u", "x": 1, "times": 3, "every": "1s"},
    {"at": "12s", "eventType": "a", "user": "u", "x": 2},
]
QUERY: dict[str, Any] = {
    "kind": "query", "id": "q", "groupBy": ["user"], "window": {"type": "tumbling", "size": "10s"},
    "metrics": [{"name": "n", "function": "count"}, {"name": "m", "field": "x", "function": "avg"}],
}  # fmt: skip
CORRELATION: dict[str, Any] = {
    "kind": "correlation",
    "id": "c",
    "correlationKey": "user",
    "timeWindow": "5s",
    "minEvents": 2,
}


@pytest.mark.parametrize(
    ("document", "expect", "failures"),
    [
        (QUERY, {"results": 2, "metrics": {"n": 3, "m": 1}}, []),
        (QUERY, {"metrics": {"n": 1, "m": 2.0}}, []),
        (QUERY, {"results": 1}, ["2 results instead of 1"]),
        (QUERY, {"metrics": {"n": 3, "m": 2}}, ["none of the results has n = 3, m = 2"]),
        (CORRELATION, {"groups": 1, "events": 3, "closeReason": "window"}, []),
        (CORRELATION, {"events": 4}, ["none of the groups has events = 4"]),
    ],
)
def test_what_comes_is_put_beside_what_is_expected(
    document: dict[str, Any], expect: dict[str, Any], failures: list[str]
) -> None:
    tests = [{"name": "t", "events": EVENTS, "expect": expect}]
    (result,) = run_document_tests({**document, "tests": tests})
    assert result.failures == failures
    assert result.passed is (not failures)
    assert result.pointer == "/tests/0"


def test_what_a_query_cannot_be_expected_to_do() -> None:
    tests = [{"name": "t", "events": EVENTS, "expect": {"alerts": 1}}]
    with pytest.raises(Invalid, match="no field 'alerts'"):
        validate_query({**QUERY, "tests": tests})
