"""Streams."""

from __future__ import annotations

from typing import Any

import pytest
from tests.documents.documents import refused

from summit.documents import validate_stream
from summit.documents.stream import StreamPlan

STREAM = {"kind": "stream", "id": "auth", "topics": ["auth.*"]}
INVALID, LATER = "document.invalid", "stream.not_available"


def test_a_stream_in_full() -> None:
    document = {
        **STREAM,
        "name": "Logins",
        "format": {"type": "json"},
        "order": "eventTime",
        "eventTime": {
            "field": "timestamp",
            "maxOutOfOrderness": "2s",
            "idleTimeout": "1m",
            "maxFuture": 0,
        },
        "late": "drop",
    }
    checked = validate_stream(document)
    assert (checked.id, checked.kind, checked.enabled) == ("auth", "stream", True)
    assert checked.plan == StreamPlan(
        "auth", ("auth.*",), is_ordered=True, delay_ms=2_000, idle_ms=60_000, max_future_ms=0,
        drops_late=True,
    )  # fmt: skip
    assert [checked.plan.has(topic) for topic in ("auth.ssh", "auth", "x.auth.y")] == [
        True, False, False,
    ]  # fmt: skip
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
        ({"order": "random"}, INVALID, "/order"),
        ({"eventTime": {"field": "when"}}, LATER, "/eventTime/field"),
        ({"eventTime": {"maxOutOfOrderness": "2s"}}, INVALID, "/eventTime/maxOutOfOrderness"),
        ({"eventTime": {"maxOutOfOrderness": -1}}, INVALID, "/eventTime/maxOutOfOrderness"),
        ({"eventTime": {"idleTimeout": 0}}, INVALID, "/eventTime/idleTimeout"),
        ({"eventTime": {"filed": "x"}}, INVALID, "/eventTime/filed"),
        ({"late": "drop"}, INVALID, "/late"),
        ({"late": "keep", "order": "eventTime"}, INVALID, "/late"),
        ({"keyedBy": ["ip"]}, LATER, "/keyedBy"),
        ({"steps": []}, INVALID, "/steps"),
    ],
)
def test_a_problem(fields: dict[str, Any], code: str, pointer: str) -> None:
    error = refused(lambda: validate_stream({**STREAM, **fields}))
    assert (error.code, error.details["pointer"]) == (code, pointer)
    assert len(error.details["problems"]) == 1
