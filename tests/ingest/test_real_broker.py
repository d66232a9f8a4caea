"""Collectors, the real producer and the real broker together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from summit.base.errors import Invalid, Unavailable
from summit.broker import BrokerSettings, BrokerThread
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.ingest import make_collector, topics
from summit.ingest.files import collector as file_collector
from summit.ingest.files import writing
from summit.stream_ingestion import CollectorManager, FileCollector, HttpCollector


def make_broker(tmp_path: Path, port: int = 0) -> BrokerThread:
    settings = BrokerSettings(port=port, data_dir=str(tmp_path / "data"), durability="os")
    return BrokerThread(settings)


def run(
    broker: BrokerThread,
    body: Callable[[StreamProducer], Awaitable[Any]],
    **producer_options: Any,
) -> None:
    async def go() -> None:
        servers = f"127.0.0.1:{broker.port}"
        options = {"bootstrapServers": servers, "lingerMs": 1, **producer_options}
        async with StreamProducer(options) as producer:
            await body(producer)

    broker.start()
    try:
        asyncio.run(go())
    finally:
        broker.stop()


async def read_all(producer: StreamProducer, topic: str) -> list[Any]:
    found: list[Any] = []
    async with LogReader({"bootstrapServers": producer.addresses}) as reader:
        for partition in range(await reader.partition_count(topic)):
            async for records in reader.read(topic, partition, 0):
                found += records
    return found


def test_http_to_the_topic_and_back(tmp_path: Path) -> None:
    async def body(producer: StreamProducer) -> None:
        manager = CollectorManager()
        config = {"name": "web", "type": "http", "port": 0, "topic": "raw-events"}
        collector = await manager.add({**config, "keyField": "user"}, producer)
        assert isinstance(collector, HttpCollector)
        async with httpx.AsyncClient(base_url=f"http://{collector.address}") as client:
            events = [{"user": f"u{n % 5}", "n": n} for n in range(50)]
            reply = await client.post("/ingest", json=events)
            assert reply.status_code == 200
            results = reply.json()["results"]
        records = {(r.partition, r.offset): r for r in await read_all(producer, "raw-events")}
        for row, event in zip(results, events, strict=True):
            record = records[row["partition"], row["offset"]]
            assert json.loads(record.value) == event
            assert record.key == event["user"].encode()
        await manager.stop_all()

    run(make_broker(tmp_path), body)


@pytest.mark.timeout(60)
def test_http_is_503_while_the_broker_is_away_and_then_goes_on(tmp_path: Path) -> None:
    broker = make_broker(tmp_path)

    async def body(producer: StreamProducer) -> None:
        manager = CollectorManager()
        config = {"name": "web", "type": "http", "port": 0, "topic": "t"}
        collector = await manager.add({**config, "http": {"ackTimeoutMs": 2_000}}, producer)
        base = f"http://{collector.address}"
        async with httpx.AsyncClient(base_url=base, timeout=90) as client:
            assert (await client.post("/ingest", json={"n": 1})).status_code == 200
            port = broker.port
            await asyncio.to_thread(broker.stop)
            reply = await client.post("/ingest", json={"n": 2})
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.json()["code"] == "ingest.broker_away"
            assert collector.state == "degraded"
            again = make_broker(tmp_path, port)
            await asyncio.to_thread(again.start)
            try:
                status = 503
                async with asyncio.timeout(90):
                    while status == 503:
                        await asyncio.sleep(0.2)
                        status = (await client.post("/ingest", json={"n": 3})).status_code
                assert status == 200
                assert collector.state == "running"
                values = [json.loads(r.value)["n"] for r in await read_all(producer, "t")]
                assert {1, 3} <= set(values)
                await manager.stop_all()
            finally:
                await asyncio.to_thread(again.stop)

    run(broker, body)


@pytest.mark.timeout(60)
def test_a_file_waits_for_the_broker_and_writes_everything_once(tmp_path: Path) -> None:
    broker = make_broker(tmp_path)
    path = tmp_path / "a.log"
    path.write_text("".join(f"{n}\n" for n in range(500)))

    async def body(producer: StreamProducer) -> None:
        manager = CollectorManager()
        config = {"name": "f", "type": "file", "topic": "t", "path": str(path)}
        options = {"mode": "tail", "pollIntervalMs": 20}
        collector = await manager.add({**config, "file": options}, producer)
        assert isinstance(collector, FileCollector)

        async def read(size_bytes: int) -> None:
            async with asyncio.timeout(40):
                while collector.progress().bytes_read < size_bytes:
                    await asyncio.sleep(0.02)

        await read(path.stat().st_size)
        port = broker.port
        await asyncio.to_thread(broker.stop)
        with path.open("a") as out:
            out.write("".join(f"{n}\n" for n in range(500, 2000)))
        await asyncio.sleep(1.5)
        assert collector.progress().bytes_read < path.stat().st_size
        again = make_broker(tmp_path, port)
        await asyncio.to_thread(again.start)
        try:
            await read(path.stat().st_size)
            await manager.stop_all()
            records = await read_all(producer, "t")
        finally:
            await asyncio.to_thread(again.stop)
        assert [int(json.loads(record.value)["message"]) for record in records] == [*range(2000)]
        assert len({record.partition for record in records}) == 1

    # A delivery that times out while the broker is away is the harder case.
    run(broker, body, deliveryTimeoutMs=1_200, requestTimeoutMs=1_000)


@pytest.mark.timeout(100)
@pytest.mark.parametrize("spread", [False, True])
def test_a_stop_while_the_broker_is_away_ends_and_loses_nothing(
    spread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lingers in the collector's own producer is read and sent again by the next start."""
    monkeypatch.setattr(file_collector, "DRAIN_MS", 500)
    monkeypatch.setattr(writing, "CLOSE_MS", 300)
    broker = make_broker(tmp_path)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"n":{n}}}\n' for n in range(500)))

    async def body(producer: StreamProducer) -> None:
        options = {"mode": "tail", "format": "jsonl", "pollIntervalMs": 20, "spread": spread}
        config = {"name": "f", "type": "file", "topic": "t", "path": str(path), "file": options}
        collector = make_collector(config)
        assert isinstance(collector, FileCollector)

        async def read() -> None:
            async with asyncio.timeout(60):
                while collector.progress().bytes_read < path.stat().st_size:
                    await asyncio.sleep(0.02)

        await collector.start(producer)
        await read()
        port = broker.port
        await asyncio.to_thread(broker.stop)
        with path.open("a") as out:
            out.write("".join(f'{{"n":{n}}}\n' for n in range(500, 4_000)))
        await asyncio.sleep(0.3)  # long enough for some to be on their way; either way it holds
        async with asyncio.timeout(60):
            await collector.stop()
        assert collector.state == "stopped"
        assert collector.progress().bytes_read < path.stat().st_size
        again = make_broker(tmp_path, port)
        await asyncio.to_thread(again.start)
        try:
            await collector.start(producer)
            await read()
            await collector.stop()
            found = [json.loads(each.value) for each in await read_all(producer, "t")]
        finally:
            await asyncio.to_thread(again.stop)
        assert sorted(each["n"] for each in found) == [*range(4_000)]
        if not spread:
            assert found == sorted(found, key=lambda each: each["n"])

    run(broker, body)


def test_a_record_that_the_topic_refuses_is_buried(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n":1}\n{"pad":"' + "x" * 5_000 + '"}\n{"n":3}\n')

    async def body(producer: StreamProducer) -> None:
        from summit.client.admin import Admin

        async with Admin({"bootstrapServers": producer.addresses}) as admin:
            await admin.create_topic({"name": "t", "partitions": 1, "maxMessageBytes": 2_000})
        manager = CollectorManager()
        options = {"mode": "batch", "format": "jsonl"}
        config = {"name": "f", "type": "file", "topic": "t", "path": str(path), "file": options}
        collector = await manager.add(config, producer)
        assert isinstance(collector, FileCollector)
        progress = await collector.done()
        assert (progress.accepted, progress.rejected) == (2, 1)
        assert [json.loads(r.value) for r in await read_all(producer, "t")] == [{"n": 1}, {"n": 3}]
        (letter,) = await read_all(producer, "t.dlq")
        assert json.loads(letter.value)["error"]["code"] == "record.too_large"
        await manager.stop_all()

    run(make_broker(tmp_path), body)


def test_a_collector_needs_a_reachable_broker_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "CONNECT_TIMEOUT_MS", 300)
    broker = make_broker(tmp_path)
    path = tmp_path / "a.log"
    path.write_text("1\n")

    async def body(producer: StreamProducer) -> None:
        manager = CollectorManager()
        await asyncio.to_thread(broker.stop)
        config = {"name": "f", "type": "file", "topic": "t", "path": str(path)}
        producer.addresses = ["127.0.0.1:1"]
        with pytest.raises((Unavailable, Invalid)):
            await manager.add(config, producer)
        assert manager.list() == []
        await producer.close(0)

    run(broker, body)
