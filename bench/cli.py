"""What a person waits for before a command answers: `summit --help`, as a process of its own.

    python -m bench.cli [--runs N]

CPU-seconds of the process, all of the interpreter's start included; the bare reference is the same
interpreter importing click. Target: 0.3 s.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

HELP = ("-m", "summit", "--help")
BARE = ("-c", "import click")


def one(arguments: tuple[str, ...]) -> tuple[float, float]:
    """CPU-seconds and wall seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, timeout=30)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    found = [(one(HELP), one(BARE)) for _ in range(runs)]
    cpu, wall = (statistics.median(ours[i] for ours, _ in found) for i in (0, 1))
    bare = statistics.median(bare[0] for _, bare in found)
    print(
        json.dumps(
            {
                "bench": "cli.help",
                "cpu_s": round(cpu, 4),
                "wall_s": round(wall, 4),
                "bare_cpu_s": round(bare, 4),
                "ratio_to_bare": round(cpu / bare, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
