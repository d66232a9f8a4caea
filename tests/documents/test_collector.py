"""Collectors: the part that all types share."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import refused

from summit.documents import validate_collector
from summit.ingest.settings import CollectorConfig

COLLECTOR = {
    "kind": "collector",
    "id": "auth-log",
    "description": "The log of the SSH server",
    "tags": ["ssh"],
    "type": "file",
    "path": "/var/log/auth.log",
    "topic": "auth.ssh",
    "file": {"mode": "tail", "format": "sshd"},
}


def test_the_configuration_is_what_the_collector_itself_takes() -> None:
    checked = validate_collector(COLLECTOR)
    assert (checked.id, checked.kind, checked.enabled) == ("auth-log", "collector", True)
    assert checked.to_dict() == COLLECTOR
    config = CollectorConfig.from_dict(checked.config)
    assert (config.name, config.type, config.topic) == ("auth-log", "file", "auth.ssh")


def test_the_guides_form_has_a_name_and_no_id() -> None:
    checked = validate_collector({"name": "web", "type": "http", "port": 8080, "topic": "raw"})
    assert checked.id == "web"
    assert checked.config == {"name": "web", "type": "http", "port": 8080, "topic": "raw"}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"id": None}, "/id"),
        ({"type": None}, "/type"),
        ({"type": "files"}, "/type"),
        ({"topic": None}, "/topic"),
        ({"name": "a b"}, "/name"),
        ({"enabled": 1}, "/enabled"),
        ({"kind": "stream"}, "/kind"),
    ],
)
def test_a_problem(fields: dict[str, Any], pointer: str) -> None:
    error = refused(lambda: validate_collector({**COLLECTOR, **fields}))
    assert (error.code, error.details["pointer"]) == ("document.invalid", pointer)
