"""What is doubtful about definitions that are right by themselves."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from summit.base.clock import SystemClock
from summit.client.admin import Admin
from summit.flow.registering import doubts_of, unknown_notifications
from summit.journal.definition_log import DefinitionLog

PATTERN: dict[str, Any] = {
    "kind": "pattern", "id": "p", "topics": ["t"], "steps": [{"name": "a", "where": "x == 1"}],
    "action": {"type": "alert"},
}  # fmt: skip


def doubts(
    document: dict[str, Any], *others: dict[str, Any], servers: Sequence[str] = ("localhost:1",)
) -> list[str]:
    log = DefinitionLog()
    for offset, each in enumerate((*others, document)):
        name = f"{each['kind']}/{each['id']}"
        log.apply(offset, 1, name, json.dumps(each).encode())
    return asyncio.run(doubts_of(document, log, servers, SystemClock()))


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


def enrichment(kind: str, **config: Any) -> dict[str, Any]:
    return {
        "kind": "enrichment", "id": "e", "eventType": "*", "enrichmentType": kind, "config": config,
    }  # fmt: skip


def test_services_that_nobody_answers_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        given = {"apiUrl": url, "keyField": "user"}
        assert doubts(enrichment("api", **given, allowPrivate=True)) == []
        (inside,) = doubts(enrichment("api", **given))
    assert "allowPrivate: true" in inside
    (closed,) = doubts(enrichment("api", **given, allowPrivate=True))
    assert f"nobody listens at {url[7:-2]}" in closed
    (secret,) = doubts(enrichment("api", **given, allowPrivate=True, apiKey="${SUMMIT_NOT_SET}"))
    assert "SUMMIT_NOT_SET" in secret


def test_functions_that_are_not_installed() -> None:
    (text,) = doubts(enrichment("custom", handler="nowhere"))
    assert "nowhere" in text


def test_topics_of_rows(summit_broker_factory: Any) -> None:
    document = enrichment("lookup", keyField="user", topic="rows")
    broker = summit_broker_factory(auto_create_topics=False)
    (missing,) = doubts(document, servers=[broker.address])
    assert "there is no topic 'rows'" in missing

    async def make(**config: Any) -> None:
        async with Admin({"bootstrapServers": [broker.address]}) as admin:
            await admin.create_topic({"partitions": 1, **config})

    asyncio.run(make(name="rows"))
    (kept,) = doubts(document, servers=[broker.address])
    assert "is not compacted" in kept
    asyncio.run(make(name="table", cleanupPolicy="compact"))
    document["config"]["topic"] = "table"
    assert doubts(document, servers=[broker.address]) == []


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
