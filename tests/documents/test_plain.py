"""What may be part of a document at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.documents.documents import pattern, refused

from summit.base import limits
from summit.documents import (
    validate_collector,
    validate_document,
    validate_pattern,
    validate_stream,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime(2024, 1, 1, tzinfo=UTC), "a datetime is not a value of JSON"),
        (b"x", "a bytes is not a value of JSON"),
        ({1}, "a set is not a value of JSON"),
        (float("nan"), "nan is not a number of JSON"),
        (1 << 70, "a number is too large"),
        ("\ud800", "a text holds half a surrogate pair"),
        ({5: 1}, "a field's name must be a text, not int"),
        ({"\udc00": 1}, "a text holds half a surrogate pair"),
        (nested(limits.DOCUMENT_DEPTH_MAX), "nested lists and maps"),
        (nested(100_000), "nested lists and maps"),
        ([0] * limits.DOCUMENT_NODES_MAX, "more than 200000 values"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_foreign_values(value: Any, reason: str) -> None:
    for validate in (validate_pattern, validate_stream, validate_collector):
        error = refused(lambda validate=validate: validate({**pattern(), "tests": [value]}))
        assert error.code == "document.invalid"
        assert reason in str(error)


@pytest.mark.parametrize("value", [None, [], "kind: pattern", 5])
def test_what_is_no_map(value: Any) -> None:
    for validate in (validate_document, validate_pattern, validate_stream, validate_collector):
        error = refused(lambda validate=validate: validate(value))
        assert error.code == "document.invalid"
        assert "must be a map of fields" in str(error)
