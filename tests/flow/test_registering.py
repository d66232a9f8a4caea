"""What is doubtful about definitions that are right by themselves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from summit.base.clock import SystemClock
from summit.flow.registering import doubts_of, unknown_notifications
from summit.journal.definition_log import DefinitionLog

PATTERN: dict[str, Any] = {
    "kind": "pattern", "id": "p", "topics": ["t"], "steps": [{"name": "a", "where": "x == 1"}],
    "action": {"type": "alert"},
}  # fmt: skip


def doubts(document: dict[str, Any], *others: dict[str, Any]) -> list[str]:
    log = DefinitionLog()
    for offset, each in enumerate((*others, document)):
        name = f"{each['kind']}/{each['id']}"
        log.apply(offset, 1, name, json.dumps(each).encode())
    return asyncio.run(doubts_of(document, log, ["localhost:1"], SystemClock()))


@pytest.mark.parametrize(
    ("document", "others", "text"),
    [
        (PATTERN, [], ""),
        ({**PATTERN, "action": {"type": "trigger", "config": {"pattern": "q"}}}, [], "'q'"),
        (
            {**PATTERN, "action": {"type": "trigger", "config": {"pattern": "q"}}},
            [{**PATTERN, "id": "q"}], "",
        ),
        ({**PATTERN, "allowedLateness": "1m"}, [], "order of arrival"),
        (
            {**PATTERN, "allowedLateness": "1m"},
            [{"kind": "stream", "id": "s", "topics": ["t*"], "order": "eventTime"}], "",
        ),
        (
            {**PATTERN, "allowedLateness": "1m"},
            [{"kind": "stream", "id": "s", "topics": ["u"], "order": "eventTime"}],
            "order of arrival",
        ),
    ],
)  # fmt: skip
def test_rules(document: dict[str, Any], others: list[dict[str, Any]], text: str) -> None:
    found = doubts(document, *others)
    assert len(found) == bool(text)
    assert text in "".join(found)


def test_enrichments_whose_rows_cannot_be_had(tmp_path: Path) -> None:
    config = {"keyField": "user", "keyColumn": "a", "file": str(tmp_path / "rows.csv")}
    document = {
        "kind": "enrichment", "id": "e", "eventType": "*", "enrichmentType": "lookup",
        "config": config,
    }  # fmt: skip
    (text,) = doubts(document)
    assert "rows.csv" in text
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert not doubts(document)


@pytest.mark.parametrize(
    ("document", "unknown"),
    [
        ({"action": {"type": "alert", "config": {"notify": ["here"]}}}, ""),
        ({"action": {"type": "alert", "config": {"notify": ["here", "a", "b", "a"]}}}, "a, b"),
        ({"onTimeout": {"action": {"config": {"notify": ["a"]}}}}, "a"),
        ({"escalate": [{"after": 1, "notify": ["a"]}]}, "a"),
        ({"tests": [{"events": [{"notify": ["a"]}]}]}, ""),
        ({"notify": "a"}, ""),
    ],
)
def test_notifications_that_are_not_there(document: dict[str, Any], unknown: str) -> None:
    log = DefinitionLog()
    log.apply(0, 0, "notification/here", json.dumps({"type": "file"}).encode())
    found = unknown_notifications(document, log)
    assert len(found) == (1 if unknown else 0)
    assert all(f"called {unknown}:" in text for text in found)
