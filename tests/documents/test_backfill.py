"""Backfills: where a rule begins, checked with pointers."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.documents import validate_backfill, validate_document
from summit.documents.backfill import BackfillPlan


@pytest.mark.parametrize(
    ("values", "plan"),
    [
        ({}, BackfillPlan(None, {}, None)),
        ({"since": "earliest"}, BackfillPlan(None, {}, None)),
        ({"since": "1970-01-01T00:00:01Z"}, BackfillPlan(1_000, {}, None)),
        ({"since": 5, "offsets": {"a/b.c/12": 7}}, BackfillPlan(5, {"a/b.c/12": 7}, None)),
        ({"live": 3}, BackfillPlan(None, {}, 3)),
    ],
)
def test_what_it_means(values: dict[str, Any], plan: BackfillPlan) -> None:
    document = {"kind": "backfill", "id": "query:sums", **values}
    checked = validate_backfill(document)
    assert (checked.id, checked.plan) == ("query:sums", plan)
    assert validate_document(checked.to_dict()) == checked


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"since": "yesterday"}, "/since"),
        ({"since": None, "id": "a b"}, "/id"),
        ({"offsets": {"auth": 1}}, "/offsets/auth"),
        ({"offsets": {"auth/0": -1}}, "/offsets/auth~10"),
        ({"offsets": [1]}, "/offsets"),
        ({"live": 0}, "/live"),
        ({"until": 1}, "/until"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate_backfill({"kind": "backfill", "id": "a", **values})
    assert pointer in {problem.pointer for problem in caught.value.details["problems"]}
