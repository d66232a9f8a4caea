"""What a whole node does with collectors of every type: REST starts and lists them, the metrics
tell of them, and after a restart each is there again, running or paused as it was.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.ingest.database.reading import make_broker
from tests.ingest.mosquitto import Mosquitto
from tests.ingest.sources import SOURCES, Files, Otlp, Plugin, Servers, Source, Sqlite
from tests.system.running import Running, call

pytestmark = pytest.mark.timeout(280)

MODULE = """
from summit.stream_ingestion import FeedingCollector
import asyncio


class QueueCollector(FeedingCollector):
    type = "plugin:queue"

    async def _listen(self):
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            await self.feed([{"n": 1}])
            await asyncio.sleep(0.05)

    async def _hang_up(self):
        self._task.cancel()
        await asyncio.wait([self._task])
"""


class Ticking(Plugin):
    """One that nobody has to bring anything: it is in another process."""

    module = MODULE


ROWS = [Ticking if row is Plugin else row for row in SOURCES]


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    broker = make_broker(tmp_path_factory.mktemp("broker"))  # that of the rows; nobody uses it here
    mosquitto = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    mosquitto.start()
    found = Servers(broker, mosquitto, tmp_path_factory.mktemp("mariadb"))
    yield found
    found.stop()


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def metric(base: str, name: str, collector: str) -> float:
    with urllib.request.urlopen(f"{base}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = re.search(rf'^{name}{{collector="{collector}"}} (\S+)$', text, re.MULTILINE)
    assert found is not None, (name, collector)
    return float(found.group(1))


class Node:
    """One running node, and what its collectors say."""

    def __init__(self, up: Running) -> None:
        self.base = up.ready["streaming"]

    def status(self, name: str) -> dict[str, Any]:
        code, found = call("GET", f"{self.base}/api/collectors/{name}")
        assert code == 200, found
        return dict(found)

    async def bring(self, source: Source, value: int) -> None:
        """Have a source bring a number, and wait until it is taken."""
        status = await asyncio.to_thread(self.status, source.name)
        source.collector = SimpleNamespace(address=status["address"])  # type: ignore[assignment]
        before = status["accepted"]
        await source.add(value)
        async with asyncio.timeout(60):
            while self.status(source.name)["accepted"] <= before:
                await asyncio.sleep(0.05)


@pytest.mark.slow
def test_every_type_of_a_node(tmp_path: Path, servers: Servers) -> None:
    sources: list[Source] = []
    for row in ROWS:
        directory = tmp_path / row.__name__
        directory.mkdir()
        sources.append(row(directory, servers, f"node-{row.__name__.lower()}"))
    plugin = tmp_path / Ticking.__name__
    paused = f"node-{Files.__name__.lower()}"
    arguments = ("up", "--port", "0", "--data-dir", str(tmp_path / "data"))
    env = {"PYTHONPATH": str(plugin), "SUMMIT_SECRETS_DIR": str(tmp_path / "Mariadb")}

    async def bring_all(node: Node, value: int) -> None:
        for source in sources:
            if not isinstance(source, Plugin) and (value == 1 or source.name != paused):
                await node.bring(source, value)
                if isinstance(source, Otlp):
                    await source.close()  # its clients belong to this loop

    with Running(*arguments, env=env) as up:
        node = Node(up)
        for source in sources:
            document = {"name": source.name, "topic": source.name, **source.config()}
            code, told = call("POST", f"{node.base}/api/collectors", document)
            assert code in (200, 201), told
            assert call("POST", f"{node.base}/api/collectors", document)[0] == 409
        asyncio.run(bring_all(node, 1))
        until(lambda: node.status("node-ticking")["accepted"] > 1, "the plugin feeds nothing")
        code, listed = call("GET", f"{node.base}/api/collectors")
        assert code == 200
        assert {one["name"] for one in listed["collectors"]} == {one.name for one in sources}
        for one in listed["collectors"]:
            assert one["state"] == "running", one
            assert one["lastError"] is None, one
            assert one["guarantee"] in ("exactly_once", "effectively_once", "at_least_once")
            assert metric(node.base, "summit_collector_up", one["name"]) == 1
            assert metric(node.base, "summit_collector_accepted_total", one["name"]) >= 1
            assert metric(node.base, "summit_collector_bytes_total", one["name"]) > 1
            assert metric(node.base, "summit_collector_rejected_total", one["name"]) == 0
        assert call("POST", f"{node.base}/api/collectors/{paused}/pause")[0] == 200
        assert metric(node.base, "summit_collector_up", paused) == 0
    with Running(*arguments, env=env) as up:
        node = Node(up)
        for source in sources:
            wanted = "paused" if source.name == paused else "running"
            until(lambda: node.status(source.name)["state"] == wanted, source.name)  # noqa: B023
        asyncio.run(bring_all(node, 2))
        until(lambda: node.status("node-ticking")["accepted"] > 1, "the plugin feeds nothing")
        assert call("POST", f"{node.base}/api/collectors/{paused}/resume")[0] == 200
        files = next(one for one in sources if one.name == paused)
        asyncio.run(node.bring(files, 2))
        assert call("DELETE", f"{node.base}/api/collectors/{paused}")[0] in (200, 204)
        assert call("GET", f"{node.base}/api/collectors/{paused}")[0] == 404
    for source in sources:
        if isinstance(source, Sqlite):
            source._db.close()
        elif isinstance(source, Plugin):
            sys.path.remove(str(source.directory))
