"""Problem details: members, pointers, lists of problems."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.web import Routes, problem_of
from summit.web.responses import encode_json


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, []),
        ({"pointer": "/a/0"}, [{"pointer": "/a/0", "detail": "invalid configuration: r"}]),
        (
            {"problems": [{"pointer": "/x", "message": "m", "suggestion": "s"}, {"detail": "d"}]},
            [
                {"pointer": "/x", "detail": "m", "suggestion": "s"},
                {"pointer": "", "detail": "d"},
            ],
        ),
        (
            {"problems": [SimpleNamespace(pointer="/y", message="n", suggestion=None)]},
            [{"pointer": "/y", "detail": "n"}],
        ),
    ],
)
def test_places_of_an_error(details: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    problem = problem_of(Invalid("config.invalid", reason="r", **details), request_id="q")
    assert problem["errors"] == expected
    assert problem["requestId"] == "q"
    assert problem["title"] == "Bad Request"


def test_json_out_is_finite() -> None:
    values = {"a": float("inf"), "b": [float("-inf"), float("nan"), 1.5], "c": b"\x00\x01"}
    assert encode_json(values) == b'{"a":null,"b":[null,null,1.5],"c":"AAE="}'
    with pytest.raises(TypeError, match="object has no JSON form"):
        encode_json(object())


def test_a_table_of_routes_refuses_doubles_and_unknown_methods() -> None:
    async def handler(request: object) -> None: ...

    routes = Routes()
    routes.get("/a", handler)
    with pytest.raises(ValueError, match="twice"):
        routes.get("/a", handler)
    with pytest.raises(ValueError, match="no such method"):
        routes.add("FETCH", "/a", handler)
    assert routes.listed() == [("GET", "/a")]
