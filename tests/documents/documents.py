"""Short ways to write documents and to see their problems, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents import Problem, validate_pattern


def pattern(**fields: Any) -> dict[str, Any]:
    """A small pattern that is right, with some fields changed; None leaves a field out."""
    whole = {"id": "p", "groupBy": ["user"], "steps": [step("a")], "within": "60s", **fields}
    return {name: value for name, value in whole.items() if value is not None}


def step(event_type: str, **fields: Any) -> dict[str, Any]:
    return {"name": event_type, "where": f'eventType == "{event_type}"', **fields}


def refused(make: Callable[[], Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        make()
    return caught.value


def problems_of(document: dict[str, Any]) -> list[Problem]:
    found = refused(lambda: validate_pattern(document)).details["problems"]
    assert all(isinstance(problem, Problem) for problem in found)
    return list(found)


def places_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Pointer and code of every problem."""
    return [(problem.pointer, problem.code) for problem in problems_of(document)]
