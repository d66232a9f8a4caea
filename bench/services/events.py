"""`POST /api/events`, one at a time, until its alert can be read: p50 and p99.

    python -m bench.services.events [--durability fsync|os] [--events 500] [--data-dir DIR]

Runs the real `summit up`. Four cases: an event that completes a match and waits for its alert; one
that completes none and waits until it is matched; one that waits only until it is stored
(`?wait=false`); and `GET /livez`, the bare way through the web server. Beside them what the disk
takes for one `pwrite` and `fdatasync` of 4 KiB, alone: with `fsync` an alert costs four syncs one
after the other (event, alert, position, progress).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.broker.harness import cpu_s, percentile, show

WARM_UP = 50
RULE = {
    "id": "bench", "name": "Bench", "topics": ["events"], "groupBy": ["user"],
    "conditions": [{"field": "eventType", "operator": "eq", "value": "hit", "eventType": "hit"}],
    "action": {"type": "alert", "config": {"severity": "high"}},
}  # fmt: skip


@contextmanager
def system(data_dir: str, durability: str) -> Iterator[dict[str, Any]]:
    """A running `summit up`; gives its ready line."""
    child = subprocess.Popen(
        [sys.executable, "-m", "summit", "up", "--port", "0", "--data-dir", data_dir,
         "--durability", durability, "--workers", "1", "--log-level", "warning"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        if child.stdout is not None:
            child.stdout.close()


class Client:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that must be a success."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        value = json.loads(answer.read())
        assert answer.status in (200, 202), value
        return value


def timed(act: Callable[[int], Any], count: int) -> list[float]:
    """Milliseconds of each call after the warm-up, sorted."""
    taken = []
    for n in range(count + WARM_UP):
        began = time.perf_counter()
        act(n)
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken[WARM_UP:])


def disk(data_dir: str, count: int) -> list[float]:
    """Milliseconds of `pwrite` and `fdatasync` of 4 KiB, sorted."""
    fd = os.open(str(Path(data_dir) / "probe"), os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(fd, bytes(1 << 20), 0)
        os.fsync(fd)

        def act(n: int) -> None:
            os.pwrite(fd, bytes(4096), n % 256 * 4096)
            os.fdatasync(fd)

        return timed(act, count)
    finally:
        os.close(fd)


def measure(durability: str, events: int, data_dir: str) -> None:
    """One system, all cases."""
    with system(str(Path(data_dir) / durability), durability) as ready:
        client = Client(ready["correlation"])
        client.call("POST", "/api/patterns", RULE)
        pids = [ready["pid"], *ready["pids"].values()]

        def post(kind: str, query: str = "") -> Callable[[int], Any]:
            return lambda n: client.call(
                "POST", f"/api/events{query}", {"eventType": kind, "user": f"u{n}"}
            )

        cases = {
            "event to alert": post("hit"),
            "event without a match": post("miss"),
            "event stored": post("miss", "?wait=false"),
            "web server alone": lambda _: client.call("GET", "/livez"),
        }
        for name, act in cases.items():
            before = sum(map(cpu_s, pids))
            taken = timed(act, events)
            show(
                name, durability=durability, p50_ms=percentile(taken, 0.5),
                p90_ms=percentile(taken, 0.9), p99_ms=percentile(taken, 0.99),
                cpu_ms=(sum(map(cpu_s, pids)) - before) * 1000 / (events + WARM_UP),
            )  # fmt: skip
        alerts = client.call("GET", "/api/stats")["totalAlerts"]
        assert alerts == events + WARM_UP, f"{alerts} alerts"


def main() -> None:
    """Measure and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", choices=["fsync", "os"], action="append")
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--data-dir", default=None, help="on the disk to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="summit-bench-", dir=arguments.data_dir) as directory:
        for durability in arguments.durability or ["fsync", "os"]:
            taken = disk(directory, arguments.events)
            show(
                "disk alone", p50_ms=percentile(taken, 0.5), p90_ms=percentile(taken, 0.9),
                p99_ms=percentile(taken, 0.99),
            )  # fmt: skip
            measure(durability, arguments.events, directory)


if __name__ == "__main__":
    main()
