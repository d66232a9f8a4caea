"""What the clients' benchmarks share: one broker process, a topic, meters, the peer's settings.

The peer is confluent-kafka, which is what the clients stand on, in the same process, with the same
promises asked for: acks=all, idempotent, batches of at most 1 MB, checksums checked.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median as _middle
from typing import Any, Self

from bench.broker.harness import broker

from summit.client import Admin, TopicConfig

TOPIC = "bench"
VALUE = b"x" * 100
LINGER_MS = 10
BATCH_BYTES = 1_000_000


class Meter:
    """Wall and CPU seconds (all threads of this process) of a `with` block."""

    cpu_s = 0.0
    wall_s = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s = time.process_time() - self._cpu
        self.wall_s = time.perf_counter() - self._wall


class Rounds:
    """Figures of several ways that took turns.

    CPU: medians, the share is that of the rounds. Wall clock: the best rounds, as neighbours on
    the machine only add to it.
    """

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._cpu: dict[str, list[float]] = {}  # microseconds a record
        self._rate: dict[str, list[float]] = {}  # records a second

    def add(self, way: str, records: int, meter: Meter) -> None:
        """One way's turn."""
        self._cpu.setdefault(way, []).append(meter.cpu_s / records * 1e6)
        self._rate.setdefault(way, []).append(records / meter.wall_s)

    def figures(self, way: str) -> dict[str, float]:
        """CPU-seconds per million records and records a second, and both as shares of the peer's.

        A share of 0.8 of the peer's efficiency means 1.25 times its CPU-seconds.
        """
        peer_cpu, peer_rate = self._cpu[self._reference], self._rate[self._reference]
        cpu, rate = self._cpu[way], self._rate[way]
        return {
            "cpu_s_per_million": _middle(cpu),
            "records_per_s": max(rate),
            "efficiency_to_raw": _middle(p / c for p, c in zip(peer_cpu, cpu, strict=True)),
            "throughput_to_raw": max(rate) / max(peer_rate),
        }


@contextmanager
def topic_at_broker(partitions: int = 1) -> Iterator[tuple[str, int]]:
    """A broker process (durability `os`) with one empty topic: its address and pid."""
    with (
        tempfile.TemporaryDirectory() as data_dir,
        broker(data_dir, durability="os") as (pid, port),
    ):
        address = f"127.0.0.1:{port}"
        asyncio.run(_create(address, partitions))
        yield address, pid


async def _create(address: str, partitions: int) -> None:
    async with Admin({"bootstrapServers": address}) as admin:
        await admin.create_topic(TopicConfig(name=TOPIC, partitions=partitions))


def our_settings(address: str, **more: Any) -> dict[str, Any]:
    """A producer that promises what the raw one does."""
    return {
        "bootstrapServers": address, "batchSize": BATCH_BYTES, "idempotence": True,
        "lingerMs": LINGER_MS, **more,
    }  # fmt: skip


def raw_settings(address: str, **more: Any) -> dict[str, Any]:
    """As near to ours as it goes."""
    return {
        "bootstrap.servers": address, "acks": "all", "enable.idempotence": True,
        "linger.ms": LINGER_MS, "batch.size": BATCH_BYTES, "batch.num.messages": 1_000_000,
        "queue.buffering.max.messages": 0, "partitioner": "murmur2_random", **more,
    }  # fmt: skip
