"""The gRPC collector: messages until acknowledged; events per CPU-second of the collector.

    python -m bench.ingest.grpc [--events 60000] [--streams 4]

Cases: messages of one event with cumulative answers; of 20 `Event`s and of 100 events as one JSON
array, with an answer each. A real broker, a collector and the clients are three processes; the CPU
time is that of the collector alone, with all its threads. Beside each the bare library, which reads
the same messages and answers every twentieth or every one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import grpc
from bench.broker.harness import broker, cpu_s, process, show
from bench.ingest.http import EVENT

from summit.ingest.grpc.stub import Event, EventBatch, IngestStub, PublishRequest


async def send_all(port: int, message: Any, count: int) -> None:
    """Send over one stream and wait for the last answer."""

    async def requests() -> AsyncIterator[Any]:
        for _ in range(count):
            yield message

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        seq = 0
        async for ack in IngestStub(channel).PublishStream(requests()):
            assert not ack.refusal.code, ack
            seq = ack.seq
        assert seq == count


def measure(pid: int, port: int, message: Any, count: int, streams: int) -> float:
    """CPU-seconds of the server for the messages, over each stream once."""

    async def go() -> None:
        await asyncio.gather(*(send_all(port, message, count) for _ in range(streams)))

    asyncio.run(send_all(port, message, 100))
    before = cpu_s(pid)
    asyncio.run(go())
    return cpu_s(pid) - before


def message_of(form: str, size: int) -> Any:
    """A message of so many events."""
    texts = [json.dumps({**EVENT, "n": n}) for n in range(size)]
    if form == "event":
        return PublishRequest(event=Event(json=texts[0]))
    if form == "batch":
        return PublishRequest(batch=EventBatch(events=[Event(json=text) for text in texts]))
    return PublishRequest(json=f"[{','.join(texts)}]".encode())


def main() -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--streams", type=int, default=4)
    options = parser.parse_args()
    cases = (("event", 1, "cumulative"), ("batch", 20, "each"), ("json", 100, "each"))
    for form, size, acks in cases:
        count = options.events // options.streams // size
        message = message_of(form, size)
        config = {
            "name": "bench", "type": "grpc", "port": 0, "topic": "bench", "grpc": {"acks": acks},
        }  # fmt: skip
        with (
            tempfile.TemporaryDirectory() as directory,
            broker(directory, durability="os") as (_, broker_port),
        ):
            servers = f"127.0.0.1:{broker_port}"
            with process("bench.ingest.collecting", servers, json.dumps(config)) as (pid, port):
                cpu = measure(pid, port, message, count, options.streams)
            with process("bench.ingest.bare_grpc", str(20 if size == 1 else 1)) as (pid, port):
                bare = measure(pid, port, message, count, options.streams)
        total = count * size * options.streams
        show(
            "ingest grpc", form=form, events_per_message=size, events=total,
            events_per_cpu_s=round(total / cpu), cpu_us_per_event=cpu / total * 1e6,
            ratio_cpu_to_bare=cpu / bare,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
