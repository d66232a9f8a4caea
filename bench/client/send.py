"""`StreamProducer.send_batch` against raw confluent-kafka and aiokafka, to one embedded broker.

    python -m bench.client.send [--records 200000] [--rounds 3]

100-byte records, acks=all, idempotent, batches of at most 1 MB, one partition; each way sends the
same records and ends when the last one is answered. `raw` is confluent-kafka's `produce` with a
callback that keeps the offset, from one thread, which is what a caller who wants to know where his
records are has to write; `raw_together` its `produce_batch` with one callback for all that only
counts. Rounds take turns; a line per way: the median of CPU-seconds per million records of this
process (all threads; the broker is another process), of records a second, and ours to raw.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import confluent_kafka
from bench.broker.harness import broker, show

from summit.client import Admin, ProducerRecord, StreamProducer, TopicConfig

VALUE = b"x" * 100
SLICE = 10_000
Way = Callable[[str, str, int], Awaitable[None]]


def raw_settings(address: str) -> dict[str, Any]:
    """As near to ours as it goes."""
    return {
        "bootstrap.servers": address, "acks": "all", "enable.idempotence": True, "linger.ms": 10,
        "batch.size": 1_000_000, "batch.num.messages": 1_000_000,
        "queue.buffering.max.messages": 0,
    }  # fmt: skip


async def ours(address: str, topic: str, count: int) -> None:
    """`send_batch`, ten thousand records a call."""
    config = {"bootstrapServers": address, "batchSize": 1_000_000, "idempotence": True}
    async with StreamProducer(config) as producer:
        for _ in range(count // SLICE):
            records = [ProducerRecord(topic=topic, value=VALUE) for _ in range(SLICE)]
            results = await producer.send_batch(records)
            assert len(results) == SLICE


async def raw(address: str, topic: str, count: int) -> None:
    """`produce` record by record; offsets are kept."""
    producer = confluent_kafka.Producer(raw_settings(address))
    for _ in range(count // SLICE):
        offsets: list[int] = []

        def report(error: Any, message: Any, offsets: list[int] = offsets) -> None:
            assert error is None
            offsets.append(message.offset())

        for _ in range(SLICE):
            producer.produce(topic, VALUE, on_delivery=report)
        producer.flush()
        assert len(offsets) == SLICE


async def raw_together(address: str, topic: str, count: int) -> None:
    """`produce_batch`; answers are counted."""
    producer = confluent_kafka.Producer(raw_settings(address))
    answered = 0

    def report(error: Any, message: Any) -> None:
        nonlocal answered
        assert error is None
        answered += 1

    for _ in range(count // SLICE):
        messages = [{"value": VALUE} for _ in range(SLICE)]
        producer.produce_batch(topic, messages, on_delivery=report)
        producer.flush()
    assert answered == count


async def aiokafka(address: str, topic: str, count: int) -> None:
    """aiokafka's `send`, a future per record."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True, linger_ms=10,
        max_batch_size=1_000_000,
    )  # fmt: skip
    await producer.start()
    try:
        for _ in range(count // SLICE):
            await asyncio.gather(*[await producer.send(topic, VALUE) for _ in range(SLICE)])
    finally:
        await producer.stop()


WAYS: dict[str, Way] = {
    "ours": ours, "raw": raw, "raw_together": raw_together, "aiokafka": aiokafka,
}  # fmt: skip


def main() -> None:
    """Run the rounds and print a line per way."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=3)
    args = arguments.parse_args()
    cpu: dict[str, list[float]] = {name: [] for name in WAYS}
    rate: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as data_dir, broker(data_dir, durability="os") as (_, port):
        address = f"127.0.0.1:{port}"
        asyncio.run(_create(address))
        for _ in range(args.rounds):
            for name, way in WAYS.items():
                # aiokafka is slow: a quarter of the records tells as much.
                count = args.records // 4 if name == "aiokafka" else args.records
                used, began = time.process_time(), time.perf_counter()
                asyncio.run(_run(way, address, count))
                cpu[name].append((time.process_time() - used) / count * 1e6)
                rate[name].append(count / (time.perf_counter() - began))
    for name in WAYS:
        show(
            name,
            cpu_s_per_million=round(statistics.median(cpu[name]), 3),
            records_per_s=round(statistics.median(rate[name])),
            throughput_to_raw=round(
                statistics.median(rate[name]) / statistics.median(rate["raw"]), 2
            ),
        )


async def _run(way: Way, address: str, count: int) -> None:
    await way(address, "bench", count)


async def _create(address: str) -> None:
    async with Admin({"bootstrapServers": address}) as admin:
        await admin.create_topic(TopicConfig(name="bench", partitions=1))


if __name__ == "__main__":
    main()
