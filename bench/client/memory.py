"""Resident memory of a process that sends, then reads, millions of records: it must stay flat.

    python -m bench.client.memory [--records 10000000]

100-byte records through `send_batch`, ten thousand at a time, two calls under way; then through
`batches(10000)`. Sampled from /proc every 100,000 records. A line for either half, in MB (2^20):
at its start, after the first tenth (buffers and read-ahead are filled by then), the highest after
that, at the end, and by how much the highest is above that of the first tenth; the broker's growth.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from bench.broker.harness import rss_mb, show
from bench.client.harness import TOPIC, VALUE, Meter, our_settings, topic_at_broker

from summit.client import ProducerRecord, StreamConsumer, StreamProducer

SLICE = 10_000
EVERY = 100_000


class Samples:
    """Resident memory of this process and the broker's as records go by."""

    def __init__(self, broker_pid: int) -> None:
        self._pids = (os.getpid(), broker_pid)
        self._samples: list[tuple[float, float]] = []
        self._records = 0
        self._sample()

    def _sample(self) -> None:
        own, broker = (rss_mb(pid) for pid in self._pids)
        self._samples.append((own, broker))

    def add(self, records: int) -> None:
        """So many more went by."""
        before, self._records = self._records, self._records + records
        if self._records // EVERY > before // EVERY:
            self._sample()

    def show(self, half: str, meter: Meter) -> None:
        """Print the line."""
        self._sample()
        own = [sample[0] for sample in self._samples]
        broker = [sample[1] for sample in self._samples]
        tenth = max(1, len(own) // 10)
        show(
            "client.memory", half=half, records=self._records, samples=len(own),
            start_mb=own[0], tenth_mb=own[tenth], max_mb=max(own[tenth:]), end_mb=own[-1],
            growth_mb=max(own[tenth:]) - own[tenth],
            broker_growth_mb=max(broker[tenth:]) - broker[tenth],
            cpu_s_per_million=meter.cpu_s / self._records * 1e6,
        )  # fmt: skip


async def produce(address: str, count: int, samples: Samples) -> None:
    """Send them all."""

    async def worker(slices: int) -> None:
        for _ in range(slices):
            records = [ProducerRecord(topic=TOPIC, value=VALUE) for _ in range(SLICE)]
            await producer.send_batch(records)
            samples.add(SLICE)

    slices = count // SLICE
    async with StreamProducer(our_settings(address)) as producer:
        await asyncio.gather(worker(slices // 2), worker(slices - slices // 2))


async def consume(address: str, count: int, samples: Samples) -> None:
    """Read them all."""
    config = {"bootstrapServers": address, "groupId": "bench", "enableAutoCommit": False}
    seen = 0
    async with StreamConsumer(config) as consumer:
        await consumer.assign({(TOPIC, 0): 0})
        async for batch in consumer.batches(SLICE):
            assert batch[0].offset == seen
            seen += len(batch)
            samples.add(len(batch))
            if seen == count:
                break


def main() -> None:
    """Both halves, a line each."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--records", type=int, default=10_000_000)
    args = arguments.parse_args()
    count = max(2, args.records // SLICE) * SLICE
    with topic_at_broker() as (address, pid):
        for half in (produce, consume):
            samples = Samples(pid)
            with Meter() as meter:
                asyncio.run(half(address, count, samples))
            samples.show(half.__name__, meter)


if __name__ == "__main__":
    main()
