"""Data by HTTP and by WebSocket, into topics.

On a broker in this process, or on the one that SUMMIT_BOOTSTRAP_SERVERS names. The guide's ports,
8080 and 8081, unless HTTP_PORT and WS_PORT say others. The WebSocket part needs the extra:
pip install 'summit-streams[websocket]'.
"""

import asyncio
import json
import os
import urllib.request

from websockets.asyncio.client import connect

from summit.stream_ingestion import CollectorConfig, HttpCollector, WebSocketCollector
from summit.stream_processing import MessageBroker, StreamProducer

servers = os.environ.get("SUMMIT_BOOTSTRAP_SERVERS")


def post(url: str, event: dict) -> bytes:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read()


async def main() -> None:
    broker = MessageBroker(bootstrap_servers=servers) if servers else MessageBroker.in_memory()
    async with broker, StreamProducer({"bootstrapServers": broker.address}) as producer:
        for topic in ("raw-events", "realtime-events"):
            await broker.create_topic({"name": topic, "partitions": 1})

        http_collector = HttpCollector(
            CollectorConfig(
                name="http-collector",
                type="http",
                port=int(os.environ.get("HTTP_PORT", "8080")),
                path="/ingest",
                topic="raw-events",
            )
        )
        await http_collector.start(producer)
        url = f"http://{http_collector.address}/ingest"
        print("HTTP:", await asyncio.to_thread(post, url, {"eventType": "sensor.read", "n": 1}))

        ws_collector = WebSocketCollector(
            CollectorConfig(
                name="websocket-collector",
                type="websocket",
                port=int(os.environ.get("WS_PORT", "8081")),
                topic="realtime-events",
            )
        )
        await ws_collector.start(producer)
        async with connect(f"ws://{ws_collector.address}", proxy=None) as socket:
            await socket.send(json.dumps({"id": "1", "eventType": "sensor.read", "n": 2}))
            print("WebSocket:", await socket.recv())

        # Both were answered after the broker's acknowledgement: the events can be read now.
        for topic in ("raw-events", "realtime-events"):
            (record,) = await broker.consume(topic, 0, 0)
            print(f"{topic}: {record.json()}")
        await http_collector.stop()
        await ws_collector.stop()


asyncio.run(main())
