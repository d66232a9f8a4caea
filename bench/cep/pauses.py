"""How long a batch and a collection hold everything up, with a million keys.

    python -m bench.cep.pauses [--keys N]

Every key waits in a sequence, then all are over and are swept; every key has a window. First as
Python collects by itself, then as a worker's process does (`base.collecting`). A collection's
seconds are those of the thread; of a batch of 1,000 events, those that it takes with them. The
target holds for collections, and for batches in which keys are swept.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from bench.cep.key_memory import T0_MS, one_event
from bench.cep.w1 import w1_plan
from bench.cep.windows import DOCUMENT, batches

from summit.base.collecting import SETTLE_EACH_S, Settling
from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

BATCH = 1_000
PAUSE_MS_MAX = 50
LATER_MS = 10 * 60_000


class Watch:
    """Takes the time of collections and batches; settles as often as a worker that is busy."""

    def __init__(self, *, settles: bool) -> None:
        self._settling = Settling() if settles else None
        self._settled_s = self._begun_s = 0.0
        self.collection_s = self.batch_s = self.all_s = 0.0
        self.whole = 0
        gc.callbacks.append(self._collects)

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._begun_s = time.thread_time()
        else:
            self.collection_s = max(self.collection_s, time.thread_time() - self._begun_s)
            self.whole += info["generation"] == 2

    def run(
        self, processor: Processor, values: Iterable[list[bytes]], stamp_ms: int = T0_MS
    ) -> None:
        """Give a processor batches."""
        offset = 0
        for some in values:
            chunk = Chunk("t", 0, range(offset, offset + len(some)), [stamp_ms] * len(some), some)
            offset += len(some)
            begin = time.thread_time()
            processor.apply([chunk])
            taken = time.thread_time() - begin
            self.all_s += taken
            self.batch_s = max(self.batch_s, taken)
            if self._settling is not None and self.all_s - self._settled_s >= SETTLE_EACH_S:
                self._settled_s = self.all_s
                self._settling.settle(self.all_s, self.all_s)

    def row(self, what: str) -> dict[str, Any]:
        """The figures since the last one."""
        found = {
            "what": what, "collection_ms_max": round(self.collection_s * 1e3, 1),
            "batch_ms_max": round(self.batch_s * 1e3, 1), "whole_collections": self.whole,
            "cpu_s": round(self.all_s, 1),
        }  # fmt: skip
        self.collection_s = self.batch_s = 0.0
        return found


def _cut(values: Iterable[bytes]) -> Iterable[list[bytes]]:
    some: list[bytes] = []
    for value in values:
        some.append(value)
        if len(some) == BATCH:
            yield some
            some = []


def measure(keys: int, *, settles: bool) -> list[dict[str, Any]]:
    """The rows of one way to collect."""
    watch = Watch(settles=settles)
    rows = []
    processor = Processor(compile_rules([w1_plan()]))
    watch.run(processor, _cut(one_event(number) for number in range(keys)))
    assert processor.stats()["keys"] == keys // BATCH * BATCH
    rows.append(watch.row("sequences: a key more for each event"))
    old, new = str(T0_MS).encode(), str(T0_MS + LATER_MS).encode()
    # Nobody's: time passes, and what is over is swept as batches come.
    later = (one_event(n).replace(old, new).replace(b"failed", b"other") for n in range(keys))
    watch.run(processor, _cut(later), T0_MS + LATER_MS)
    rows.append(watch.row("all of them over, and swept"))
    assert not processor.stats()["keys"]
    del processor
    windows = Processor(compile_rules([validate_pattern(DOCUMENT).plan]))
    watch.run(windows, _cut(value for some in batches(keys, 2) for value in some))
    rows.append(watch.row("windows: two events a key"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--as", dest="way", choices=["python", "worker"], default=None)
    given = parser.parse_args()
    if given.way is None:  # each in a process of its own: how it collects is the interpreter's
        for way in ("python", "worker"):
            command = [sys.executable, "-m", "bench.cep.pauses", "--keys", str(given.keys)]
            subprocess.run([*command, "--as", way], check=True)
        return
    for row in measure(given.keys, settles=given.way == "worker"):
        about = {"bench": "cep.pauses", "collects": given.way, "keys": given.keys}
        print(json.dumps({**about, **row, "target_ms_max": PAUSE_MS_MAX}), flush=True)


if __name__ == "__main__":
    main()
