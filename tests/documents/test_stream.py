"""Streams."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import refused

from summit.documents import validate_stream

STREAM = {"kind": "stream", "id": "auth", "topics": ["auth.*"]}
INVALID, LATER = "document.invalid", "stream.not_available"


def test_a_stream_in_full() -> None:
    document = {
        **STREAM,
        "name": "Logins",
        "format": {"type": "json"},
        "order": "arrival",
        "eventTime": {"field": "timestamp"},
    }
    checked = validate_stream(document)
    assert (checked.id, checked.kind, checked.topics) == ("auth", "stream", ("auth.*",))
    assert checked.to_dict() == document


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"id": None}, INVALID, "/id"),
        ({"kind": "pattern"}, INVALID, "/kind"),
        ({"topics": None}, INVALID, "/topics"),
        ({"topics": []}, INVALID, "/topics"),
        ({"format": "json"}, INVALID, "/format"),
        ({"format": {"type": "xml"}}, INVALID, "/format/type"),
        ({"format": {"type": "csv"}}, LATER, "/format/type"),
        ({"order": "eventTime"}, LATER, "/order"),
        ({"order": "random"}, INVALID, "/order"),
        ({"eventTime": {"field": "when"}}, LATER, "/eventTime/field"),
        ({"eventTime": {"maxOutOfOrderness": "2s"}}, LATER, "/eventTime/maxOutOfOrderness"),
        ({"eventTime": {"idleTimeout": "2s"}}, LATER, "/eventTime/idleTimeout"),
        ({"eventTime": {"filed": "x"}}, INVALID, "/eventTime/filed"),
        ({"late": "drop"}, LATER, "/late"),
        ({"keyedBy": ["ip"]}, LATER, "/keyedBy"),
        ({"steps": []}, INVALID, "/steps"),
    ],
)
def test_a_problem(fields: dict[str, Any], code: str, pointer: str) -> None:
    error = refused(lambda: validate_stream({**STREAM, **fields}))
    assert (error.code, error.details["pointer"]) == (code, pointer)
    assert len(error.details["problems"]) == 1
