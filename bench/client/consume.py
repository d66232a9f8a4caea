"""`StreamConsumer.batches` against raw confluent-kafka and aiokafka, from one embedded broker.

    python -m bench.client.consume [--records 300000] [--rounds 5]

100-byte records of one partition, read from its beginning by a consumer of its own each time, which
is assigned, not subscribed; commits are off. The peer, `raw`, is confluent-kafka's `consume(n)` in
a loop that asks each message for its error, offset and value, as every reader must; ours takes
offset and value of each record. Both with n = 10,000, and with 500, the default `maxPollRecords`.
`raw_untouched` looks at nothing, the floor of any client over `consume`. aiokafka's is `getmany`.
Measured from the first batch on; ways take turns, a line per way: CPU-seconds per million records
of this process (all threads; the broker is another process) and records a second, and both as
shares of the peer's with the same n (`harness.Rounds`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import confluent_kafka
from bench.broker.harness import show
from bench.client.harness import TOPIC, VALUE, Meter, Rounds, our_settings, topic_at_broker

from summit.client import ProducerRecord, StreamConsumer, StreamProducer

SLICE = 10_000
Way = Callable[[str, int, int, Meter], Awaitable[int]]


async def fill(address: str, count: int) -> None:
    """Write the records."""
    async with StreamProducer(our_settings(address)) as producer:
        for _ in range(count // SLICE):
            await producer.send_batch([ProducerRecord(topic=TOPIC, value=VALUE)] * SLICE)


async def batches(address: str, count: int, most: int, meter: Meter) -> int:
    """Ours. Returns how many records were measured, as all ways do."""
    config = {"bootstrapServers": address, "groupId": "bench", "enableAutoCommit": False}
    seen = size = 0
    async with StreamConsumer(config) as consumer:
        await consumer.assign({(TOPIC, 0): 0})
        first = await anext(aiter(consumer.batches(most)))
        with meter:
            async for batch in consumer.batches(most):
                for record in batch:
                    size += len(record.value) + (record.offset & 0)
                seen += len(batch)
                if seen + len(first) == count:
                    break
    assert size == seen * len(VALUE)
    return seen


async def raw(address: str, count: int, most: int, meter: Meter, *, is_touched: bool = True) -> int:
    """confluent-kafka's `consume`."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False,
         "check.crcs": True, "queued.max.messages.kbytes": 16_384, "fetch.queue.backoff.ms": 10}
    )  # fmt: skip
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, 0, 0)])
    first = consumer.consume(1, 10)
    seen = size = 0
    with meter:
        while seen + len(first) < count:
            messages = consumer.consume(min(most, count - seen - len(first)), 10)
            if is_touched:
                for message in messages:
                    assert message.error() is None
                    size += len(message.value()) + (message.offset() & 0)
            seen += len(messages)
    consumer.close()
    assert size == seen * len(VALUE) * is_touched
    return seen


async def aiokafka(address: str, count: int, most: int, meter: Meter) -> int:
    """aiokafka's `getmany`."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import TopicPartition

    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=address, group_id=None, auto_offset_reset="earliest", check_crcs=True
    )
    await consumer.start()
    try:
        part = TopicPartition(TOPIC, 0)
        consumer.assign([part])
        await consumer.seek_to_beginning(part)
        first = await consumer.getmany(timeout_ms=10_000, max_records=1)
        assert first
        seen = size = 0
        with meter:
            while seen + 1 < count:
                found = await consumer.getmany(timeout_ms=10_000, max_records=most)
                for record in found.get(part, ()):
                    size += len(record.value) + (record.offset & 0)
                    seen += 1
        assert size == seen * len(VALUE)
        return seen
    finally:
        await consumer.stop()


WAYS: dict[str, Way] = {
    "raw": raw, "batches": batches, "raw_untouched": partial(raw, is_touched=False),
    "aiokafka": aiokafka,
}  # fmt: skip


def main() -> None:
    """Run the rounds and print a line per way and size of a batch."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--records", type=int, default=300_000)
    arguments.add_argument("--rounds", type=int, default=5)
    args = arguments.parse_args()
    count = max(1, args.records // SLICE) * SLICE
    rounds = {most: Rounds("raw") for most in (10_000, 500)}
    with topic_at_broker() as (address, _):
        asyncio.run(fill(address, count))
        for _ in range(args.rounds):
            for most, taking_turns in rounds.items():
                for name, way in WAYS.items():
                    meter = Meter()
                    seen = asyncio.run(way(address, count, most, meter))
                    taking_turns.add(name, seen, meter)
    for most, taken in rounds.items():
        for name in WAYS:
            show("client.consume", way=name, records_at_once=most, **taken.figures(name))


if __name__ == "__main__":
    main()
