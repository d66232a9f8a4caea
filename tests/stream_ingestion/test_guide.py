"""The guide's way to collect events over HTTP, in Python spelling."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from tests.ingest.memory_log import MemoryLog

from summit.stream_ingestion import CollectorConfig, HttpCollector


def test_http_collector_of_the_guide() -> None:
    http_config = CollectorConfig(
        name="http-collector",
        type="http",
        port=0,  # the guide's 8080 may be in use where tests run
        path="/ingest",
        topic="raw-events",
    )
    producer = MemoryLog(1)

    async def go() -> httpx.Response:
        http_collector = HttpCollector(http_config)
        await http_collector.start(producer)
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.post(
                f"http://{http_collector.address}/ingest?from=guide",
                json={"eventType": "user.login", "userId": "ann"},
            )
        await http_collector.stop()
        return reply

    reply = asyncio.run(go())
    assert reply.status_code == 200
    assert reply.json()["status"] == "ok"
    (record,) = producer.records("raw-events")
    assert json.loads(record.value or b"") == {"eventType": "user.login", "userId": "ann"}


def test_exports() -> None:
    import summit.stream_ingestion as facade

    for name in facade.__all__:
        called = {"CDCCollector": "DatabaseCollector"}.get(name, name)
        assert getattr(facade, name).__name__ == called
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        facade.Nothing  # noqa: B018
