"""EQL's answers to random sequences agree with ours."""

from __future__ import annotations

import json

import pytest
from tests.cep.eql import CASES_FILE, our_answer

CASES = json.loads(CASES_FILE.read_text(encoding="utf-8"))


def test_the_cases_are_worth_something() -> None:
    found = sum(len(case["answer"]) for case in CASES)
    assert len(CASES) >= 150
    assert found >= 500
    assert sum(bool(case["until"] and case["answer"]) for case in CASES) >= 20


@pytest.mark.parametrize("part", range(10))
def test_ours_agree_with_eql(part: int) -> None:
    for number, case in enumerate(CASES[part::10]):
        assert our_answer(case) == case["answer"], CASES[part + 10 * number]
