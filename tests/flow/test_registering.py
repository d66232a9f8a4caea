"""What is doubtful about definitions that are right by themselves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from summit.base.clock import SystemClock
from summit.flow.registering import doubts_of
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
