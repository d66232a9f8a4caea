"""Runs a gRPC collector and calls it, for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from tests.ingest.memory_log import MemoryLog
from tests.ingest.subjects import reason_of

from summit.ingest import Collector, make_collector
from summit.ingest.grpc.stub import IngestStub, PublishRequest

CODE = grpc.StatusCode


def run(
    body: Callable[[Collector, IngestStub], Awaitable[Any]],
    log: MemoryLog | None = None,
    block: dict[str, Any] | None = None,
    **changes: Any,
) -> Collector:
    async def go() -> Collector:
        config = {"name": "g", "type": "grpc", "port": 0, "topic": "t", **changes}
        collector = make_collector({**config, "grpc": block or {}})
        await collector.start(log or MemoryLog(1))
        try:
            async with (
                asyncio.timeout(60),
                grpc.aio.insecure_channel(str(collector.address)) as channel,
            ):
                await body(collector, IngestStub(channel))
        finally:
            await collector.stop()
        return collector

    return asyncio.run(go())


async def refusal(call: Any) -> tuple[Any, str]:
    """Status and reason of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), reason_of(caught.value)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # bounded by the time-out of `run`
        await asyncio.sleep(0.005)


def some(*numbers: int, **more: Any) -> Any:
    return PublishRequest(json=json.dumps([{"n": n} for n in numbers]).encode(), **more)


def numbers(log: MemoryLog) -> list[int]:
    return [json.loads(record.value or b"")["n"] for record in log.records("t")]
