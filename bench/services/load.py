"""Both services under load by wrk, beside the bare framework in the same run: p99, CPU per request.

    python -m bench.services.load [--seconds 5] [--connections 16] [--rounds 1]

Runs `summit up` (durability `os`, one worker) and `bench.services.bare`. Each case loads the bare
framework, then the service, with the same connections for the same time; a GET beside a GET, a
POST beside a POST of the same body. `cpu_us` is of the node (both services), `broker_cpu_us` of the
broker meanwhile; `ratio` is the node's CPU per request over the framework's. Any answer that is
no success fails the bench. Needs wrk (a Debian package).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.broker.harness import cpu_s, show
from bench.services.events import Client, system

_EVENT = {"eventType": "user.login", "userId": "ann", "sourceIP": "203.0.113.7", "attempts": 3}
_SCRIPT = """
wrk.method = "%s"
wrk.body = %s
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency, requests)
  io.write(string.format('\\n{"requests":%%d,"p50":%%f,"p99":%%f,"refused":%%d,"broken":%%d}\\n',
    summary.requests, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


class Case(NamedTuple):
    """What is asked, of which service."""

    name: str
    service: str
    method: str
    path: str
    body: Any = None


CASES = (
    Case("liveness", "streaming", "GET", "/livez"),
    Case("topics", "streaming", "GET", "/api/topics"),
    Case("produce", "streaming", "POST", "/api/produce", {"topic": "load", "value": _EVENT}),
    Case("alerts", "correlation", "GET", "/api/alerts?limit=20"),
    Case("event stored", "correlation", "POST", "/api/events?wait=false", _EVENT),
)


def loaded(url: str, case: Case, seconds: int, connections: int) -> dict[str, Any]:
    """What wrk found. Raises RuntimeError for an answer that is no success."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body = "nil" if case.body is None else f"[==[{json.dumps(case.body)}]==]"
        script.write(_SCRIPT % (case.method, body))
        script.flush()
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
             "-s", script.name, url],
            capture_output=True, text=True, check=True, timeout=seconds + 60,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["refused"] or found["broken"] or not found["requests"]:
        raise RuntimeError(f"{case.name}: {found}\n{done.stdout}")
    return found


@contextmanager
def bare() -> Iterator[tuple[str, int]]:
    """The framework alone: its address and its pid."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.services.bare"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.terminate()


def measure(seconds: int, connections: int, rounds: int, directory: str) -> None:
    """All cases, `rounds` times."""
    with system(str(Path(directory) / "data"), "os") as ready, bare() as (framework, framework_pid):
        node, broker = ready["pids"]["node"], ready["pids"]["broker"]
        Client(ready["streaming"]).call("POST", "/api/topics", {"name": "load", "partitions": 4})
        for _ in range(rounds):
            for case in CASES:
                before = cpu_s(framework_pid)
                beside = loaded(framework + "/", case, seconds, connections)
                framework_us = 1e6 * (cpu_s(framework_pid) - before) / beside["requests"]
                before, before_broker = cpu_s(node), cpu_s(broker)
                ours = loaded(ready[case.service] + case.path, case, seconds, connections)
                own_us = 1e6 * (cpu_s(node) - before) / ours["requests"]
                broker_us = 1e6 * (cpu_s(broker) - before_broker) / ours["requests"]
                show(
                    case.name, requests_per_s=ours["requests"] / seconds, p50_ms=ours["p50"],
                    p99_ms=ours["p99"], bare_p99_ms=beside["p99"], cpu_us=own_us,
                    bare_cpu_us=framework_us, broker_cpu_us=broker_us,
                    ratio=own_us / framework_us, p99_ratio=ours["p99"] / beside["p99"],
                )  # fmt: skip


def main() -> None:
    """Measure and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="summit-load-") as directory:
        measure(given.seconds, given.connections, given.rounds, directory)


if __name__ == "__main__":
    main()
