"""Sequences beside Apache Flink's pattern library: five workloads, equal results, CPU-seconds.

    python -m bench.cep.peers --flink DIR [--events N] [--workload NAME]

strict    a failed login, and the very next event of the user is a successful one
kleene    three failed logins or more, then a successful one (W1), in the order of time
absence   a request from an address that no error follows in a minute; nearly every event has an
          address of its own, a quarter are requests: a million keys for four million events
any       each failed login with each successful one after it, within a minute, nothing skipped
disorder  as `kleene`; a tenth of the events come up to two seconds early

The same file of JSON lines for both; in event-time order, 5 s behind; one process, parallelism 1;
ours reads the lines in batches of 8,192, and collects as a worker's process does. CPU-seconds of
all threads, with start and without: a run over a hundredth of the events stands for what starting
costs. `decode_cpu_s` is that of decoding three fields of each event with msgspec and looking its
type up. Flink's libraries and a JDK:

        python -m venv flink && flink/bin/pip install apache-flink-libraries==2.3.0

`--flink` is the folder `pyflink` of that environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from bench.cep.w1 import BATCH, BY_TIME, END_MS, run_reference
from bench.cep.w1_data import generate
from bench.flow.peers import OPENED, run

from summit.base.collecting import SETTLE_EACH_S, Settling
from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

FLINK = Path(__file__).with_name("flink") / "Sequences.java"
_A = {"name": "a", "where": "eventType == 'auth.login.failed'"}
_B = {"name": "b", "where": "eventType == 'auth.login.success'"}
WORKLOADS: dict[str, dict[str, Any]] = {
    "strict": {"steps": [_A, {**_B, "relation": "next"}]},
    "kleene": {"steps": [{**_A, "times": {"min": 3}}, _B]},
    "absence": {
        "steps": [
            {"name": "a", "where": "eventType == 'http.request'"},
            {"name": "b", "where": "eventType == 'http.error'", "relation": "notFollowedBy"},
        ],
        "groupBy": ["ip"], "afterMatch": "noSkip",
    },
    "any": {"steps": [_A, {**_B, "relation": "followedByAny"}], "afterMatch": "noSkip"},
    "disorder": {"steps": [{**_A, "times": {"min": 3}}, _B]},
}  # fmt: skip
_id_of = msgspec.json.Decoder(type("Id", (msgspec.Struct,), {"__annotations__": {"eventId": str}}))


def chunk_of(first: int, part: Sequence[bytes]) -> Chunk:
    """Lines as records of one partition."""
    return Chunk("events", 0, range(first, first + len(part)), [END_MS] * len(part), part)


def ours(path: Path, name: str) -> tuple[float, Counter[str]]:
    """CPU-seconds, and the matches as Flink's program writes them."""
    plan = validate_pattern(
        {"id": name, "groupBy": ["user"], "within": "60s", "action": {"type": "alert"},
         **WORKLOADS[name]}
    ).plan  # fmt: skip
    begun = time.process_time()
    values = path.read_bytes().splitlines()
    processor = Processor(compile_rules([plan], [BY_TIME]))
    spent = time.process_time() - begun
    settling, settled = Settling(spent, spent), spent
    lines: Counter[str] = Counter()
    for first in range(0, len(values) + BATCH, BATCH):
        begun = time.process_time()
        part = values[first : first + BATCH]
        given, end_ms = ((chunk_of(first, part),), None) if part else ((), END_MS)
        found = processor.apply(given, frontier_ms=end_ms).outputs.found
        if spent - settled >= SETTLE_EACH_S:
            settled = spent
            settling.settle(spent, spent)
        spent += time.process_time() - begun
        lines.update(map(line_of, found))
    return spent, lines


def line_of(match: Any) -> str:
    """A match as a line."""
    events = (f"{step}:{_id_of.decode(event.value).eventId}" for step, event in match.captures)
    return f"M|{match.key[0]}|{','.join(events)}"


class Flink:
    """The program in a virtual machine of its own."""

    def __init__(self, folder: Path, work: Path) -> None:
        self._path = f"{work}:{folder}/lib/*"
        run(["javac", "-nowarn", "-d", str(work), "-cp", self._path, str(FLINK)])

    def over(self, path: Path, name: str) -> tuple[float, Counter[str]]:
        """CPU-seconds of the process, and its matches."""
        opened = [part for each in OPENED for part in ("--add-opens", f"{each}=ALL-UNNAMED")]
        command = ["java", "-Xmx1g", *opened, "-cp", self._path, "Sequences", str(path), name]
        text, spent, _ = run(command)
        return spent, Counter(line for line in text.splitlines() if line.startswith("M|"))


def in_order(values: Sequence[bytes]) -> list[bytes]:
    """The events by their times, those of one time as they stand."""
    return sorted(values, key=lambda value: json.loads(value)["timestamp"])


def measure(flink: Flink, name: str, values: Sequence[bytes], work: Path) -> bool:
    """Print one line; says whether the results are the same."""
    given = values if name == "disorder" else in_order(values)
    path, short = work / "events.jsonl", work / "few.jsonl"
    path.write_bytes(b"\n".join(given) + b"\n")
    few = max(len(given) // 100, 1)
    short.write_bytes(b"\n".join(given[:few]) + b"\n")
    decode = run_reference([chunk_of(0, given)])
    mine, found = ours(path, name)
    start, _ = flink.over(short, name)
    theirs, expected = flink.over(path, name)
    equal = found == expected
    print(json.dumps({
        "bench": "cep.peers", "workload": name, "events": len(given), "matches": found.total(),
        "equal": equal, "decode_cpu_s": round(decode, 2), "cpu_s": round(mine, 2),
        "flink_cpu_s": round(theirs, 2),
        "flink_start_cpu_s": round(start, 2), "events_per_cpu_s": round(len(given) / mine),
        "flink_events_per_cpu_s": round(len(given) / theirs),
        "flink_events_per_cpu_s_without_start":
            round((len(given) - few) / max(0.01, theirs - start)),
        "times_flink": round(theirs / mine, 1),
        "times_flink_without_start": round(max(0.01, theirs - start) / mine, 1),
    }), flush=True)  # fmt: skip
    if not equal:
        for sign, rest in (("ours only", found - expected), ("flink only", expected - found)):
            print(sign, list(rest.elements())[:5], file=sys.stderr)
    return equal


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--flink", required=True, help="folder pyflink with its lib/*.jar")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--workload", choices=list(WORKLOADS), action="append")
    arguments = parser.parse_args()
    values = generate(arguments.events).values
    with tempfile.TemporaryDirectory(prefix="summit-bench-") as folder:
        work = Path(folder)
        flink = Flink(Path(arguments.flink), work)
        names = arguments.workload or list(WORKLOADS)
        equal = [measure(flink, name, values, work) for name in names]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
