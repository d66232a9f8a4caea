"""What may be published: every kind is checked by the room that runs it, with file and line."""

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents import parse_documents
from summit.services.definition_kinds import (
    check_definition,
    collector_enabled,
    collector_settings,
)

COLLECTOR: dict[str, Any] = {
    "kind": "collector", "id": "web", "description": "the shop", "tags": ["a"], "owner": "me",
    "enabled": True, "version": 3, "type": "http", "topic": "raw", "port": 0,
}  # fmt: skip
TWO = """kind: pattern
id: a
steps: [{where: 'x == 1'}]
---
kind: collector
id: c
type: http
topic: t
portt: 1
"""
PATTERN: dict[str, Any] = {"kind": "pattern", "id": "p", "steps": [{"where": 'eventType == "a"'}]}


def test_a_collector_document_with_everything_that_documents_may_have() -> None:
    checked = check_definition(COLLECTOR)
    assert (checked.kind, checked.id) == ("collector", "web")
    settings = collector_settings(checked.document)
    assert (settings.name, settings.type, settings.topic, settings.port) == (
        "web",
        "http",
        "raw",
        0,
    )
    assert collector_enabled(checked.document)
    assert not collector_enabled({**COLLECTOR, "enabled": False})


def test_a_collector_may_have_only_a_name() -> None:
    document = {k: v for k, v in COLLECTOR.items() if k != "id"}
    checked = check_definition({**document, "name": "shop"})
    assert checked.document["id"] == checked.id == "shop"
    assert collector_settings(checked.document).name == "shop"


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({**COLLECTOR, "portt": 1}, "/portt"),
        ({**COLLECTOR, "port": 70_000}, "/port"),
        ({**COLLECTOR, "path": "ingest"}, "/path"),
        ({**COLLECTOR, "file": {"format": "sshd"}}, "/file"),
        ({**COLLECTOR, "topic": None}, "/topic"),
        ({**COLLECTOR, "type": "fax"}, "/type"),
        ({**PATTERN, "steps": [{"where": "a ==="}]}, "/steps/0/where"),
    ],
)
def test_a_wrong_one_names_the_place_in_the_document(
    document: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_definition(document)
    assert caught.value.details["pointer"] == pointer


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kind: pattern\nid: a\nsteps: [{where: 'x === 1'}]\n", "r.yaml:1: pattern 'a'"),
        (TWO, "r.yaml:5: collector 'c': /portt"),
        ("kind: correlation\nid: x\n", "r.yaml:1"),
        ("id: x\n", "r.yaml:1"),
    ],
)  # fmt: skip
def test_errors_of_files_say_where(text: str, place: str) -> None:
    *good, bad = parse_documents(text, "r.yaml")
    for parsed in good:
        check_definition(parsed)
    with pytest.raises(Invalid) as caught:
        check_definition(bad)
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("document", [[], "x", None, 5, {"kind": 5}, {}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(Invalid):
        check_definition(document)
