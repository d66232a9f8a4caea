"""A running collector against a real broker, and what its topic holds."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from summit.broker import BrokerSettings, BrokerThread
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.ingest import Collector, make_collector

WAIT_S = 120


def make_broker(directory: Path, port: int = 0) -> BrokerThread:
    """A broker that is started; stop it."""
    settings = BrokerSettings(port=port, data_dir=str(directory / "data"), durability="os")
    thread = BrokerThread(settings)
    thread.start()
    return thread


def run(broker: BrokerThread, body: Callable[[StreamProducer], Awaitable[Any]]) -> None:
    """Run a test's body with a producer; bounded in time."""

    async def go() -> None:
        servers = f"127.0.0.1:{broker.port}"
        async with asyncio.timeout(5 * WAIT_S):
            async with StreamProducer({"bootstrapServers": servers, "lingerMs": 1}) as producer:
                await body(producer)

    asyncio.run(go())


@asynccontextmanager
async def collecting(producer: StreamProducer, config: dict[str, Any]) -> AsyncIterator[Collector]:
    """A collector that runs."""
    collector = make_collector(config)
    await collector.start(producer)
    try:
        yield collector
    finally:
        await collector.stop()


async def read_topic(addresses: list[str], topic: str) -> list[Any]:
    """What is committed, partition by partition."""
    found: list[Any] = []
    async with LogReader({"bootstrapServers": addresses}, committed=True) as reader:
        for partition in range(await reader.partition_count(topic)):
            async for records in reader.read(topic, partition, 0):
                found += records
    return found


async def events(addresses: list[str], topic: str) -> list[dict[str, Any]]:
    """The events of a topic in the order of their commits."""
    records = await read_topic(addresses, topic)
    return [json.loads(one.value) for one in records if one.value is not None]


async def letters(addresses: list[str], topic: str) -> list[dict[str, Any]]:
    """The dead letters of a topic, with their bytes under `raw`."""
    found = await events(addresses, f"{topic}.dlq")
    return [{**one, "raw": base64.b64decode(one["originalValue"] or "")} for one in found]


async def told(
    producer: StreamProducer,
    topic: str,
    wanted: Callable[[dict[str, Any]], Any],
    order: Callable[[dict[str, Any]], Any],
) -> list[dict[str, Any]]:
    """The events of a topic in an order, once a wanted one is among them."""
    async with asyncio.timeout(WAIT_S):
        while not any(map(wanted, await events(producer.addresses, topic))):
            await asyncio.sleep(0.05)
        # Partitions are read one after the other: what came before it is there now for certain.
        return sorted(await events(producer.addresses, topic), key=order)


async def break_off(
    producer: StreamProducer, config: dict[str, Any], turns: int, write: Callable[[], None]
) -> None:
    """Start a collector again and again while somebody writes; break it off in each second turn."""
    for turn in range(turns):
        collector: Any = make_collector(config)
        await collector.start(producer)
        for _ in range(4):
            write()
            await asyncio.sleep(0)
        await until(lambda made=collector: made.status().details["transactions"] > 0)
        if turn % 2 == 0:  # as a kill: nothing is brought to an end
            task = collector._task
            assert task is not None
            task.cancel()
            await asyncio.wait((task,))
        await collector.stop()


async def until(condition: Callable[[], Any], collector: Collector | None = None) -> None:
    """Wait until something holds; the collector must not have failed meanwhile."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            if collector is not None:
                assert collector.state != "failed", collector.status().last_error
            await asyncio.sleep(0.02)


def folded(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows that stand at the end of a stream of changes: as a reader would keep them."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event in found:
        table, op = event["source"]["table"], event["op_type"]
        if op == "t":
            rows = {place: row for place, row in rows.items() if place[0] != table}
        elif op in "crud":
            key = event["source"]["key"]
            if op in "ud" and event["before"] is not None:  # perhaps under another key
                old = {name: event["before"][name] for name in key}
                rows.pop((table, json.dumps(old)), None)
            if op != "d":
                rows[table, json.dumps(key)] = event["after"]
    return rows
