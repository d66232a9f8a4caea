"""W1: JSON bytes in memory to matches, events per CPU-second, through the real matcher.

    python -m bench.cep.w1 [--events N] [--check-data]

The order (timestamp, file order) is that of the matcher's own event-time order with a delay of
5 s: late events would be reported, the reorder buffer is the product's. The reference that the
result is also given against, in the same process: decode each value with a struct of three fields
and look its type up in a dictionary. Input is what a consumer hands over, lists of values in
batches of 8,192; making them is not measured.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time

import msgspec
from bench.cep.w1_data import (
    FULL_EVENTS,
    FULL_MATCHES,
    FULL_SHA256,
    WITHIN_MS,
    Workload,
    generate,
    sha256,
)

from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.documents.plan import PatternPlan, StepPlan
from summit.documents.stream import StreamPlan
from summit.events.expressions.ir import Compare, Field, Literal
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

BATCH = 8_192
DELAY_MS = 5_000
BY_TIME = StreamPlan("events", ("events",), is_ordered=True, delay_ms=DELAY_MS)
END_MS = 1 << 50
EVENTS_PER_CPU_S_MIN = 700_000


def w1_plan() -> PatternPlan:
    """The pattern."""

    def is_type(name: str) -> Compare:
        return Compare("==", Field(("eventType",)), Literal(name))

    return PatternPlan(
        id="w1",
        name="W1",
        steps=(
            StepPlan("failed", predicate=is_type("auth.login.failed"), times_min=3, times_max=None),
            StepPlan("success", predicate=is_type("auth.login.success")),
        ),
        group_by=(("user",),),
        within_ms=WITHIN_MS,
        semantic_hash="w1",
    )


def batches(workload: Workload) -> list[Chunk]:
    """The events as one partition's records."""
    values, arrivals = workload.values, workload.arrivals_ms
    return [
        Chunk(
            "events",
            0,
            range(start, min(start + BATCH, len(values))),
            arrivals[start : start + BATCH],
            values[start : start + BATCH],
        )
        for start in range(0, len(values), BATCH)
    ]


def run_matcher(chunks: list[Chunk]) -> tuple[float, list[Match], dict[str, int]]:
    """CPU-seconds, the matches and the counters."""
    begin = time.process_time()
    matcher = Processor(compile_rules([w1_plan()], [BY_TIME]))
    matches: list[Match] = []
    for chunk in chunks:
        matches += matcher.apply((chunk,)).outputs.found
    matches += matcher.apply((), frontier_ms=END_MS).outputs.found
    return time.process_time() - begin, matches, matcher.stats()


class _Three(msgspec.Struct, gc=False):
    eventType: str
    timestamp: int
    user: str


def run_reference(chunks: list[Chunk]) -> float:
    """CPU-seconds of decoding and one look-up per event."""
    wanted = {"auth.login.failed": 1, "auth.login.success": 2}
    decode = msgspec.json.Decoder(_Three).decode
    begin = time.process_time()
    count = 0
    for chunk in chunks:
        for value in chunk.values:
            if wanted.get(decode(value).eventType) is not None:
                count += 1
    assert count
    return time.process_time() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--check-data", action="store_true", help="compare the file's sha256")
    arguments = parser.parse_args()
    workload = generate(arguments.events)
    if arguments.check_data and arguments.events == FULL_EVENTS:
        assert sha256(workload.values) == FULL_SHA256, "the generator draws other events"
    if arguments.events == FULL_EVENTS:
        assert len(workload.expected) == FULL_MATCHES
    chunks = batches(workload)
    gc.collect()
    gc.freeze()
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reference = run_reference(chunks)
    seconds, matches, stats = run_matcher(chunks)
    found = [(m.key[0], m.captures[0][1].timestamp_ms, m.captures[-1][1].timestamp_ms)
             for m in matches]  # fmt: skip
    correct = sorted(found) == sorted(workload.expected)
    rate = arguments.events / seconds
    print(json.dumps({
        "bench": "cep.w1",
        "events": arguments.events,
        "matches": len(found),
        "matches_correct": correct,
        "cpu_seconds": round(seconds, 2),
        "events_per_cpu_second": round(rate),
        "reference_cpu_seconds": round(reference, 2),
        "times_reference": round(seconds / reference, 2),
        "grown_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb),
        "keys_at_end": stats["keys"],
        "late": stats["late"],
        "target_events_per_cpu_second": EVENTS_PER_CPU_S_MIN,
    }))  # fmt: skip
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
