"""Memory and CPU of many groups: so many groups times ten metrics in one open window.

    python -m bench.analytics.groups [--groups N] [--events-per-group N]

Ten metrics of two fields, the 95th percentile exact: count, sum, avg, min, max, stddev, p95,
median, distinct, rate. Every group gets its events in a random order of groups, all in one hour;
what the process has grown by is read while every window is open, and telling them is timed.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time

import numpy as np

from summit.analytics.runner import QueryRunner
from summit.documents.query import validate_query

T0_MS = 1_700_002_800_000
MB_MAX = 1_000
BATCH = 8_192
ROW = b'{"timestamp":%d,"host":"h%06d","value":%r,"user":"u%d"}'
QUERY = {
    "id": "groups",
    "groupBy": ["host"],
    "window": {"type": "tumbling", "size": "1h"},
    "metrics": [
        {"name": "n", "function": "count"},
        *(
            {"name": name, "field": "value", "function": name}
            for name in ("sum", "avg", "min", "max", "stddev", "median")
        ),
        {"name": "p95", "field": "value", "function": "percentile", "percentile": 95},
        {"name": "users", "field": "user", "function": "distinct"},
        {"name": "rate", "function": "rate"},
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--events-per-group", type=int, default=20)
    arguments = parser.parse_args()
    groups, each = arguments.groups, arguments.events_per_group
    rng = np.random.default_rng(1)
    hosts = rng.permutation(np.repeat(np.arange(groups), each))
    runner = QueryRunner(validate_query(QUERY).plan)
    gc.collect()
    gc.freeze()
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    taking = 0.0
    for start in range(0, len(hosts), BATCH):
        some = hosts[start : start + BATCH].tolist()
        values = rng.lognormal(5, 1, len(some)).round(3).tolist()
        at = T0_MS + start * 3_000_000 // len(hosts)
        batch = [
            ROW % (at, host, value, host % 97) for host, value in zip(some, values, strict=True)
        ]
        begin = time.process_time()
        assert not runner.take(batch, [at] * len(batch))
        taking += time.process_time() - begin
    grown_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    begin = time.process_time()
    told = runner.advance(T0_MS + 3_600_000)
    telling = time.process_time() - begin
    correct = len(told) == groups and all(one.metrics["n"] == each for one in told)
    print(json.dumps({
        "bench": "analytics.groups",
        "groups": groups,
        "metrics": len(told[0].metrics),
        "events": len(hosts),
        "events_per_cpu_second": round(len(hosts) / taking),
        "grown_mb": round(grown_mb),
        "target_mb": MB_MAX,
        "told_groups_per_cpu_second": round(groups / telling),
        "results_correct": correct,
    }))  # fmt: skip
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
