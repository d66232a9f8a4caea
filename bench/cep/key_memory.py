"""Bytes that one key costs at rest, with and without the copies of its events.

    python -m bench.cep.key_memory [--keys N]

Every key holds one run that has taken one event of 214 bytes and waits. Measured as the growth of
the process, the timers and dictionaries of the rule included.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path

from bench.cep.w1 import w1_plan

from summit.base.limits import KEYS_UNPACKED_MAX
from summit.cep.rules import compile_rules
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

BATCH = 8_192
BYTES_PER_KEY_MAX = 300
T0_MS = 1_700_000_000_000


def resident_bytes() -> int:
    """Memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def one_event(number: int) -> bytes:
    """An event of 214 bytes of a user of its own."""
    text = (
        f'{{"eventType":"auth.login.failed","timestamp":{T0_MS},"user":"user{number:07}","fill":"'
    )
    return (text + "x" * (212 - len(text)) + '"}').encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=300_000)
    count = parser.parse_args().keys
    matcher = Processor(compile_rules([w1_plan()]))
    gc.collect()
    before = resident_bytes()
    begin = time.process_time()
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        values = [one_event(number) for number in numbers]
        matcher.apply([Chunk("t", 0, numbers, [T0_MS] * len(values), values)])
    seconds = time.process_time() - begin
    gc.collect()
    per_key = (resident_bytes() - before) / count
    assert matcher.stats()["keys"] == count
    pause = time.perf_counter()
    gc.collect()
    pause = time.perf_counter() - pause
    print(
        json.dumps(
            {
                "bench": "cep.key_memory",
                "keys": count,
                "bytes_per_key": round(per_key),
                "bytes_per_key_without_event": round(per_key - len(one_event(0))),
                "target_bytes_per_key": BYTES_PER_KEY_MAX,
                "keys_unpacked_max": KEYS_UNPACKED_MAX,
                "collector_pause_ms": round(pause * 1000, 1),
                "cpu_us_per_event": round(seconds / count * 1e6, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
