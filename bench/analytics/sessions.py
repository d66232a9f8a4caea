"""Session windows with a million keys: memory and CPU while all are open, and until all are told.

    python -m bench.analytics.sessions [--keys N] [--events-per-key N]

Each key has one session with a count, a sum and a 95th percentile; its events come in a random
order of keys within a gap of ten minutes. Checked: so many sessions, each with its events and sum.
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

T0_MS = 1_700_000_000_000
GAP_MS = 600_000
BATCH = 8_192
QUERY = {
    "id": "sessions",
    "groupBy": ["user"],
    "window": {"type": "session", "gap": GAP_MS},
    "metrics": [
        {"name": "n", "function": "count"},
        {"name": "sum", "field": "value", "function": "sum"},
        {"name": "p95", "field": "value", "function": "percentile", "percentile": 95},
    ],
    "limits": {"groups": 10_000_000},
}
ROW = b'{"timestamp":%d,"user":"u%07d","value":%d}'


def resident_mb() -> float:
    """Memory of the process now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / (1 << 20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--events-per-key", type=int, default=5)
    arguments = parser.parse_args()
    keys, each = arguments.keys, arguments.events_per_key
    rng = np.random.default_rng(1)
    users = rng.permutation(np.repeat(np.arange(keys), each))
    runner = QueryRunner(validate_query(QUERY).plan)
    gc.collect()
    gc.freeze()
    before_mb = resident_mb()
    taking = 0.0
    for start in range(0, len(users), BATCH):
        some = users[start : start + BATCH].tolist()
        at = T0_MS + start * (GAP_MS // 2) // len(users)
        values = [ROW % (at, user, user % 1_000) for user in some]
        begin = time.process_time()
        runner.take(values, [at] * len(values))
        taking += time.process_time() - begin
    open_mb = resident_mb() - before_mb
    begin = time.process_time()
    told = runner.finish()
    telling = time.process_time() - begin
    right = len(told) == keys and all(
        one.count == each and one.metrics["sum"] == each * (int(one.key[1:]) % 1_000)
        for one in told[:: max(keys // 1_000, 1)]
    )
    line = {
        "bench": "analytics.sessions",
        "keys": keys,
        "events": len(users),
        "events_per_cpu_second": round(len(users) / taking),
        "us_cpu_per_event": round(1e6 * taking / len(users), 1),
        "sessions_told_per_cpu_second": round(keys / telling),
        "open_mb": round(open_mb),
        "bytes_per_key": round(open_mb * (1 << 20) / keys),
        "correct": right,
    }
    print(json.dumps(line))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
