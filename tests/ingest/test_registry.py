"""The registry: names, starting all or none, nothing left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Conflict, Invalid
from summit.ingest import CollectorConfig, CollectorManager, HttpCollector, make_collector


def http(name: str, port: int = 0) -> dict[str, Any]:
    return {"name": name, "type": "http", "topic": "t", "port": port}


def test_register_list_get_remove() -> None:
    async def go() -> None:
        async with CollectorManager() as manager:
            first = manager.register_collector(CollectorConfig.from_dict(http("a")))
            second = manager.register_collector(make_collector(http("b")))
            manager.register_collector(http("c"))
            assert [one.name for one in manager.list()] == ["a", "b", "c"]
            assert manager.get("b") is second
            with pytest.raises(Conflict, match="'a' already exists"):
                manager.register_collector(http("a"))
            with pytest.raises(Invalid, match="'x' does not exist"):
                manager.get("x")
            await manager.start_all(MemoryLog(1))
            assert {one.state for one in manager.list()} == {"running"}
            await manager.remove("a")
            assert first.state == "stopped"
            assert [one.name for one in manager.list()] == ["b", "c"]
        assert {one.state for one in manager.list()} == {"stopped"}

    asyncio.run(go())


def test_start_all_is_all_or_none() -> None:
    async def go() -> None:
        taken = HttpCollector(CollectorConfig.from_dict(http("taken")))
        await taken.start(MemoryLog(1))
        manager = CollectorManager()
        manager.register_collector(http("a"))
        manager.register_collector(http("b", taken.port))
        with pytest.raises(Conflict, match="already in use"):
            await manager.start_all(MemoryLog(1))
        assert [one.state for one in manager.list()] == ["stopped", "failed"]
        with pytest.raises(Conflict, match="already in use"):
            await manager.add(http("c", taken.port), MemoryLog(1))
        assert [one.name for one in manager.list()] == ["a", "b"]
        await taken.stop()
        await manager.start_all(MemoryLog(1))
        await manager.stop_all()

    asyncio.run(go())


def test_reading_files_does_not_load_the_web_framework() -> None:
    script = (
        "import sys\n"
        "from summit.stream_ingestion import CollectorConfig, CollectorManager, FileCollector\n"
        "assert not {'starlette', 'uvicorn', 'confluent_kafka'} & set(sys.modules)\n"
        "from summit.stream_ingestion import HttpCollector\n"
        "assert 'starlette' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
