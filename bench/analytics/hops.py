"""What a hop costs, by how many windows overlap: it should not grow with size / slide.

    python -m bench.analytics.hops

One group, windows of an hour that begin every 10 min, 1 min, 10 s and 1 s: 6 to 3,600 overlap. Each
slide gets the same ten events, so a window holds 60 to 36,000 of them; what a hop costs is all the
work from JSON bytes on, divided by the hops. The percentile is asked for in a query of its own:
up to 4,096 values it is kept in order, beyond that its sketch is.
"""

from __future__ import annotations

import json
import random
import sys
import time

from summit.analytics.runner import QueryRunner
from summit.documents.query import validate_query

SIZE_MS = 3_600_000
EVENTS_PER_SLIDE = 10
HOPS = 4_000
METRICS = {
    "numbers": [
        {"name": name, "field": "v", "function": name}
        for name in ("sum", "avg", "min", "max", "stddev")
    ],
    "percentile": [{"name": "p95", "field": "v", "function": "percentile", "percentile": 95}],
}


def us_per_hop(slide_ms: int, metrics: list[dict[str, object]]) -> float:
    window = {"type": "hopping", "size": SIZE_MS, "slide": slide_ms}
    plan = validate_query({"id": "hops", "window": window, "metrics": metrics}).plan
    runner = QueryRunner(plan)
    rng = random.Random(1)
    rows = [b"%.3f" % rng.lognormvariate(5, 1) for _ in range(EVENTS_PER_SLIDE)]
    step = slide_ms // EVENTS_PER_SLIDE
    full = SIZE_MS // slide_ms  # hops until the window is full
    told, begin, batch = 0, 0.0, []
    for n in range((full + HOPS) * EVENTS_PER_SLIDE):
        if n == full * EVENTS_PER_SLIDE:
            runner.take(batch, [1 << 40] * len(batch))
            batch, begin = [], time.process_time()
        batch.append(b'{"timestamp":%d,"v":%s}' % (n * step, rows[n % EVENTS_PER_SLIDE]))
        if len(batch) == 2_000:
            told += len(runner.take(batch, [1 << 40] * len(batch)))
            batch = []
    told += len(runner.take(batch, [1 << 40] * len(batch)))
    assert told >= HOPS - 2
    return (time.process_time() - begin) / HOPS * 1e6


def main() -> int:
    for name, metrics in METRICS.items():
        found = {
            SIZE_MS // slide: round(us_per_hop(slide, metrics), 1)
            for slide in (600_000, 60_000, 10_000, 1_000)
        }
        few, most = found[6], found[3_600]
        print(json.dumps({
            "bench": "analytics.hops", "metrics": name, "us_per_hop_by_overlap": found,
            "ratio_3600_to_6": round(most / few, 2),
        }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
