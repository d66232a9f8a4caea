"""One `send` after the other, against raw confluent-kafka and aiokafka: how long until the answer.

    python -m bench.client.lone_send [--records 1000] [--rounds 5]

A 100-byte record, acks=all, idempotent, `lingerMs` 0, to a broker process with durability `os`; the
next is sent when the one before is answered. `raw` is confluent-kafka's `produce` and `flush`.
Each way is connected and warm; ways take turns, a line per way: p50 and p99 in milliseconds (of the
round with the lowest p50: neighbours on the machine only add to it), CPU-microseconds per record of
this process and of the broker (medians over the rounds), and p50 to the peer's.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import confluent_kafka
from bench.broker.harness import cpu_s, percentile, show
from bench.client.harness import TOPIC, VALUE, Meter, our_settings, raw_settings, topic_at_broker

from summit.client import ProducerRecord, StreamProducer

WARM = 100
Way = Callable[[str, int, Meter], Awaitable[list[float]]]


async def send(address: str, count: int, meter: Meter) -> list[float]:
    """Ours. Returns the seconds of each send, as all ways do."""
    took: list[float] = []
    async with StreamProducer(our_settings(address, lingerMs=0)) as producer:
        for _ in range(WARM):
            await producer.send(ProducerRecord(topic=TOPIC, value=VALUE))
        with meter:
            for _ in range(count):
                begun = time.perf_counter()
                result = await producer.send(ProducerRecord(topic=TOPIC, value=VALUE))
                took.append(time.perf_counter() - begun)
                assert result.offset >= 0
    return took


async def raw(address: str, count: int, meter: Meter) -> list[float]:
    """confluent-kafka, from one thread."""
    producer = confluent_kafka.Producer(raw_settings(address, **{"linger.ms": 0}))
    offsets: list[int] = []

    def report(error: Any, message: Any) -> None:
        assert error is None
        offsets.append(message.offset())

    def send_one() -> float:
        begun = time.perf_counter()
        producer.produce(TOPIC, VALUE, on_delivery=report)
        producer.flush()
        return time.perf_counter() - begun

    for _ in range(WARM):
        send_one()
    with meter:
        took = [send_one() for _ in range(count)]
    assert len(offsets) == WARM + count
    return took


async def aiokafka(address: str, count: int, meter: Meter) -> list[float]:
    """aiokafka's `send_and_wait`."""
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True)
    await producer.start()
    took: list[float] = []
    try:
        for _ in range(WARM):
            await producer.send_and_wait(TOPIC, VALUE)
        with meter:
            for _ in range(count):
                begun = time.perf_counter()
                await producer.send_and_wait(TOPIC, VALUE)
                took.append(time.perf_counter() - begun)
    finally:
        await producer.stop()
    return took


WAYS: dict[str, Way] = {"raw": raw, "send": send, "aiokafka": aiokafka}


def main() -> None:
    """Run the rounds and print a line per way."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--records", type=int, default=1_000)
    arguments.add_argument("--rounds", type=int, default=5)
    args = arguments.parse_args()
    best: dict[str, list[float]] = {}
    cpu: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with topic_at_broker() as (address, pid):
        for _ in range(args.rounds):
            for name, way in WAYS.items():
                meter, before = Meter(), cpu_s(pid)
                took = sorted(asyncio.run(way(address, args.records, meter)))
                of_broker = (cpu_s(pid) - before) / (args.records + WARM)
                cpu[name].append((meter.cpu_s / args.records * 1e6, of_broker * 1e6))
                if name not in best or percentile(took, 0.5) < percentile(best[name], 0.5):
                    best[name] = took
    for name in WAYS:
        p50 = percentile(best[name], 0.5)
        show(
            "client.lone_send", way=name,
            p50_ms=p50 * 1e3, p99_ms=percentile(best[name], 0.99) * 1e3,
            us_cpu_per_record=statistics.median(own for own, _ in cpu[name]),
            us_cpu_of_broker=statistics.median(other for _, other in cpu[name]),
            p50_to_raw=p50 / percentile(best["raw"], 0.5),
        )  # fmt: skip


if __name__ == "__main__":
    main()
