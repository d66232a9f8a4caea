"""`run_document_tests`: a rule's own tests, as `summit rules test` runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents import parse_documents
from summit.event_processing import run_document_tests

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def document(*tests: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "r",
        "groupBy": ["ip"],
        "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 3}],
        "within": "60s",
        "topics": ["auth"],
        "action": {"type": "alert", "config": {"severity": "high", "title": "T ${ip}"}},
        "tests": list(tests),
    }


def failed(times: int, every: str, **members: Any) -> dict[str, Any]:
    return {
        "at": "0s", "times": times, "every": every, "eventType": "failed", "ip": "a", **members
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "expect", "failures"),
    [
        ([failed(3, "29s")], {"alerts": 1, "severity": "high", "title": "T a"}, []),
        ([failed(3, "30s")], {"alerts": 0}, []),
        ([failed(3, "30s")], {"alerts": 1}, ["0 alerts instead of 1"]),
        ([failed(6, "1s")], {"alerts": 1}, ["2 alerts instead of 1"]),
        (
            [failed(3, "1s")],
            {"alerts": 1, "severity": "low"},
            ["an alert has the severity 'high' instead of 'low'"],
        ),
        ([failed(3, "1s", ip=None)], {"alerts": 0}, []),
        ([{"at": "1h", **failed(1, "0s")}], {"alerts": 0}, []),
    ],
)
def test_expectations(events: list, expect: dict, failures: list[str]) -> None:
    (result,) = run_document_tests(document({"name": "n", "events": events, "expect": expect}))
    assert (result.name, result.failures, result.passed) == ("n", failures, not failures)


def test_each_test_begins_with_nothing() -> None:
    two = {"events": [failed(2, "1s")], "expect": {"alerts": 0}}
    assert [r.passed for r in run_document_tests(document(two, two))] == [True, True]


def test_a_document_with_problems_is_refused() -> None:
    with pytest.raises(Invalid):
        run_document_tests({**document(), "steps": []})


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_rules_that_we_ship_pass_their_own_tests(path: Path) -> None:
    count = 0
    for parsed in parse_documents(path.read_text(), str(path)):
        if parsed.kind != "pattern":
            continue
        for result in run_document_tests(parsed.values):
            assert result.failures == [], f"{parsed.id}: {result.name}"
            count += 1
    assert count
