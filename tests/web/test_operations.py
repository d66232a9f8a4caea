"""Query parameters: read as their operation declares them, refused with the parameter's name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from summit.base.errors import Invalid
from summit.web.operations import read_query


class Query(msgspec.Struct, frozen=True, rename="camel"):
    """One parameter of each kind."""

    name: str | None = None
    state: Literal["open", "closed"] | None = None
    max_count: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = 5
    early: bool = True
    tags: list[str] = []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], Query()),
        ([("name", "null"), ("state", "open")], Query(name="null", state="open")),
        ([("maxCount", "10"), ("early", "false")], Query(max_count=10, early=False)),
        ([("tags", "a,b"), ("tags", "c")], Query(tags=["a", "b", "c"])),
    ],
)
def test_parameters(given: list[tuple[str, str]], expected: Query) -> None:
    assert read_query(Query, given) == expected


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ([("nam", "x")], "web.parameter_unknown", "did you mean 'name'"),
        ([("max_count", "1")], "web.parameter_unknown", "max_count"),
        ([("state", "null")], "web.parameter", "one of"),
        ([("maxCount", "null")], "web.parameter", "from 1 to 10"),
        ([("maxCount", "0")], "web.parameter", "from 1 to 10"),
        ([("maxCount", "1.5")], "web.parameter", "from 1 to 10"),
        ([("early", "yes")], "web.parameter", "true or false"),
        ([("name", "a"), ("name", "b")], "web.parameter", "one value"),
    ],
)
def test_refusals(given: list[tuple[str, str]], code: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_query(Query, given)
    assert refused.value.code == code
    assert text in str(refused.value)
    assert refused.value.details["pointer"] == given[-1][0]


def test_a_parameter_that_is_needed_is_named() -> None:
    class Needed(msgspec.Struct):
        by: str

    given: list[Any] = []
    with pytest.raises(Invalid) as refused:
        read_query(Needed, given)
    assert refused.value.details["pointer"] == "by"
