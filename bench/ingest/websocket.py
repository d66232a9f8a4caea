"""The WebSocket collector: messages until acknowledged; events per CPU-second of the collector.

    python -m bench.ingest.websocket [--events 60000] [--connections 4]

Two cases: messages of one event with cumulative answers, and messages of 20 events with an answer
each. A real broker, a collector and the clients are three processes; the CPU time is that of the
collector alone, with all its threads. Beside each the bare library, which reads the same messages
and answers every twentieth or every one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from typing import Any

from bench.broker.harness import broker, cpu_s, process, show
from bench.ingest.http import EVENT
from websockets.asyncio.client import connect


async def send_all(port: int, messages: list[str], last_seq: int) -> None:
    """Send over one connection and wait for the last answer."""
    async with connect(f"ws://127.0.0.1:{port}/", proxy=None, compression=None) as socket:

        async def listen() -> None:
            while json.loads(await socket.recv())["ack_seq"] < last_seq:
                pass

        listening = asyncio.create_task(listen())
        for message in messages:
            await socket.send(message)
        await listening


def measure(pid: int, port: int, messages: list[str], connections: int) -> float:
    """CPU-seconds of the server for the messages, over each connection once."""

    async def go() -> None:
        await asyncio.gather(*(send_all(port, messages, len(messages)) for _ in range(connections)))

    asyncio.run(send_all(port, messages[:100], 100))
    before = cpu_s(pid)
    asyncio.run(go())
    return cpu_s(pid) - before


def main() -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    for size, acks in ((1, "cumulative"), (20, "each")):
        count = options.events // options.connections // size
        events: list[Any] = [{**EVENT, "n": n} for n in range(size)]
        messages = [json.dumps(events if size > 1 else events[0])] * count
        config = {
            "name": "bench", "type": "websocket", "port": 0, "topic": "bench",
            "websocket": {"acks": acks},
        }  # fmt: skip
        with (
            tempfile.TemporaryDirectory() as directory,
            broker(directory, durability="os") as (_, broker_port),
        ):
            servers = f"127.0.0.1:{broker_port}"
            with process("bench.ingest.collecting", servers, json.dumps(config)) as (pid, port):
                cpu = measure(pid, port, messages, options.connections)
            with process("bench.ingest.bare_websocket", str(20 if size == 1 else 1)) as (pid, port):
                bare = measure(pid, port, messages, options.connections)
        total = count * size * options.connections
        show(
            "ingest websocket", events_per_message=size, events=total,
            events_per_cpu_s=round(total / cpu), cpu_us_per_event=cpu / total * 1e6,
            ratio_cpu_to_bare=cpu / bare,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
