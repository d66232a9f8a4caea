"""Makes queries and runs them over (time, key, value) events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from summit.analytics.found import Found
from summit.analytics.runner import QueryRunner
from summit.documents.query import validate_query
from summit.documents.query_plan import QueryPlan

FAR_MS = 1 << 40
COUNT = {"name": "n", "function": "count"}
SUM = {"name": "sum", "field": "v", "function": "sum"}

Row = tuple[int, Any, Any]


def plan_of(window: dict[str, Any], *metrics: dict[str, Any], **more: Any) -> QueryPlan:
    document = {"id": "q", "groupBy": ["k"], "window": window, "metrics": metrics or [COUNT, SUM]}
    return validate_query({**document, **more}).plan


def event_of(row: Row) -> bytes:
    at, key, value = row
    return msgspec.json.encode({"timestamp": at, "k": key, "v": value})


def run(
    runner: QueryRunner, rows: Sequence[Row], cuts: Iterable[int] = (), *, end: bool = True
) -> list[Found]:
    """Takes the rows in batches that end at `cuts`."""
    told: list[Found] = []
    places = [0, *sorted(cuts), len(rows)]
    for start, stop in pairwise(places):
        batch = [event_of(row) for row in rows[start:stop]]
        told += runner.take(batch, [FAR_MS] * len(batch))
    return [*told, *runner.finish()] if end else told


def moved(runner: QueryRunner, plan: QueryPlan, delay_ms: int = 0) -> QueryRunner:
    """Another runner that has the state of one, through its bytes."""
    other = QueryRunner(plan, delay_ms=delay_ms)
    for key in runner.keeper.all_keys():
        data = runner.keeper.dump(key)
        assert data is not None
        other.keeper.load(key, data, 1)
    other._reached, other._now = runner._reached, runner._now
    other._first_offset = runner._first_offset
    return other


def briefly(found: Iterable[Found], *names: str) -> list[tuple[Any, ...]]:
    return [
        (one.start_ms, one.end_ms, *(one.metrics[name] for name in names or ("sum",)))
        for one in found
    ]
