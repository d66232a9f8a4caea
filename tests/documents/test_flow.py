"""The flow document: what is paused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import refused

from summit.documents import FlowDocument, validate_document


def test_a_flow_says_what_rests() -> None:
    paused = {"topics": ["orders", "logs.*"], "rules": ["brute"]}
    found = validate_document({"kind": "flow", "id": "workers", "paused": paused})
    assert isinstance(found, FlowDocument)
    assert (found.paused_topics, found.paused_rules) == (("orders", "logs.*"), ("brute",))
    assert found.to_dict() == {"kind": "flow", "id": "workers", "paused": paused}
    empty = validate_document({"kind": "flow", "id": "workers"})
    assert isinstance(empty, FlowDocument)
    assert (empty.paused_topics, empty.paused_rules) == ((), ())


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"id": "other"}, "must be 'workers'"),
        ({"enabled": False}, "always in force"),
        ({"paused": ["orders"]}, "must be"),
        ({"paused": {"topic": ["x"]}}, "did you mean 'topics'"),
        ({"paused": {"rules": [5]}}, "must be a text"),
        ({"pause": {}}, "did you mean 'paused'"),
    ],
)
def test_a_flow_that_is_wrong_is_refused(members: dict[str, Any], text: str) -> None:
    error = refused(lambda: validate_document({"kind": "flow", "id": "workers", **members}))
    assert error.code == "document.invalid"
    assert text in str(error)
