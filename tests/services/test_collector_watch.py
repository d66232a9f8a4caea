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
