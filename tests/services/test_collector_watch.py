"""The collectors of a node: what one of them does wrong does not touch the others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.emitter import Emitter
from summit.ingest import CollectorManager
from summit.services import collector_watch
from summit.services.collector_watch import CollectorWatch

pytestmark = pytest.mark.timeout(60)


class Definitions(Emitter):
    """Definitions in memory."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.documents = documents
        self.log = self

    def get(self, _: str, name: str) -> Any:
        document = self.documents.get(name)
        return None if document is None else SimpleNamespace(id=name, document=document)

    def current(self, kind: str) -> list[Any]:
        return [self.get(kind, name) for name in self.documents]


def document(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "collector", "id": name, "name": name, "type": "http", "topic": "t", "port": 0,
        **changes,
    }  # fmt: skip


def test_one_that_starts_slowly_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector_watch, "FIRST_S", 0.05)
    monkeypatch.setattr(collector_watch, "START_S", 0.5)
    started: list[str] = []

    async def go() -> None:
        collectors = CollectorManager()
        go_on = asyncio.Event()

        async def add(config: Any, _: Any) -> Any:
            started.append(config.name)
            if config.name == "slow":
                await go_on.wait()
            collector = collectors.register_collector(config)
            await collector.start(MemoryLog(1))
            return collector

        async def ensure_topic(_: str) -> bool:
            return False

        documents = {"slow": document("slow"), "good": document("good")}
        definitions = Definitions(documents)
        listed: Any = SimpleNamespace(add=add, list=collectors.list, get=collectors.get)
        node: Any = SimpleNamespace(
            definitions=definitions, collectors=listed, producer=None, ensure_topic=ensure_topic
        )
        watch = CollectorWatch(node)
        await watch.start()
        try:
            async with asyncio.timeout(30):
                assert [one.name for one in collectors.list()] == ["good"]
                documents["other"] = document("other")
                definitions.emit("change", SimpleNamespace(key="collector/other"))
                definitions.emit("change", SimpleNamespace(key="collector/slow"))
                while {one.name for one in collectors.list()} != {"good", "other"}:
                    await asyncio.sleep(0.01)
                states: dict[str, Any] = {}
                while "slow" not in states or states["slow"][0] != "failed":
                    states = {one["name"]: (one["state"], one["lastError"])
                              for one in watch.statuses()}  # fmt: skip
                    await asyncio.sleep(0.01)
                assert "did not start within" in str(states["slow"][1])
                go_on.set()
                definitions.emit("change", SimpleNamespace(key="collector/slow"))
                while len(collectors.list()) < 3:
                    await asyncio.sleep(0.01)
        finally:
            await watch.stop()
            await collectors.stop_all()

    asyncio.run(go())
    assert started.count("good") == started.count("other") == 1


def test_one_that_fails_in_any_way_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_bad.py").write_text(
        "from summit.stream_ingestion import Collector\n"
        "class Bad(Collector):\n"
        "    type = 'plugin:bad'\n"
        "    async def _open(self, producer):\n"
        "        self.opened = True\n"
        "        raise ValueError('no such stream')\n"
        "    async def _close(self):\n"
        "        raise KeyError('half open')\n"
    )
    info = tmp_path / "acme_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[summit.collectors]\nbad = acme_bad:Bad\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    mqtt = {"username": "u", "password": f"file:{tmp_path / 'password'}"}

    async def go() -> None:
        documents = {
            "bad": document("bad", type="plugin:bad"),
            "mqtt": document("mqtt", type="mqtt", host="127.0.0.1", port=1, mqtt=mqtt),
            "good": document("good"),
        }
        del documents["bad"]["port"]
        definitions = Definitions(documents)
        collectors = CollectorManager()

        async def ensure_topic(_: str) -> bool:
            return False

        node: Any = SimpleNamespace(
            definitions=definitions, collectors=collectors, producer=MemoryLog(1),
            ensure_topic=ensure_topic,
        )  # fmt: skip
        watch = CollectorWatch(node)
        await watch.start()
        try:
            states = {one["name"]: (one["state"], one["lastError"]) for one in watch.statuses()}
            assert states["good"] == ("running", None)
            assert states["bad"] == ("failed", "ValueError: no such stream")
            assert states["mqtt"][0] == "failed"
            assert "UTF-8" in str(states["mqtt"][1])
            # And while it runs: the definitions are followed on.
            for name in ("worse", "better"):
                documents[name] = {**documents["bad" if name == "worse" else "good"], "id": name}
                documents[name]["name"] = name
                definitions.emit("change", SimpleNamespace(key=f"collector/{name}"))
            async with asyncio.timeout(30):
                while "better" not in [one.name for one in collectors.list()]:
                    await asyncio.sleep(0.01)
            found = {one["name"]: one["state"] for one in watch.statuses()}
            assert found["worse"] == "failed"
        finally:
            await watch.stop()
            await collectors.stop_all()

    asyncio.run(go())
