"""What a person notices first: how soon the help is there, what a system at rest holds in memory.

    .venv/bin/python -m bench.services.footprint [--seconds 12] [-o json]

Prints the help's best and median of seven runs, the proportional set size (PSS) of each process of
`summit up` after some seconds at rest, and when `summit demo` told its first alert. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

TARGETS: Final = {
    "helpS": 0.3, "brokerMb": 40, "nodeMb": 60, "worker-0Mb": 50, "demoFirstAlertS": 10,
}  # fmt: skip
_SUMMIT: Final = [sys.executable, "-m", "summit"]
_RUNS: Final = 7


def help_s() -> list[float]:
    """Seconds of `summit --help`, sorted."""
    times = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        subprocess.run([*_SUMMIT, "--help"], stdout=subprocess.DEVNULL, check=True, timeout=60)
        times.append(time.perf_counter() - begin)
    return sorted(times)


def at_rest(seconds: float, directory: str) -> dict[str, float]:
    """PSS in megabytes of each process of `summit up`, by name."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("SUMMIT_")}
    with subprocess.Popen(
        [*_SUMMIT, "up", "--port", "0", "--workers", "1", "--data-dir", f"{directory}/data"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd=directory,
    ) as up:  # fmt: skip
        try:
            assert up.stdout is not None
            pids = json.loads(up.stdout.readline())["pids"]
            time.sleep(seconds)
            return {name: _pss_mb(pid) for name, pid in pids.items()}
        finally:
            up.terminate()
            up.wait(60)


def _pss_mb(pid: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1_024 / 1e6


def first_alert_s(directory: str) -> float:
    """Seconds from the start of `summit demo` to the line of its first alert."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [*_SUMMIT, "demo", "--once", "-o", "json"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=directory,
    ) as demo:  # fmt: skip
        try:
            assert demo.stdout is not None
            demo.stdout.readline()
            return time.perf_counter() - begin
        finally:
            demo.terminate()
            demo.wait(60)


def measure(seconds: float) -> dict[str, Any]:
    """All figures."""
    before = os.times()
    times = help_s()
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    with tempfile.TemporaryDirectory() as directory:
        memory = {f"{name}Mb": round(mb, 1) for name, mb in at_rest(seconds, directory).items()}
        first = round(first_alert_s(directory), 2)
    return {
        "helpS": round(times[_RUNS // 2], 3), "helpBestS": round(times[0], 3),
        "helpCpuS": round(cpu / _RUNS, 3), **memory,
        "demoFirstAlertS": first,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    given = parser.parse_args()
    found = measure(given.seconds)
    if given.output == "json":
        print(json.dumps(found))
        return
    for name, value in found.items():
        target = f"  (target {TARGETS[name]:g})" if name in TARGETS else ""
        print(f"{name:>18}  {value:g}{target}")


if __name__ == "__main__":
    main()
