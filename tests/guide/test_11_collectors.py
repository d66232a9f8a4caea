"""Guide, "Data Ingestion": an HTTP and a WebSocket collector."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from summit.stream_ingestion import CollectorConfig, HttpCollector
from summit.stream_processing import MessageBroker, ProducerConfig, StreamProducer, TopicConfig


def test_http(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="raw-events", partitions=1))
            producer = StreamProducer(ProducerConfig(client_id="collectors", linger_ms=0))
            await producer.connect(broker)

            http_config = CollectorConfig(
                name="http-collector",
                type="http",
                port=0,  # the guide's 8080 may be taken
                path="/ingest",
                topic="raw-events",
            )

            http_collector = HttpCollector(http_config)
            await http_collector.start(producer)

            # POST events to http://localhost:8080/ingest
            url = f"http://{http_collector.address}/ingest"
            async with httpx.AsyncClient(trust_env=False, timeout=90) as client:
                one = await client.post(url, json={"eventType": "a", "n": 1})
                assert one.status_code == 200
                assert one.json()["status"] == "ok"
                # Answered after the broker's acknowledgement: it can be read now.
                (record,) = await broker.consume("raw-events", 0, 0)
                assert record.json()["n"] == 1
                many = await client.post(url + "?from=guide", json=[{"n": 2}, {"n": 3}])
                assert many.json()["accepted"] == 2
                lines = await client.post(
                    url,
                    content=b'{"n": 4}\n{"n": 5}\n',
                    headers={"Content-Type": "application/x-ndjson"},
                )
                assert lines.json()["accepted"] == 2
                broken = await client.post(
                    url, content=b"{", headers={"Content-Type": "application/json"}
                )
                assert broken.status_code == 400
            records = await broker.consume("raw-events", 0, 0)
            assert [record.json()["n"] for record in records] == [1, 2, 3, 4, 5]

            await http_collector.stop()
            await producer.close()

    asyncio.run(go())


def test_the_guides_port_is_the_default() -> None:
    config = CollectorConfig.from_dict(
        {
            "name": "http-collector",
            "type": "http",
            "port": 8080,
            "path": "/ingest",
            "topic": "raw-events",
        }
    )
    short = CollectorConfig(name="http-collector", type="http", topic="raw-events")
    assert config.listen_port == short.listen_port == 8080


def test_websocket(broker_config: dict[str, Any]) -> None:
    async def go() -> None:
        from summit.stream_ingestion import WebSocketCollector

        async with MessageBroker(broker_config) as broker:
            await broker.create_topic(TopicConfig(name="realtime-events", partitions=1))
            producer = StreamProducer(ProducerConfig(client_id="collectors", linger_ms=0))
            await producer.connect(broker)

            ws_config = CollectorConfig(
                name="websocket-collector",
                type="websocket",
                port=0,  # the guide's 8081 may be taken
                topic="realtime-events",
            )

            ws_collector = WebSocketCollector(ws_config)
            await ws_collector.start(producer)

            # Connect WebSocket client to ws://localhost:8081
            from websockets.asyncio.client import connect

            async with connect(f"ws://{ws_collector.address}") as socket:
                await socket.send(json.dumps({"id": "1", "eventType": "a", "n": 1}))
                assert json.loads(await socket.recv())["ack"] == "1"
            (record,) = await broker.consume("realtime-events", 0, 0)
            assert record.json()["n"] == 1

            await ws_collector.stop()
            await producer.close()

    asyncio.run(go())
