"""From the call that sends an event to the alert that a reader of committed records has in hand.

    python -m bench.flow.latency [--rate 20000] [--seconds 20] [--durability fsync|os]
                                 [--guarantee exactly-once|at-least-once]

One worker, one rule; one event in two hundred makes an alert, all others are read and matched in
vain. Sender and reader are this process, with the clients that users have. Beside it what the disk
takes for one `pwrite` and `fdatasync` of 4 KiB, alone: between event and alert lie two syncs, that
of the event and that of the transaction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from contextlib import suppress

from bench.broker.harness import broker, cpu_s, percentile, show
from bench.flow.harness import TOPIC, publish, settled, worker
from bench.services.events import disk

from summit.alerts import decode_alert
from summit.client import Admin, StreamConsumer, StreamProducer, TopicConfig

P99_MS_MAX = 20.0
PARTITIONS = 4
BATCH = 100
HIT_EVERY = 200
RULE = {
    "kind": "pattern", "id": "hit", "topics": [TOPIC], "groupBy": ["user"],
    "steps": [{"name": "hit", "where": 'eventType == "hit"'}],
    "action": {"type": "alert", "config": {"severity": "low", "title": "Hit"}},
}  # fmt: skip


async def read(server: str, sent: dict[str, float], taken_ms: list[float]) -> None:
    """Read alerts for ever, and note how old each is."""
    config = {"bootstrapServers": server, "groupId": "bench", "isolationLevel": "read_committed"}
    async with StreamConsumer(config) as consumer:
        await consumer.assign({("alerts", 0): 0})
        while True:
            for record in await consumer.poll(200):
                now = time.perf_counter()
                user = decode_alert(record.value or b"").key["user"]
                if user in sent:
                    taken_ms.append((now - sent.pop(user)) * 1000)


async def send(producer: StreamProducer, rate: int, seconds: float, sent: dict[str, float]) -> int:
    """Send at a steady rate; how many events."""
    began = time.perf_counter()
    count = 0
    waiting: set[asyncio.Task[object]] = set()
    while count < rate * seconds:
        rows = []
        for n in range(count, count + BATCH):
            is_hit = n % HIT_EVERY == 0
            user = f"u{n}"
            event = {
                "eventType": "hit" if is_hit else "miss", "user": user, "n": n,
                "timestamp": int(time.time() * 1000), "source": "bench",
            }  # fmt: skip
            partition = n // BATCH % PARTITIONS
            rows.append({"topic": TOPIC, "partition": partition, "value": json.dumps(event)})
            if is_hit:
                sent[user] = time.perf_counter()
        task: asyncio.Task[object] = asyncio.create_task(producer.send_batch(rows))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        count += BATCH
        await asyncio.sleep(max(0.0, began + count / rate - time.perf_counter()))
    await asyncio.gather(*waiting)
    return count


async def measure(arguments: argparse.Namespace, server: str, pid: int, data_dir: str) -> None:
    """One run."""
    async with Admin({"bootstrapServers": server}) as admin:
        await admin.create_topic(TopicConfig(name=TOPIC, partitions=PARTITIONS))
    await publish(server, RULE)
    producer = StreamProducer({"bootstrapServers": server, "lingerMs": 0})
    await producer.connect()
    with worker(server, "--guarantee", arguments.guarantee) as child:
        await settled(server, lambda p: p.is_whole, 60)
        sent: dict[str, float] = {}
        taken_ms: list[float] = []
        reading = asyncio.create_task(read(server, sent, taken_ms))
        # One producer for both: its first record waits half a second for a producer id.
        await send(producer, arguments.rate, 3, sent)
        await asyncio.sleep(1)
        taken_ms.clear()
        pids = child.pid, pid, os.getpid()
        before = list(map(cpu_s, pids))
        began = time.perf_counter()
        count = await send(producer, arguments.rate, arguments.seconds, sent)
        seconds = time.perf_counter() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while sent:
                    await asyncio.sleep(0.05)
        spent = [cpu_s(each) - was for each, was in zip(pids, before, strict=True)]
        reading.cancel()
    await producer.close()
    taken_ms.sort()
    syncs = disk(data_dir, 500)
    show(
        "flow.latency", guarantee=arguments.guarantee, durability=arguments.durability,
        rate=arguments.rate, sent_per_s=count / seconds,
        alerts=len(taken_ms), missing=len(sent), load_1m=os.getloadavg()[0],
        p50_ms=percentile(taken_ms, 0.5), p99_ms=percentile(taken_ms, 0.99), max_ms=taken_ms[-1],
        p99_to_disk=percentile(taken_ms, 0.99) / percentile(syncs, 0.99),
        disk_p50_ms=percentile(syncs, 0.5), disk_p99_ms=percentile(syncs, 0.99),
        worker_cpu_share=spent[0] / seconds, broker_cpu_share=spent[1] / seconds,
        bench_cpu_share=spent[2] / seconds,
        target_p99_ms=P99_MS_MAX,
    )  # fmt: skip


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--durability", choices=["fsync", "os"], default="fsync")
    parser.add_argument(
        "--guarantee", choices=["exactly-once", "at-least-once"], default="exactly-once"
    )
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data_dir,
        broker(data_dir, durability=arguments.durability, auto_create_topics="false") as found,
    ):
        pid, port = found
        asyncio.run(measure(arguments, f"127.0.0.1:{port}", pid, data_dir))


if __name__ == "__main__":
    main()
