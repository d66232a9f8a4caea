"""A collector type of somebody else's package, found by its entry point."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Invalid
from summit.ingest import CollectorConfig, CollectorManager

MODULE = """
from summit.stream_ingestion import Collector


class Counting(Collector):
    type = "plugin:counting"

    async def _open(self, producer):
        for n in range(self.config.options["count"]):
            await producer.send_nowait(self.config.topic, b'{"n":%d}' % n)
            self._note_accepted(1, 7)

    async def _close(self):
        pass


class Misnamed(Counting):
    type = "http"


Thing = 7
"""
ENTRIES = """
[summit.collectors]
counting = acme_counting:Counting
misnamed = acme_counting:Misnamed
thing = acme_counting:Thing
gone = acme_counting:Gone
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme_counting.py").write_text(MODULE)
    info = tmp_path / "acme_counting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-counting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_counting", raising=False)


def test_a_plugin_is_a_type_like_any_other(installed: None) -> None:
    log = MemoryLog(1)

    async def go() -> None:
        document = {
            "name": "c", "type": "plugin:counting", "topic": "t", "options": {"count": 3},
        }  # fmt: skip
        config = CollectorConfig.from_dict(document)
        assert CollectorConfig.from_dict(config.to_dict()) == config
        async with CollectorManager() as manager:
            collector = await manager.add(config, log)
            assert collector.status().accepted == 3
            await manager.pause("c")
            await manager.resume("c")
            await manager.restart("c")
            assert collector.status().accepted == 6
            await manager.stop("c")
            await manager.start("c", log)
            assert collector.state == "running"

    asyncio.run(go())
    assert len(log.records("t")) == 9


@pytest.mark.parametrize(
    ("member", "value"),
    [("sampleRate", 0.5), ("keyField", "n"), ("eventSchema", {"type": "object"}), ("port", 7)],
)
def test_what_a_plugin_does_not_obey_is_refused(installed: None, member: str, value: Any) -> None:
    document = {"name": "c", "type": "plugin:counting", "topic": "t", member: value}
    with pytest.raises(Invalid, match=f"plugin:counting does not know {member}") as caught:
        CollectorManager().register_collector(document)
    assert caught.value.details["pointer"] == f"/{member}"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nosuch", "collector.plugin_unknown"),
        ("misnamed", "collector.plugin_broken"),
        ("thing", "collector.plugin_broken"),
        ("gone", "collector.plugin_broken"),
    ],
)
def test_plugins_that_cannot_be_used(installed: None, name: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        CollectorManager().register_collector({"name": "c", "type": f"plugin:{name}", "topic": "t"})
    assert caught.value.code == code
    if code.endswith("unknown"):
        assert "counting" in str(caught.value)
