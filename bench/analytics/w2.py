"""W2: JSON bytes in memory to windows, events per CPU-second, results equal to the peers'.

    python -m bench.analytics.w2 [--events N] [--peers]

The events are those of W1 (`bench/cep/w1_data.py`), in file order. The query: count, average and
exact 95th percentile of `duration`, by country and deviceType, in tumbling windows of 5 minutes;
event time is 5 s behind the largest time seen, so nothing is late. Input is what a consumer hands
over, lists of values in batches of 8,192; making them is not measured.

With --peers, in the same run: plain Python that does just this query, without time, late events or
state that can be saved; and Polars and DuckDB, batch engines that read the same bytes as one NDJSON
text, where they are installed (`pip install polars duckdb`). CPU-seconds are of the process with
all its threads.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from bench.cep.w1_data import generate

from summit.analytics.quantiles import Ascending
from summit.analytics.runner import QueryRunner
from summit.documents.query import validate_query
from summit.keyed.keys import key_values

BATCH = 8_192
DELAY_MS = 5_000
SIZE_MS = 300_000
EVENTS_PER_CPU_S_MIN = 700_000
QUERY = {
    "id": "w2",
    "groupBy": ["country", "deviceType"],
    "window": {"type": "tumbling", "size": SIZE_MS},
    "metrics": [
        {"name": "n", "function": "count"},
        {"name": "mean", "field": "duration", "function": "avg"},
        {"name": "p95", "field": "duration", "function": "percentile", "percentile": 95,
         "exact": True},
    ],
}  # fmt: skip

Rows = dict[tuple[int, str, str], tuple[int, float, float]]


def ours(values: list[bytes], stamps: list[int]) -> Rows:
    """Through the product's runner."""
    runner = QueryRunner(validate_query(QUERY).plan, delay_ms=DELAY_MS)
    told = []
    for start in range(0, len(values), BATCH):
        told += runner.take(values[start : start + BATCH], stamps[start : start + BATCH])
    told += runner.finish()
    assert runner.stats()["late"] == 0
    return {
        (one.start_ms, *key_values(one.key)): (
            one.metrics["n"], one.metrics["mean"], one.metrics["p95"],
        )
        for one in told
    }  # fmt: skip


class _Event(msgspec.Struct, gc=False):
    timestamp: int
    country: str
    deviceType: str
    duration: int


def plain(values: list[bytes], stamps: list[int]) -> Rows:
    """Just this query, by hand."""
    del stamps
    decode = msgspec.json.Decoder(_Event).decode
    groups: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
    for value in values:
        e = decode(value)
        groups[e.timestamp - e.timestamp % SIZE_MS, e.country, e.deviceType].append(e.duration)
    found = {}
    for key, mine in groups.items():
        mine.sort()
        p95 = Ascending(mine).percentile(95)
        assert p95 is not None
        found[key] = (len(mine), sum(mine) / len(mine), p95)
    return found


def with_polars(values: list[bytes], stamps: list[int]) -> Rows:
    """Polars, its lazy engine over one text."""
    import polars as pl

    del stamps
    schema = {
        "timestamp": pl.Int64, "country": pl.String, "deviceType": pl.String, "duration": pl.Int64,
    }  # fmt: skip
    frame = pl.read_ndjson(io.BytesIO(b"\n".join(values)), schema=schema)
    start = (pl.col("timestamp") // SIZE_MS * SIZE_MS).alias("start")
    duration = pl.col("duration")
    result = (
        frame.lazy()
        .group_by(start, "country", "deviceType")
        .agg(
            pl.len().alias("n"), duration.mean().alias("mean"),
            duration.quantile(0.95, "linear").alias("p95"),
        )
        .collect()
    )  # fmt: skip
    return {row[:3]: row[3:] for row in result.iter_rows()}


def with_duckdb(values: list[bytes], stamps: list[int]) -> Rows:
    """DuckDB, over one file (written before the clock starts)."""
    import duckdb

    del stamps
    text = (
        "select timestamp // 300000 * 300000 as start, country, deviceType, count(*),"
        " avg(duration), quantile_cont(duration, 0.95)"
        f" from read_json('{_FILE[0]}', format='newline_delimited', columns={{timestamp:'BIGINT',"
        "country:'VARCHAR',deviceType:'VARCHAR',duration:'BIGINT'}) group by all"
    )
    return {row[:3]: row[3:] for row in duckdb.sql(text).fetchall()}


_FILE: list[str] = []


def same(found: Rows, other: Rows) -> bool:
    """Whether both have the same groups and, but for the rounding of a mean, numbers."""
    return found.keys() == other.keys() and all(
        row[0] == other[key][0]
        and math.isclose(row[1], other[key][1], rel_tol=1e-12)
        and math.isclose(row[2], other[key][2], rel_tol=1e-12)
        for key, row in found.items()
    )


def measured(run: Callable[..., Rows], *arguments: Any) -> tuple[float, Rows]:
    gc.collect()
    gc.freeze()
    begin = time.process_time()
    found = run(*arguments)
    return time.process_time() - begin, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peers", action="store_true", help="also plain Python, Polars, DuckDB")
    arguments = parser.parse_args()
    workload = generate(arguments.events)
    values, stamps = workload.values, workload.arrivals_ms
    seconds, found = measured(ours, values, stamps)
    report: dict[str, Any] = {
        "bench": "analytics.w2",
        "events": len(values),
        "groups": len(found),
        "cpu_seconds": round(seconds, 2),
        "events_per_cpu_second": round(len(values) / seconds),
        "target_events_per_cpu_second": EVENTS_PER_CPU_S_MIN,
    }
    correct = True
    if arguments.peers:
        with tempfile.TemporaryDirectory() as directory:
            _FILE[:] = [str(Path(directory, "events.json"))]
            Path(_FILE[0]).write_bytes(b"\n".join(values))
            peers = {"plain": plain, "polars": with_polars, "duckdb": with_duckdb}
            for name, run in peers.items():
                try:
                    taken, rows = measured(run, values, stamps)
                except ImportError:
                    report[name] = "not installed"
                    continue
                report[name] = {
                    "events_per_cpu_second": round(len(values) / taken),
                    "ours_of_it": round(taken / seconds, 2),
                    "results_equal": same(found, rows),
                }
                correct = correct and report[name]["results_equal"]
    else:
        correct = same(found, plain(values, stamps))
    report["results_correct"] = correct
    print(json.dumps(report))
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
