"""The documents of docs/patterns.md: each is right, and passes the tests it brings along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from summit.documents import parse_documents
from summit.flow.trying import run_document_tests

PAGE = Path(__file__).parents[2] / "docs" / "patterns.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("id: ")[1].split("\n")[0])
def test_an_example(text: str) -> None:
    (document,) = parse_documents(text)
    results = run_document_tests(document.values)
    assert results
    assert [result.failures for result in results] == [[] for _ in results]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4
