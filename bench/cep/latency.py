"""From an event's arrival in the engine to its alert object, at 100,000 events per second.

    python -m bench.cep.latency [--seconds N] [--rate N]

The events are those of W1. They arrive evenly; the engine takes what has come, as a worker's loop
does, as soon as it is done with what came before. An alert's time is from the arrival of the event
that completes it (when it was due, not when it was taken) to the moment at which its alert object
is there. The clock is the CPU time of this thread, and jumps to the next arrival when there is
nothing to do: so neighbours on the machine do not count, collections and sweeps do. Beside it, in
the same run, the same loop with an engine that only decodes. It collects as a worker's process
does.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterable

import msgspec
from bench.cep.w1 import w1_plan
from bench.cep.w1_data import Workload, generate

from summit.base.collecting import SETTLE_EACH_S, Settling
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk

P99_MS_MAX = 1.0
BATCH_MAX = 1_000
Take = Callable[[Chunk], Iterable[int]]


def arrive(workload: Workload, take: Take, rate: int) -> tuple[list[float], float]:
    """Milliseconds from arrival to result of each offset that `take` gives; share of a CPU."""
    values, stamps = workload.values, workload.arrivals_ms
    settling, settled_s = Settling(), 0.0
    found: list[float] = []
    at, count = 0, len(values)
    begin = time.thread_time()
    idle_s = 0.0
    while at < count:
        now = time.thread_time() - begin + idle_s
        come = min(int(now * rate), count, at + BATCH_MAX)
        if come <= at:
            idle_s += (at + 1) / rate - now
            continue
        told = take(Chunk("events", 0, range(at, come), stamps[at:come], values[at:come]))
        done = time.thread_time() - begin + idle_s
        found += [(done - offset / rate) * 1e3 for offset in told]
        at = come
        if done - settled_s >= SETTLE_EACH_S:
            settled_s = done
            settling.settle(done, done - idle_s)
    taken_s = time.thread_time() - begin
    return found, taken_s / (taken_s + idle_s)


def alerting() -> Take:
    """A worker's engine: gives the offset of the last event of each alert."""
    engine = Engine()
    engine.set_rules([w1_plan()])

    def take(chunk: Chunk) -> list[int]:
        made = engine.apply([chunk]).made
        return [each.alert.evidence[-1].offset for each in made if each.alert is not None]

    return take


class _Three(msgspec.Struct, gc=False):
    eventType: str
    timestamp: int
    user: str


def decoding() -> Take:
    """Decodes three fields: gives every thousandth event."""
    decode = msgspec.json.Decoder(_Three).decode

    def take(chunk: Chunk) -> list[int]:
        for value in chunk.values:
            decode(value or b"")
        return [offset for offset in chunk.offsets if offset % 1_000 == 0]

    return take


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=100_000)
    given = parser.parse_args()
    workload = generate(int(given.seconds * given.rate))
    gc.collect()
    for what, make in (("engine", alerting), ("decode only", decoding)):
        found, share = arrive(workload, make(), given.rate)
        found.sort()
        row = {
            "bench": "cep.latency", "what": what, "events_per_s": given.rate,
            "results": len(found), "p50_ms": round(found[len(found) // 2], 3),
            "p99_ms": round(found[len(found) * 99 // 100], 3), "max_ms": round(found[-1], 1),
            "cpu_share": round(share, 2), "target_p99_ms_max": P99_MS_MAX,
        }  # fmt: skip
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
