"""What the peers' programs share. They run in environments of their own, without Summit.

A program is called with the path of a file of events, one JSON object a line, and prints one JSON
line: `rows` of (start of the window, country, device type, count, mean, 95th percentile),
`cpu_seconds` of the process and `start_cpu_seconds` of them before the first event was read.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

SIZE_MS = 300_000
DELAY_MS = 5_000

Row = tuple[int, str, str, int, float, float]


def run(work: Callable[[str], Iterable[Row]], more: Callable[[], float] = lambda: 0.0) -> None:
    """Measure a program.

    Args:
        work: Gives the rows of a file's events.
        more: CPU-seconds of other processes of it until now.
    """
    start = time.process_time() + more()
    rows = list(work(sys.argv[1]))
    cpu = time.process_time() + more()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told: dict[str, Any] = {
        "rows": rows, "cpu_seconds": cpu, "start_cpu_seconds": start, "peak_mb": round(peak_mb),
    }  # fmt: skip
    print(json.dumps(told))


def percentile(values: list[int], percent: float) -> float:
    """Linear interpolation between the nearest ranks."""
    values.sort()
    at = (len(values) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)
