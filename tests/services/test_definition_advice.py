"""Warnings about what a definition refers to and is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from summit.journal.definition_log import DefinitionLog
from summit.journal.definitions import Checked
from summit.services.definition_advice import advise


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
    log.apply(0, 0, "notification/here", msgspec.json.encode({"type": "file"}))
    found = advise(Checked(kind="pattern", id="p", document=document), log)
    assert len(found) == (1 if unknown else 0)
    assert all(f"called {unknown}:" in text for text in found)
