"""Every figure that Summit promises, measured in one go: one table, or JSON with `-o json`.

    python bench/run.py [--runs 3] [--full] [--check] [-o table|json]

Each bench runs as a process of its own and prints JSON lines; `FIGURES` says which line and key a
row of the table is. All benches run once, then again, as often as `--runs` and the time allow; a
row is the run with the median figure, or for wall-clock figures the lowest, as neighbours only add
to those; ratio and CPU cost are those of the same run. Exits 0 unless a bench crashed; with
`--check` also 1 on a missed target.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import timeit
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUDGET_S = 300.0  # no bench of a further round begins after this
BENCH_TIMEOUT_S = 150.0
FULL_TIMEOUT_S = 200.0
WALL_CLOCK = ("s", "ms", "µs")

Line = dict[str, Any]

# Each bench: arguments after `python -m`.
BENCHES = (
    ("bench.broker.footprint", "--runs", "3"),
    ("bench.broker.small",),
    ("bench.broker.bulk",),
    ("bench.broker.bulk", "--durability", "fsync"),
    ("bench.broker.fsync", "--seconds", "2"),
    ("bench.cep.w1",),
    ("bench.cep.many_rules",),
    ("bench.cep.key_memory",),
    ("bench.analytics.w2",),
    ("bench.analytics.groups",),
    ("bench.analytics.sessions", "--keys", "100000"),
    ("bench.analytics.speed", "--points", "5000"),
    ("bench.flow.w1", "--events", "100000"),
    ("bench.flow.latency", "--rate", "2000", "--seconds", "4"),
    ("bench.client.send", "--records", "100000", "--rounds", "3"),
    ("bench.client.consume", "--rounds", "3"),
    ("bench.client.lone_send", "--rounds", "3"),
    ("bench.client.memory", "--records", "2000000"),
    ("bench.ingest.http",),
    ("bench.ingest.websocket",),
    ("bench.ingest.grpc",),
    ("bench.ingest.database",),
    ("bench.services.load", "--seconds", "1"),
    ("bench.cli",),
)
FULL = {  # what `--full` runs instead
    "bench.cep.w1": ("bench.cep.w1", "--events", "5000000", "--check-data"),
    "bench.client.memory": ("bench.client.memory", "--records", "10000000"),
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A row: the line of a bench, the keys of its figure, CPU cost and ratio, and the target."""

    what: str
    line: Line  # what the bench's line must hold to be this row's
    key: str
    unit: str
    cpu: tuple[str, str] | None = None  # key and unit, where the figure itself is not CPU time
    ratio: str = ""
    most: float | None = None
    least: float | None = None
    right: str = ""  # a key that must be true whatever the figure is


def _acks(in_flight: int) -> Figure:
    return Figure(
        what=f"durable acks, fsync, {in_flight} in flight: p50 (ratio: to the disk's own sync)",
        line={"bench": "durable acks", "in_flight": in_flight}, key="p50_ms", unit="ms",
        cpu=("us_cpu_per_ack", "µs each"), ratio="ratio_p50_to_disk",
    )  # fmt: skip


def _share(what: str, line: Line, by: str) -> Figure:
    """A client's row against the raw one: by CPU-seconds (`efficiency`) or by the clock."""
    unit = "of raw's per CPU-s" if by == "efficiency" else "of raw's per s"
    return Figure(
        what=f"client: {what}", line=line, key=f"{by}_to_raw", unit=unit, least=0.8,
        cpu=("cpu_s_per_million", "s per million"),
    )  # fmt: skip


def _detectors(kind: str, least: int) -> Figure:
    return Figure(
        what=f"detectors of streams: the slowest of the {kind}", least=least,
        line={"bench": "analytics.speed", "slowest": kind}, key="points_per_cpu_s",
        unit="points per CPU-s", cpu=("us_cpu_per_point", "µs a point"),
    )  # fmt: skip


def _flat(half: str) -> Figure:
    return Figure(
        what=f"client: memory, growth while millions of records are {half}d",
        line={"bench": "client.memory", "half": half}, key="growth_mb", unit="MB", most=16,
        cpu=("cpu_s_per_million", "s per million"),
    )  # fmt: skip


def _service(what: str, case: str) -> Figure:
    return Figure(
        what=f"services: {what}, 16 connections: p99 (ratio: CPU to the bare framework's)",
        line={"bench": case}, key="p99_ms", unit="ms", cpu=("cpu_us", "µs each"), ratio="ratio",
    )  # fmt: skip


_SENT = {"bench": "client.send", "way": "send_batch"}
_READ = {"bench": "client.consume", "way": "batches", "records_at_once": 10_000}
FIGURES = (
    Figure(what="broker: produce 100-byte records, 1 MB batches, os",
           line={"bench": "bulk", "durability": "os"}, key="cpu_s_per_million_in",
           unit="CPU-s per million", ratio="ratio_to_bare", most=0.4),
    Figure(what="broker: the same with fsync",
           line={"bench": "bulk", "durability": "fsync"}, key="cpu_s_per_million_in",
           unit="CPU-s per million", ratio="ratio_to_bare"),
    Figure(what="broker: consume them",
           line={"bench": "bulk", "durability": "os"}, key="cpu_s_per_million_out",
           unit="CPU-s per million"),
    Figure(what="broker: one record at a time, acks=all, os: p50",
           line={"bench": "one at a time"}, key="p50_us", unit="µs",
           cpu=("us_cpu_per_request", "µs each"), ratio="ratio_to_bare", most=100),
    Figure(what="broker: 64 connections, one idempotent request in flight each, os",
           line={"bench": "small requests"}, key="requests_per_broker_cpu_s",
           unit="requests per CPU-s", cpu=("us_cpu_per_request", "µs each"),
           ratio="ratio_to_bare", least=40_000),
    _acks(1), _acks(16), _acks(64),
    Figure(what="broker: start to first acknowledged record",
           line={"bench": "footprint"}, key="first_ack_s", unit="s",
           cpu=("first_ack_cpu_s", "s"), ratio="ratio_start", most=0.5),
    Figure(what="broker: memory when idle",
           line={"bench": "footprint"}, key="idle_mb", unit="MB", ratio="ratio_memory", most=60),
    Figure(what="matcher: W1, JSON bytes to matches, exact list",
           line={"bench": "cep.w1"}, key="events_per_cpu_second", unit="events per CPU-s",
           cpu=("cpu_seconds", "s in all"), ratio="times_reference", least=700_000,
           right="matches_correct"),
    Figure(what="matcher: 1,000 rules (ratio: to 10 rules)",
           line={"bench": "cep.many_rules"}, key="events_per_cpu_s_1000", unit="events per CPU-s",
           ratio="ratio"),
    Figure(what="matcher: memory per key at rest, without its event",
           line={"bench": "cep.key_memory"}, key="bytes_per_key_without_event", unit="bytes",
           most=300),
    Figure(what="queries: W2, JSON bytes to windows with an exact p95",
           line={"bench": "analytics.w2"}, key="events_per_cpu_second", unit="events per CPU-s",
           cpu=("cpu_seconds", "s in all"), least=700_000, right="results_correct"),
    Figure(what="queries: 100,000 groups of ten metrics, memory",
           line={"bench": "analytics.groups"}, key="grown_mb", unit="MB", most=1_000,
           right="results_correct"),
    Figure(what="queries: sessions of 100,000 keys, all open, memory of each",
           line={"bench": "analytics.sessions"}, key="bytes_per_key", unit="bytes",
           cpu=("us_cpu_per_event", "µs an event"), right="correct"),
    _detectors("statistics", 100_000),
    _detectors("trees", 20_000),
    Figure(what="worker: W1, topic to alerts, exactly once (ratio: to bare consume)",
           line={"bench": "flow.w1"}, key="events_per_cpu_s", unit="events per CPU-s",
           cpu=("workers_cpu_s", "s in all"), ratio="ratio_to_bare", least=300_000,
           right="alerts_correct"),
    Figure(what="worker: event to alert in hand, 2,000 events/s, fsync: p99 (ratio: the disk's)",
           line={"bench": "flow.latency"}, key="p99_ms", unit="ms", ratio="p99_to_disk", most=20),
    _share("send_batch of 10,000", _SENT, "efficiency"),
    _share("send_batch of 10,000", _SENT, "throughput"),
    _share("batches of 10,000", _READ, "efficiency"),
    _share("batches of 10,000", _READ, "throughput"),
    _share("batches of 500", {**_READ, "records_at_once": 500}, "efficiency"),
    Figure(what="client: one send at a time, lingerMs 0, os: p50",
           line={"bench": "client.lone_send", "way": "send"}, key="p50_ms", unit="ms",
           cpu=("us_cpu_per_record", "µs each"), ratio="p50_to_raw", most=1.5),
    _flat("produce"), _flat("consume"),
    Figure(what="ingest: HTTP, batches of 100 (ratio: to the bare framework)",
           line={"bench": "ingest http"}, key="events_per_cpu_s", unit="events per CPU-s",
           cpu=("cpu_us_per_event", "µs each"), ratio="ratio_cpu_to_bare", least=100_000),
    Figure(what="ingest: WebSocket, one event a message (ratio: to the bare library)",
           line={"bench": "ingest websocket", "events_per_message": 1},
           key="events_per_cpu_s", unit="events per CPU-s",
           cpu=("cpu_us_per_event", "µs each"), ratio="ratio_cpu_to_bare", least=50_000),
    Figure(what="ingest: WebSocket, 20 events a message",
           line={"bench": "ingest websocket", "events_per_message": 20},
           key="events_per_cpu_s", unit="events per CPU-s",
           cpu=("cpu_us_per_event", "µs each"), ratio="ratio_cpu_to_bare", least=50_000),
    Figure(what="ingest: a gRPC stream, 20 events a message (ratio: to the bare library)",
           line={"bench": "ingest grpc", "events_per_message": 20},
           key="events_per_cpu_s", unit="events per CPU-s",
           cpu=("cpu_us_per_event", "µs each"), ratio="ratio_cpu_to_bare", least=50_000),
    Figure(what="ingest: changes of PostgreSQL, exactly once (ratio: to psycopg2 alone)",
           line={"bench": "ingest database", "case": "stream"},
           key="changes_per_cpu_s", unit="changes per CPU-s",
           cpu=("cpu_us_per_change", "µs each"), ratio="ratio_cpu_to_bare", least=20_000),
    Figure(what="ingest: rows of PostgreSQL, the snapshot",
           line={"bench": "ingest database", "case": "snapshot"},
           key="changes_per_cpu_s", unit="rows per CPU-s", cpu=("cpu_us_per_change", "µs each")),
    Figure(what="cli: summit --help (ratio: to importing click)",
           line={"bench": "cli.help"}, key="wall_s", unit="s", cpu=("cpu_s", "s"),
           ratio="ratio_to_bare", most=0.3),
    _service("GET /livez", "liveness"), _service("POST /api/produce", "produce"),
    _service("GET /api/alerts", "alerts"), _service("POST /api/events?wait=false", "event stored"),
)  # fmt: skip


def missing() -> dict[str, str]:
    """Benches that cannot run here, and why; also what runs slower than it should."""
    found = {}
    if not Path("/proc/self/stat").exists():
        for room in ("bench.broker", "bench.client", "bench.flow"):
            found[room] = "not run: CPU-seconds of a process are read from /proc (Linux)"
    if importlib.util.find_spec("numpy") is None:
        for room in ("bench.cep", "bench.flow"):
            found[room] = "not run: numpy is not installed (extra [dev])"
    if importlib.util.find_spec("aiokafka") is None:
        found["bench.client"] = "not run: aiokafka is not installed (extra [dev])"
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        found["bench.ingest.database"] = "not run: PostgreSQL is not installed (Debian: postgresql)"
    if shutil.which("wrk") is None:
        found["bench.services.load"] = "not run: wrk is not installed (Debian: wrk)"
    if importlib.util.find_spec("uvloop") is None:
        found["uvloop"] = "not installed (extra [fast]): broker and reference use asyncio's loop"
    return found


def run_one(
    arguments: tuple[str, ...], scratch: str, timeout_s: float = BENCH_TIMEOUT_S
) -> tuple[list[Line], str]:
    """The lines that a bench prints, and why it failed (empty: it did not)."""
    child = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=scratch, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": scratch},
    )  # fmt: skip
    try:
        out, err = child.communicate(timeout=timeout_s)
    except BaseException as error:
        os.killpg(child.pid, signal.SIGKILL)  # with the broker it has started
        child.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return [], f"took longer than {timeout_s:.0f} s"
        raise
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    if lines and child.returncode in (0, 1) and "Traceback" not in err:
        return lines, ""
    return lines, f"exit {child.returncode}: {(err.strip().splitlines() or ['no result'])[-1]}"


def run_all(runs: int, full: bool) -> tuple[list[Line], dict[str, str]]:
    """All lines of all runs; and the benches that did not end well, with the reason."""
    absent, lines, failed = missing(), [], {}
    benches = [FULL.get(b[0], b) if full else b for b in BENCHES]
    timeout_s = FULL_TIMEOUT_S if full else BENCH_TIMEOUT_S
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as scratch:
        for turn in range(runs):
            for bench in benches:
                name = " ".join(bench)
                late = time.monotonic() - begun > BUDGET_S
                if _is_absent(bench[0], absent) or name in failed or (late and turn):
                    continue
                print(f"{turn + 1}/{runs} {name}", file=sys.stderr, flush=True)
                found, reason = (
                    run_one(bench, scratch, timeout_s) if not late else ([], "out of time")
                )
                lines += found
                if reason:
                    failed[name] = reason
    return lines, failed


def _is_absent(bench: str, absent: dict[str, str]) -> bool:
    return bench in absent or bench.rpartition(".")[0] in absent


def row(figure: Figure, lines: list[Line]) -> Line:
    """The run that stands for a figure, judged."""
    runs = [line for line in lines if figure.line.items() <= line.items()]
    shown: Line = {"what": figure.what, "unit": figure.unit, "target": _target(figure)}
    if not runs:
        return {**shown, "runs": 0, "result": "not run"}
    runs.sort(key=lambda line: float(line[figure.key]))
    shown_run = runs[0 if figure.unit in WALL_CLOCK else len(runs) // 2]
    value = shown_run[figure.key]
    good = (figure.most is None or value <= figure.most) and (
        figure.least is None or value >= figure.least
    )
    right = all(line[figure.right] for line in runs) if figure.right else True
    result = "pass" if good else "MISSED"
    if not right:
        result = "WRONG"
    elif figure.most is None and figure.least is None:
        result = "-"
    return {
        **shown, "runs": len(runs), "figure": value, "result": result,
        "lowest": runs[0][figure.key], "highest": runs[-1][figure.key],
        "cpu": shown_run[figure.cpu[0]] if figure.cpu else None,
        "cpuUnit": figure.cpu[1] if figure.cpu else None,
        "ratio": shown_run[figure.ratio] if figure.ratio else None,
    }  # fmt: skip


def _target(figure: Figure) -> str | None:
    if figure.most is not None:
        return f"<= {figure.most:,g}"
    return f">= {figure.least:,g}" if figure.least is not None else None


def machine() -> Line:
    """What the figures were measured on."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return {
        "cpus": os.cpu_count(), "model": model, "system": system,
        "python": platform.python_version(), "loadBefore": round(os.getloadavg()[0], 1),
        "additionsPerCpuS": additions_per_cpu_s(),
    }  # fmt: skip


def additions_per_cpu_s() -> float:
    """How fast this processor runs plain Python: the best of five sums of 0..9999, repeated."""
    best = min(
        timeit.repeat("sum(range(10_000))", timer=time.process_time, number=200, repeat=5)
    )  # fmt: skip
    return 200 * 10_000 / best


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: list[Line]) -> str:
    """The rows as aligned text."""
    cells = [("what", "figure", "lowest..highest", "CPU", "ratio", "target", "result")]
    for r in rows:
        if "figure" not in r:
            cells.append((r["what"], "", "", "", "", r["target"] or "", r["result"]))
            continue
        cpu = "itself" if "CPU-s" in r["unit"] else "-"
        if r["cpu"] is not None:
            cpu = f"{_number(r['cpu'])} {r['cpuUnit']}"
        cells.append((
            r["what"], f"{_number(r['figure'])} {r['unit']}",
            f"{_number(r['lowest'])}..{_number(r['highest'])}", cpu,
            "-" if r["ratio"] is None else f"{r['ratio']:.2f}", r["target"] or "-", r["result"],
        ))  # fmt: skip
    widths = [max(len(c[i]) for c in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(c[i].ljust(widths[i]) for i in range(len(widths))).rstrip() for c in cells]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="how often each bench runs")
    parser.add_argument("--full", action="store_true", help="W1 with all its 5,000,000 events")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    where = machine()
    begun = time.monotonic()
    lines, failed = run_all(options.runs, options.full)
    rows = [row(figure, lines) for figure in FIGURES]
    seconds = round(time.monotonic() - begun, 1)
    if options.output == "json":
        print(json.dumps({"machine": where, "rows": rows, "notes": missing(), "crashed": failed,
                          "seconds": seconds, "lines": lines}))  # fmt: skip
    else:
        print(table(rows))
        for name, note in missing().items():
            print(f"{name}: {note}")
        for name, reason in failed.items():
            print(f"CRASHED: {name}: {reason}")
        print(f"{where['cpus']} CPUs ({where['model']}), {where['system']}, Python "
              f"{where['python']}, load before {where['loadBefore']}; {seconds} s")  # fmt: skip
        print(f"One processor adds {where['additionsPerCpuS'] / 1e6:.0f} million integers per "
              "CPU-second in plain Python: compare it before figures of two machines.")  # fmt: skip
        if where["loadBefore"] > 1:
            print("The machine was busy: CPU-seconds hold, wall-clock figures (ms, µs, s) suffer.")
    missed = any(r["result"] in ("MISSED", "WRONG") for r in rows)
    return 1 if failed or (options.check and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
