"""Start and rest: process start to the first acknowledged record, and the memory of an idle broker.

Targets: under 0.5 s, under 60 MB. The bare reference is a Python process that imports uvloop,
listens and answers.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from bench.broker.harness import broker, cpu_s, one_record, produce_frame, reference, rss_mb, show
from bench.broker.small import connect, create, read_frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    frame = produce_frame("first", one_record(b"x" * 100))
    starts, memory, bare_starts, bare_memory = [], [], [], []
    cpu: list[float] = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(dir=".") as path:
            begun = time.perf_counter()
            with broker(path, durability=options.durability) as (pid, port):
                create(port, "first")
                with connect(port) as connection:
                    connection.sendall(frame)
                    read_frame(connection)
                starts.append(time.perf_counter() - begun)
                cpu.append(cpu_s(pid))
                time.sleep(1.2)
                memory.append(rss_mb(pid))
            begun = time.perf_counter()
            with reference(path, 47) as (pid, port):
                with connect(port) as connection:
                    connection.sendall(frame)
                    read_frame(connection)
                bare_starts.append(time.perf_counter() - begun)
                bare_memory.append(rss_mb(pid))
    starts.sort()
    bare_starts.sort()
    show(
        "footprint", durability=options.durability, first_ack_s=starts[len(starts) // 2],
        first_ack_worst_s=starts[-1], idle_mb=max(memory),
        first_ack_cpu_s=sorted(cpu)[len(cpu) // 2],
        bare_first_ack_s=bare_starts[len(bare_starts) // 2], bare_mb=max(bare_memory),
        ratio_start=starts[len(starts) // 2] / bare_starts[len(bare_starts) // 2],
        ratio_memory=max(memory) / max(bare_memory),
    )  # fmt: skip


if __name__ == "__main__":
    main()
