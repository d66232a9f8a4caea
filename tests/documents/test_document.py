"""Documents of any kind."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import pattern, refused

from summit.documents import (
    CollectorDocument,
    PatternDocument,
    StreamDocument,
    parse_documents,
    validate_document,
)
from summit.web.problems import problem_of


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (pattern(), PatternDocument),
        (pattern(kind="pattern"), PatternDocument),
        ({"id": "g", "conditions": [{"eventType": "a"}]}, PatternDocument),
        ({"kind": "stream", "id": "s", "topics": ["a"]}, StreamDocument),
        ({"kind": "collector", "id": "c", "type": "http", "topic": "a"}, CollectorDocument),
    ],
)
def test_kinds(document: dict[str, Any], kind: type) -> None:
    assert isinstance(validate_document(document), kind)


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("notifications", "kind.unknown", "(did you mean 'notification'?)"),
        ("patern", "kind.unknown", "there is no kind 'patern' (did you mean 'pattern'?)"),
        ("querry", "kind.unknown", "(did you mean 'query'?)"),
        ("Pattern", "kind.unknown", "(did you mean 'pattern'?)"),
        (5, "kind.unknown", "there is no kind 5"),
        ([], "kind.unknown", "there is no kind []"),
        (None, "document.invalid", "a document needs 'kind'"),
        ("", "document.invalid", "a document needs 'kind'"),
    ],
)
def test_a_refused_kind(kind: Any, code: str, text: str) -> None:
    error = refused(lambda: validate_document({"kind": kind, "id": "x"}))
    assert error.code == code
    assert text in str(error)
    assert error.details["pointer"] == "/kind"
    assert "{" not in error.advice


def test_a_parsed_document_is_named_by_its_place() -> None:
    (parsed,) = parse_documents("\n\nkind: pattern\nid: x\n", "rules/a.yaml")
    error = refused(lambda: validate_document(parsed))
    assert str(error) == "rules/a.yaml:3: pattern 'x': a pattern needs 'steps' (or 'conditions')"


def test_the_problem_over_http_lists_every_place() -> None:
    error = refused(lambda: validate_document(pattern(wihtin="5s", tags=5)))
    problem = problem_of(error)
    assert problem["status"] == 400
    assert problem["errors"] == [
        {"pointer": "/wihtin", "detail": "a pattern has no field 'wihtin'", "suggestion": "within"},
        {"pointer": "/tags", "detail": "must be a list, not a number"},
    ]
