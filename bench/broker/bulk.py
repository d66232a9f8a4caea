"""Bulk: 100-byte records by librdkafka in 1 MB batches, in and out again.

Figures are CPU-seconds of the broker process per million records; the bare reference takes the
same bytes as 1 MB frames in the same run.
Target: at most 0.4 CPU-seconds per million in, durability `os`.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import time
from typing import Any

from bench.broker.harness import broker, cpu_s, reference, show

RECORD_BYTES = 100
FRAME_BYTES = 1_000_000


def produce(port: int, topic: str, count: int, config: dict[str, Any]) -> float:
    """Produce `count` records; wall seconds."""
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "batch.size": FRAME_BYTES,
            "batch.num.messages": 10_000,
            "linger.ms": 50,
            "queue.buffering.max.messages": 500_000,
            "acks": "all",
            **config,
        }
    )
    value = b"x" * RECORD_BYTES
    begun = time.perf_counter()
    for i in range(count):
        while True:
            try:
                producer.produce(topic, value, partition=0)
                break
            except BufferError:
                producer.poll(0.05)
        if i % 10_000 == 0:
            producer.poll(0)
    producer.flush(120)
    return time.perf_counter() - begun


def consume(port: int, topic: str, count: int) -> float:
    """Consume `count` records; wall seconds."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "group.id": "bench",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 4 << 20,
            "queued.min.messages": 1_000_000,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = 0
    begun = time.perf_counter()
    while found < count:
        found += len(consumer.consume(10_000, 1.0))
    wall = time.perf_counter() - begun
    consumer.close()
    return wall


def pump(port: int, total_bytes: int) -> None:
    """Send the same number of bytes to the reference, five frames in flight."""
    frame = FRAME_BYTES.to_bytes(4, "big") + bytes(FRAME_BYTES)
    frames = total_bytes // FRAME_BYTES
    with socket.create_connection(("127.0.0.1", port)) as connection:
        answered = 0
        for sent in range(frames):
            connection.sendall(frame)
            while sent + 1 - answered > 5:
                answered += len(connection.recv(65536)) // 51
        while answered < frames:
            answered += len(connection.recv(65536)) // 51


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--durability", default="os")
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--codec", default="none")
    parser.add_argument("--idempotent", action="store_true")
    options = parser.parse_args()
    config = {
        "compression.type": options.codec,
        "enable.idempotence": options.idempotent,
    }
    millions = options.records / 1e6
    with tempfile.TemporaryDirectory() as path:
        with broker(path, durability=options.durability, num_partitions=1) as (pid, port):
            produce(port, "bulk", 1000, config)
            before = cpu_s(pid)
            wall_in = produce(port, "bulk", options.records, config)
            cpu_in = cpu_s(pid) - before
            before = cpu_s(pid)
            wall_out = consume(port, "bulk", options.records)
            cpu_out = cpu_s(pid) - before
        with reference(path, 47) as (pid, port):
            before = cpu_s(pid)
            pump(port, options.records * (RECORD_BYTES + 8))
            bare = cpu_s(pid) - before
    show(
        "bulk", durability=options.durability, codec=options.codec, records=options.records,
        cpu_s_per_million_in=cpu_in / millions, cpu_s_per_million_out=cpu_out / millions,
        records_per_s_in=options.records / wall_in, records_per_s_out=options.records / wall_out,
        bare_cpu_s_per_million_in=bare / millions, ratio_to_bare=cpu_in / max(bare, 1e-9),
    )  # fmt: skip


if __name__ == "__main__":
    main()
