"""Problems and how they are raised."""

from __future__ import annotations

import pytest
from tests.documents.documents import refused

from summit.base.catalogue import CATALOGUE
from summit.documents.problems import Problem, Problems, described, join_pointer


@pytest.mark.parametrize(
    ("codes", "raised"),
    [
        (["document.invalid"], "document.invalid"),
        (["expression.syntax"], "document.invalid"),
        (["pattern.not_available"], "pattern.not_available"),
        (["pattern.not_available"] * 2, "pattern.not_available"),
        (["pattern.not_available", "document.invalid"], "document.invalid"),
        (["kind.unknown"], "kind.unknown"),
    ],
)
def test_the_code_of_all(codes: list[str], raised: str) -> None:
    problems = Problems()
    for number, code in enumerate(codes):
        problems.add(f"/{number}", "wrong", code=code)
    error = refused(lambda: problems.raise_if_any("pattern 'x'", known="", available=""))
    assert error.code == raised
    assert len(error.details["problems"]) == len(codes)
    assert raised in CATALOGUE


def test_nothing_is_raised_without_problems() -> None:
    Problems().raise_if_any("x")


def test_the_same_problem_counts_once() -> None:
    problems = Problems()
    problems.add("/a", "wrong")
    problems.add("/a", "wrong")
    problems.add("/a", "also wrong")
    error = refused(lambda: problems.raise_if_any("x"))
    assert str(error) == "x: /a: wrong (and 1 more problem)"


def test_lines_and_pointers() -> None:
    assert described(Problem("/a", "wrong", "b")) == "/a: wrong (did you mean 'b'?)"
    assert described(Problem("", "wrong")) == "wrong"
    assert join_pointer("", "a~b/c") == "/a~0b~1c"
