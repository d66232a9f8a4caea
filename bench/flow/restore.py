"""How long a worker takes to take over many keys: from joining to active, and what that costs.

    python -m bench.flow.restore [--keys 1000000] [--standby]

Each key has one unfinished match of one event. A first worker makes the state and is stopped; a
second one is started, and measured from its start until it has told that it holds everything. What
stands in the changelog is compacted only as far as the broker has come meanwhile, as in life.

With --standby both run from the beginning, and the second keeps a copy of what the first holds: it
is measured from when the first is told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from typing import Any

from bench.broker.harness import broker, cpu_s, rss_mb, show
from bench.flow.harness import TOPIC, ends, publish, settled, worker

from summit.client import Admin, StreamProducer, TopicConfig

T0_MS = 1_700_000_000_000
PARTITIONS = 4
RESTORE_S_MAX = 20.0
TIMEOUT_S = 900.0
RULE = {
    "kind": "pattern", "id": "many", "topics": [TOPIC], "groupBy": ["user"],
    "steps": [
        {"name": "first", "where": 'eventType == "first"'},
        {"name": "second", "where": 'eventType == "second"'},
    ],
    "within": "30d", "limits": {"keys": 10_000_000},
    "action": {"type": "alert", "config": {"severity": "low", "title": "Many"}},
}  # fmt: skip


async def fill(server: str, keys: int) -> None:
    """One event of each key."""
    async with Admin({"bootstrapServers": server}) as admin:
        topic = TopicConfig(name=TOPIC, partitions=PARTITIONS, retention_ms=-1)
        await admin.create_topic(topic)
    config = {"bootstrapServers": server, "bufferMemory": 256 << 20}
    async with StreamProducer(config) as producer:
        for begin in range(0, keys, 10_000):
            await producer.send_batch(
                [
                    {
                        "topic": TOPIC,
                        "partition": key % PARTITIONS,
                        "value": json.dumps(
                            {"eventType": "first", "timestamp": T0_MS + key, "user": f"u{key}"}
                        ),
                    }
                    for key in range(begin, min(begin + 10_000, keys))
                ]
            )


async def measure_standby(server: str, keys: int) -> None:
    """Two workers share the state, then the one with a copy takes over the other's half."""
    await fill(server, keys)
    with worker(server) as first, worker(server, "--standby", "1") as second:
        await settled(server, lambda p: p.is_whole and len(p.workers) == 2, TIMEOUT_S)
        await publish(server, RULE)
        await settled(server, lambda p: sum(w.runs for w in p.workers) == keys, TIMEOUT_S)
        await asyncio.sleep(10)  # the copy is as far as the changelog
        before_s, begun = cpu_s(second.pid), time.perf_counter()
        first.terminate()

        def has_taken_over(progress: Any) -> bool:
            return any(
                told.runs == keys
                for told in progress.told.values()
                if told.figures is not None and told.figures.pid == second.pid
            )

        _, progress = await settled(server, has_taken_over, TIMEOUT_S)
        figures = next(
            told.figures for told in progress.told.values()
            if told.figures is not None and told.figures.pid == second.pid
        )  # fmt: skip
        show(
            "flow.restore_standby", keys=keys, taken_over=figures.restored_records,
            takeover_s=time.perf_counter() - begun, restoring_s=figures.restore_ms / 1000,
            takeover_cpu_s=cpu_s(second.pid) - before_s, rss_mb=rss_mb(second.pid),
        )  # fmt: skip


async def measure(server: str, keys: int) -> None:
    """Make the state, then take it over."""
    await fill(server, keys)
    await publish(server, RULE)
    goal = await ends(server)

    def has_all(progress: Any) -> bool:
        seen = [record.seen for record in progress.workers]
        return all(s.get(name, 0) >= end for s in seen for name, end in goal.items())

    with worker(server) as first:
        began = cpu_s(first.pid)
        await settled(server, lambda p: p.is_whole and has_all(p), TIMEOUT_S)
        made_cpu_s = cpu_s(first.pid) - began
    begun = time.perf_counter()
    with worker(server) as second:

        def has_taken_over(progress: Any) -> bool:
            return any(
                told.runs == keys
                for told in progress.told.values()
                if told.figures is not None and told.figures.pid == second.pid
            )

        await settled(server, has_taken_over, TIMEOUT_S)
        took_s = time.perf_counter() - begun
        show(
            "flow.restore", keys=keys, restore_s=took_s, restore_cpu_s=cpu_s(second.pid),
            made_cpu_s=made_cpu_s, rss_mb=rss_mb(second.pid), target_s=RESTORE_S_MAX,
        )  # fmt: skip


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--standby", action="store_true")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data_dir,
        broker(data_dir, durability="os", auto_create_topics="false") as (_, port),
    ):
        how = measure_standby if arguments.standby else measure
        asyncio.run(how(f"127.0.0.1:{port}", arguments.keys))


if __name__ == "__main__":
    main()
