"""A window rule over a million keys: events per CPU-second and bytes per key.

    python -m bench.cep.windows [--keys N] [--rounds N]

Over the last 60 s of each address the rule counts events and distinct ports. Every key gets an
event in each round, so that windows fill and empty; beside it a loop that keeps the same in plain
Python dictionaries, which neither saves nor bounds anything, and a bare decode of the same bytes.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from bench.cep.key_memory import resident_bytes

from summit.base.collecting import SETTLE_EACH_S, Settling
from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

BATCH = 8_192
T0_MS = 1_700_000_000_000
ROUND_MS = 20_000  # three rounds stand in a window
DOCUMENT = {
    "kind": "pattern", "id": "scan", "groupBy": ["sourceIP"],
    "where": 'eventType == "network.connection.new"',
    "window": {"type": "sliding", "size": "60s"},
    "having": "count() >= 4 || distinct(port) > 20",
    "limits": {"keys": 2_000_000, "evidence": 1},
}  # fmt: skip


class _Event(msgspec.Struct, gc=False):
    eventType: str
    timestamp: int
    sourceIP: str
    port: int


def batches(keys: int, rounds: int) -> Iterator[list[bytes]]:
    """Events of about 200 bytes, batch by batch."""
    fill = "x" * 60
    for round_ in range(rounds):
        for first in range(0, keys, BATCH):
            yield [
                (
                    f'{{"eventType":"network.connection.new","timestamp":'
                    f"{T0_MS + round_ * ROUND_MS + n * ROUND_MS // keys},"
                    f'"sourceIP":"10.{n >> 16}.{n >> 8 & 255}.{n & 255}",'
                    f'"port":{(n * 31 + round_ * 7) % 1000},"fill":"{fill}"}}'
                ).encode()
                for n in range(first, min(first + BATCH, keys))
            ]


def summit(keys: int, rounds: int) -> dict[str, Any]:
    """The rule, as a worker runs it, whose process collects so."""
    processor = Processor(compile_rules([validate_pattern(DOCUMENT).plan]))
    settling, settled_s = Settling(), 0.0
    gc.collect()
    before = resident_bytes()
    seconds, told, offset = 0.0, 0, 0
    for values in batches(keys, rounds):
        chunk = Chunk("t", 0, range(offset, offset + len(values)), [T0_MS] * len(values), values)
        offset += len(values)
        begin = time.process_time()
        told += len(processor.apply([chunk]).outputs.found)
        if seconds - settled_s >= SETTLE_EACH_S:
            settled_s = seconds
            settling.settle(seconds, seconds)
        seconds += time.process_time() - begin
    gc.collect()
    per_key = (resident_bytes() - before) / keys
    return {
        "events_per_cpu_s": round(offset / seconds), "bytes_per_key": round(per_key), "told": told,
        "keys": processor.stats()["keys"],
    }  # fmt: skip


def plain(keys: int, rounds: int) -> dict[str, Any]:
    """The same figures in plain dictionaries."""
    decode = msgspec.json.Decoder(_Event).decode
    windows: dict[str, tuple[deque[tuple[int, int]], dict[int, int]]] = {}
    gc.collect()
    before = resident_bytes()
    seconds, told, events = 0.0, 0, 0
    below: set[str] = set()
    for values in batches(keys, rounds):
        begin = time.process_time()
        for value in values:
            event = decode(value)
            if event.eventType != "network.connection.new":
                continue
            found = windows.get(event.sourceIP)
            if found is None:
                found = windows[event.sourceIP] = (deque(), {})
            rows, ports = found
            limit = event.timestamp - 60_000
            while rows and rows[0][0] <= limit:
                _, gone = rows.popleft()
                ports[gone] -= 1
                if not ports[gone]:
                    del ports[gone]
            rows.append((event.timestamp, event.port))
            ports[event.port] = ports.get(event.port, 0) + 1
            if len(rows) >= 4 or len(ports) > 20:
                told += event.sourceIP not in below
                below.add(event.sourceIP)
            else:
                below.discard(event.sourceIP)
        seconds += time.process_time() - begin
        events += len(values)
    gc.collect()
    per_key = (resident_bytes() - before) / keys
    return {
        "events_per_cpu_s": round(events / seconds), "bytes_per_key": round(per_key), "told": told
    }  # fmt: skip


def decoding(keys: int, rounds: int) -> dict[str, Any]:
    """Only the decoding of the fields that the rule reads."""
    decode = msgspec.json.Decoder(_Event).decode
    seconds, events = 0.0, 0
    for values in batches(keys, rounds):
        begin = time.process_time()
        for value in values:
            decode(value)
        seconds += time.process_time() - begin
        events += len(values)
    return {"events_per_cpu_s": round(events / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, run in (("summit", summit), ("plain dictionaries", plain), ("decode", decoding)):
        row = {"bench": "cep.windows", "what": name, "key_count": options.keys}
        print(json.dumps({**row, **run(options.keys, options.rounds)}), flush=True)


if __name__ == "__main__":
    main()
