"""Windows against what Apache Flink SQL made of the same events, disorder and late ones included.

The answers are recorded (`tests/oracles/record_flink_windows.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.analytics.queries import event_of

from summit.analytics.found import Found
from summit.analytics.runner import QueryRunner
from summit.documents.query import validate_query

RECORDED = json.loads(
    (Path(__file__).parents[1] / "oracles" / "flink_windows.json").read_text(encoding="utf-8")
)
METRICS = [
    {"name": "n", "function": "count"},
    {"name": "sum", "field": "v", "function": "sum"},
    {"name": "min", "field": "v", "function": "min"},
    {"name": "max", "field": "v", "function": "max"},
    {"name": "p90", "field": "v", "function": "percentile", "percentile": 90},
]
LATE = {"tumbling", "tumbling with an offset", "hopping", "session"}


@pytest.mark.parametrize("case", range(len(RECORDED["cases"])))
@pytest.mark.parametrize("kind", RECORDED["windows"])
def test_windows_are_those_of_flink(kind: str, case: int) -> None:
    window, delay_ms = RECORDED["windows"][kind], RECORDED["delay_ms"]
    events, rows = RECORDED["cases"][case]["events"], RECORDED["cases"][case]["rows"][kind]
    document = {"id": "q", "groupBy": ["k"], "window": window, "metrics": METRICS}
    runner = QueryRunner(validate_query(document).plan, delay_ms=delay_ms)
    values = [event_of(tuple(event)) for event in events]
    found: list[Found] = []
    for start in range(0, len(values), 37):  # batches change nothing
        some = values[start : start + 37]
        found += runner.take(some, [1 << 41] * len(some))
    found += [one for one in runner.finish() if not one.partial]
    assert (runner.stats()["late"] > 0) == (kind in LATE)
    want = [_row(row, timed=kind != "count") for row in rows]
    assert sorted(_ours(one, timed=kind != "count") for one in found) == sorted(want)


def _ours(one: Found, *, timed: bool) -> tuple[Any, ...]:
    metrics = one.metrics
    figures = (one.key, metrics["n"], metrics["sum"], metrics["min"], metrics["max"])
    # Flink has windows of counts without percentiles, and without a time of their own.
    return (*figures, one.start_ms, one.end_ms, round(metrics["p90"], 6)) if timed else figures


def _row(row: list[Any], *, timed: bool) -> tuple[Any, ...]:
    key, start, end, count, total, low, high, *p90 = row
    figures = (key, count, total, low, high)
    return (*figures, start, end, round(p90[0], 6)) if timed else figures
