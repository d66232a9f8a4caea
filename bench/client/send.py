"""`StreamProducer.send_batch` against raw confluent-kafka and aiokafka, to one embedded broker.

    python -m bench.client.send [--records 200000] [--rounds 5]

100-byte records, acks=all, idempotent, batches of at most 1 MB, one partition; ten thousand records
are sent and their answers awaited before the next. The peer, `raw`, is what a caller writes who
wants to know where his records are: confluent-kafka's `produce(topic, value, on_delivery=report)`
for each, `report` keeping the offset, then `flush`, all in one thread. `raw_positional` is the same
with the arguments by position and `produce` held in a variable, the least that Python can do for a
record: the floor of any client over it. `raw_together` is its `produce_batch`.
Each way is connected and warm before it is measured; ways take turns, a line per way: CPU-seconds
per million records of this process (all threads; the broker is another process) and records a
second, and both as shares of the peer's (`harness.Rounds`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import confluent_kafka
from bench.broker.harness import show
from bench.client.harness import (
    BATCH_BYTES,
    LINGER_MS,
    TOPIC,
    VALUE,
    Meter,
    Rounds,
    our_settings,
    raw_settings,
    topic_at_broker,
)

from summit.client import ProducerRecord, StreamProducer

SLICE = 10_000
WARM_SLICES = 2
Way = Callable[[str, int, Meter], Awaitable[None]]


async def send_batch(address: str, slices: int, meter: Meter) -> None:
    """Ours: records are made, given and come back as results."""

    async def send() -> None:
        records = [ProducerRecord(topic=TOPIC, value=VALUE) for _ in range(SLICE)]
        results = await producer.send_batch(records)
        assert results[-1].offset - results[0].offset == SLICE - 1

    async with StreamProducer(our_settings(address)) as producer:
        for _ in range(WARM_SLICES):
            await send()
        with meter:
            for _ in range(slices):
                await send()


def _raw(give: Callable[[Any, Callable[[Any, Any], None]], None]) -> Way:
    """A way that gives ten thousand records to librdkafka's producer and keeps their offsets."""

    def send(producer: Any) -> None:
        offsets: list[int] = []

        def report(error: Any, message: Any) -> None:
            assert error is None
            offsets.append(message.offset())

        give(producer, report)
        producer.flush()
        assert offsets[-1] - offsets[0] == SLICE - 1

    async def way(address: str, slices: int, meter: Meter) -> None:
        producer = confluent_kafka.Producer(raw_settings(address))
        for _ in range(WARM_SLICES):
            send(producer)
        with meter:
            for _ in range(slices):
                send(producer)

    return way


def _each(producer: Any, report: Callable[[Any, Any], None]) -> None:
    for _ in range(SLICE):
        producer.produce(TOPIC, VALUE, on_delivery=report)


def _each_positional(producer: Any, report: Callable[[Any, Any], None]) -> None:
    produce = producer.produce
    for _ in range(SLICE):
        produce(TOPIC, VALUE, None, -1, report)


def _together(producer: Any, report: Callable[[Any, Any], None]) -> None:
    messages = [{"value": VALUE} for _ in range(SLICE)]
    producer.produce_batch(TOPIC, messages, on_delivery=report)


async def aiokafka(address: str, slices: int, meter: Meter) -> None:
    """aiokafka's `send`, a future per record."""
    from aiokafka import AIOKafkaProducer

    async def send() -> None:
        sent = [await producer.send(TOPIC, VALUE) for _ in range(SLICE)]
        results = await asyncio.gather(*sent)
        assert results[-1].offset - results[0].offset == SLICE - 1

    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True, linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
    )  # fmt: skip
    await producer.start()
    try:
        for _ in range(WARM_SLICES):
            await send()
        with meter:
            for _ in range(slices):
                await send()
    finally:
        await producer.stop()


WAYS: dict[str, Way] = {
    "raw": _raw(_each), "send_batch": send_batch, "raw_positional": _raw(_each_positional),
    "raw_together": _raw(_together), "aiokafka": aiokafka,
}  # fmt: skip


def main() -> None:
    """Run the rounds and print a line per way."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--records", type=int, default=200_000)
    arguments.add_argument("--rounds", type=int, default=5)
    args = arguments.parse_args()
    slices = max(1, args.records // SLICE)
    rounds = Rounds("raw")
    with topic_at_broker() as (address, _):
        for _ in range(args.rounds):
            for name, way in WAYS.items():
                # aiokafka is slow: a quarter of the records tells as much.
                count = max(1, slices // 4) if name == "aiokafka" else slices
                meter = Meter()
                asyncio.run(way(address, count, meter))
                rounds.add(name, count * SLICE, meter)
    for name in WAYS:
        show("client.send", way=name, **rounds.figures(name))


if __name__ == "__main__":
    main()
