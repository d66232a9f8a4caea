"""The file collector: a file of JSON lines to a topic; events per CPU-second of the collector.

    python -m bench.ingest.file [--events 300000] [--file '{"spread": true}']

A real broker and a collector are two processes; the CPU time is that of the collector alone, its
start left out. Beside it, in the same run, a bare program that reads the same lines and gives them
to librdkafka, without a look at them: what the client library alone costs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.broker.harness import broker, cpu_s, process, show
from confluent_kafka import Consumer, Producer, TopicPartition

EVENT = {"eventType": "user.login", "user": "u123456", "sourceIP": "10.1.2.3", "ok": True, "n": 7}
WAIT_S = 100


def await_records(servers: str, topic: str, count: int) -> None:
    """Wait until the topic's partitions hold so many records together."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench"})
    until_s = time.monotonic() + WAIT_S
    held = 0
    while held < count:
        assert time.monotonic() < until_s, f"{held} of {count}"
        time.sleep(0.05)
        found = consumer.list_topics(topic, timeout=30).topics[topic]
        if found.error is None:
            parts = [TopicPartition(topic, number) for number in found.partitions]
            held = sum(consumer.get_watermark_offsets(part, timeout=30)[1] for part in parts)
    consumer.close()


def produce_bare(servers: str, path: Path) -> float:
    """CPU-seconds of reading the lines and giving them to librdkafka."""
    began = time.process_time()
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
    with path.open("rb") as file:
        for line in file:
            while True:
                try:
                    producer.produce("bare", line[:-1])
                    break
                except BufferError:
                    producer.poll(0.05)
    producer.flush()
    return time.process_time() - began


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--file", type=json.loads, default={})
    options = parser.parse_args()
    count = options.events
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.jsonl"
        path.write_text("".join(json.dumps({**EVENT, "n": n}) + "\n" for n in range(count)))
        block = {"mode": "batch", "format": "jsonl", **options.file}
        config: dict[str, Any] = {
            "name": "bench", "type": "file", "topic": "bench", "path": str(path), "file": block,
        }  # fmt: skip
        with broker(directory, durability="os") as (_, port):
            servers = f"127.0.0.1:{port}"
            began = time.perf_counter()
            with process("bench.ingest.collecting", servers, json.dumps(config)) as (pid, _):
                start = cpu_s(pid)
                await_records(servers, "bench", count)
                cpu, wall = cpu_s(pid) - start, time.perf_counter() - began
            bare_cpu = produce_bare(servers, path)
    show(
        "ingest file", events=count, options=json.dumps(options.file),
        events_per_cpu_s=round(count / cpu), cpu_us_per_event=round(cpu / count * 1e6, 2),
        bare_per_cpu_s=round(count / bare_cpu), ratio_cpu_to_bare=round(cpu / bare_cpu, 2),
        wall_s=round(wall, 2),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
