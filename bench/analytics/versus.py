"""W2 beside Flink SQL, Bytewax, Pathway and Polars in one run, with equal results checked.

    python -m bench.analytics.versus [--events N] [--peer NAME=PYTHON ...]

Each engine is a process of its own (`peers/`), run by the interpreter that is named for it, by
default this one; reads the same file of JSON lines and works out the query of `w2.py`. Its CPU is
that of all its processes; `events_per_cpu_second` leaves out what it used before it began to read,
`with_start` does not. An engine that is not installed there says so. Exit code 1 where rows differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.analytics.w2 import BATCH, Rows, ours, same
from bench.cep.w1_data import generate

PEERS = {
    "flink-sql": "flink_sql.py", "bytewax": "with_bytewax.py", "pathway": "with_pathway.py",
    "polars": "with_polars.py",
}  # fmt: skip
TIMEOUT_S = 460


def read(path: Path) -> Iterator[list[bytes]]:
    """The events of the file, in batches as a consumer hands them over."""
    with path.open("rb") as file:
        while batch := [line for _, line in zip(range(BATCH), file, strict=False)]:
            yield batch


def summit(path: Path) -> tuple[dict[str, Any], Rows]:
    """Ours, from the same file."""
    begin = time.process_time()
    values = [value for batch in read(path) for value in batch]
    rows = ours(values, [0] * len(values))
    return {"cpu": time.process_time() - begin}, rows


def peer(python: str, program: str, path: Path) -> tuple[dict[str, Any], Rows] | str:
    """One of the others; a text where it does not run."""
    where = Path(__file__).parent / "peers" / program
    done = subprocess.run(
        [python, str(where), str(path)], capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    rows = {(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in told["rows"]}
    start = told["start_cpu_seconds"]
    return {"cpu": told["cpu_seconds"] - start, "start": start, "mb": told["peak_mb"]}, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON")
    arguments = parser.parse_args()
    pythons = dict(given.split("=", 1) for given in arguments.peer)
    workload = generate(arguments.events)
    equal = True
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "events.json")
        path.write_bytes(b"\n".join(workload.values) + b"\n")
        del workload
        used, expected = summit(path)
        own = arguments.events / used["cpu"]
        line = {"bench": "analytics.versus", "events": arguments.events, "rows": len(expected)}
        print(json.dumps({**line, "engine": "summit", "events_per_cpu_second": round(own)}))
        for name, program in PEERS.items():
            found = peer(pythons.get(name, sys.executable), program, path)
            if isinstance(found, str):
                print(json.dumps({**line, "engine": name, "does_not_run": found}))
                continue
            used, rows = found
            is_same = same(expected, rows)
            equal &= is_same
            rate = arguments.events / used["cpu"]
            told = {
                "engine": name, "events_per_cpu_second": round(rate),
                "with_start": round(arguments.events / (used["cpu"] + used["start"])),
                "ours_to_it": round(own / rate, 2), "peak_mb": used["mb"],
                "results_equal": is_same,
            }  # fmt: skip
            print(json.dumps({**line, **told}), flush=True)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
