"""Own operators: filter, key_by, a tumbling count, exactly once; CPU-seconds of the app's process.

    python -m bench.streams.counting [--events N] [--quix PYTHON]

The events lie in a topic of four partitions. What comes out is compared with a closed form. With
`--quix` (the Python of an environment that has `quixstreams`) the same is done with Quix Streams on
the same broker, in the same run; it needs a long grace, as it knows no watermarks of what travels,
and its results are counted, not compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bench.broker.harness import broker
from bench.client.harness import Meter

from summit.client import Admin, AdminConfig, LogReader, StreamProducer, TopicConfig
from summit.operators.windows import tumbling
from summit.streams.app import StreamApp

T0 = 1_700_000_040_000
WINDOW_MS = 60_000
KEYS = 10_007
QUIX_SILENT_S = 10
PER_BATCH = 50_000


def click(n: int) -> dict[str, Any]:
    """The n-th event, a millisecond after the one before."""
    return {
        "user": f"user{n * 7919 % KEYS}", "page": f"/p/{n % 100}", "at": T0 + n, "bot": n % 10 == 0,
    }  # fmt: skip


def closed_form(events: int) -> Counter[tuple[str, int]]:
    """By user and window's start what must come out: windows that are over."""
    until = (T0 + events - 1) // WINDOW_MS * WINDOW_MS
    return Counter(
        (f"user{n * 7919 % KEYS}", (T0 + n) // WINDOW_MS * WINDOW_MS)
        for n in range(events)
        if n % 10 and T0 + n < until
    )


async def fill(address: str, events: int) -> None:
    """Make the topics and write the events."""
    async with Admin({"bootstrapServers": address}) as admin:
        await admin.create_topic(TopicConfig(name="clicks", partitions=4))
        for topic in ("counts", "quix-counts"):
            await admin.create_topic(TopicConfig(name=topic, partitions=4, retention_ms=-1))
    config = {"bootstrapServers": address, "lingerMs": 20, "valueSerializer": "json"}
    async with StreamProducer(config) as producer:
        for first in range(0, events, PER_BATCH):
            last = min(events, first + PER_BATCH)
            await producer.send_batch(
                [
                    {"topic": "clicks", "partition": n % 4, "value": click(n)}
                    for n in range(first, last)
                ]
            )


async def ours(address: str) -> Meter:
    """Run the app to the end of the topic."""
    app = StreamApp("bench", bootstrap_servers=address, stop_at_end=True)
    clicks = app.stream("clicks", time=lambda one: one["at"]).filter(lambda one: not one["bot"])
    clicks.key_by(lambda one: one["user"]).window(tumbling(WINDOW_MS)).count().to("counts")
    with Meter() as meter:
        await app.run()
    return meter


async def found(address: str) -> Counter[tuple[str, int]]:
    """What the app has written."""
    counts: Counter[tuple[str, int]] = Counter()
    config = AdminConfig(bootstrap_servers=address)
    async with Admin(config) as admin, LogReader(config, committed=True) as reader:
        for partition, (first, end) in (await admin.offsets("counts", committed=True)).items():
            async with aclosing(reader.read("counts", partition, first, end)) as bursts:
                async for records in bursts:
                    for record in records:
                        one = record.json()
                        counts[one["key"], one["startMs"]] += one["value"]
    return counts


def quix(python: str, address: str, directory: str, events: int) -> float:
    """CPU-seconds of the peer, its wait at the end included."""
    program = str(Path(__file__).with_name("quix.py"))
    state = str(Path(directory) / "quix")
    arguments = [address, state, str(QUIX_SILENT_S), str(WINDOW_MS), str(events)]
    done = subprocess.run(
        [python, program, *arguments], capture_output=True, text=True, timeout=900, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["cpu_s"])


def main() -> None:
    """Run and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--quix", help="a Python that has quixstreams")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        broker(str(Path(directory) / "data"), durability="os") as (_, port),
    ):
        address = f"127.0.0.1:{port}"
        asyncio.run(fill(address, options.events))
        meter = asyncio.run(ours(address))
        assert asyncio.run(found(address)) == closed_form(options.events), "wrong counts"
        line = {
            "who": "summit", "events": options.events, "cpu_s": round(meter.cpu_s, 2),
            "wall_s": round(meter.wall_s, 2), "per_cpu_s": round(options.events / meter.cpu_s),
        }  # fmt: skip
        print(json.dumps(line), flush=True)
        if options.quix:
            cpu_s = quix(options.quix, address, directory, options.events)
            line = {
                "who": "quix", "events": options.events, "cpu_s": round(cpu_s, 2),
                "per_cpu_s": round(options.events / cpu_s),
                "ratio": round(cpu_s / meter.cpu_s, 1),
            }  # fmt: skip
            print(json.dumps(line))


if __name__ == "__main__":
    main()
