"""One PostgreSQL database, one topic and the collector between them; its fixtures."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.ingest.database.postgres import Postgres, running
from tests.ingest.database.replica import committed, events_of

from summit.broker import BrokerSettings, BrokerThread
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.ingest import Collector, make_collector

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    yield from running()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    directory = tmp_path_factory.mktemp("broker")
    thread = BrokerThread(BrokerSettings(port=0, data_dir=str(directory), durability="os"))
    thread.start()
    yield thread
    thread.stop()


class Scene:
    """One database, one topic and the collector between them."""

    def __init__(self, server: Postgres, broker: BrokerThread, name: str) -> None:
        self.server = server
        self.name = name
        self.address = f"127.0.0.1:{broker.port}"
        self.url = server.url.replace("/shop", f"/{name}")
        server.sql(f"CREATE DATABASE {name}", database="postgres")

    def sql(self, *statements: str) -> list[Any]:
        return self.server.sql(*statements, database=self.name)

    def make(self, block: dict[str, Any] | None = None, **changes: Any) -> Collector:
        config = {"name": self.name, "type": "database", "topic": self.name, **changes}
        return make_collector({**config, "database": {"url": self.url, **(block or {})}})

    def run(
        self,
        body: Callable[[Collector], Awaitable[Any]],
        block: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Collector:
        """Start a collector, do something, stop it."""

        async def go() -> Collector:
            async with Admin({"bootstrapServers": self.address}) as admin:
                await admin.create_if_missing(TopicConfig(name=self.name, partitions=1))
            async with StreamProducer({"bootstrapServers": self.address}) as producer:
                collector = self.make(block, **changes)
                await collector.start(producer)
                try:
                    async with asyncio.timeout(120):
                        await body(collector)
                finally:
                    await collector.stop()
            return collector

        return asyncio.run(go())

    def follow(self, count: int, *statements: str, **changes: Any) -> Collector:
        """Run until `count` events were taken since the start; statements go in the middle."""

        async def body(collector: Collector) -> None:
            await until(lambda: collector.status().details["phase"] == "streaming")
            for statement in statements:
                await asyncio.to_thread(self.sql, statement)
            await until(lambda: collector.status().accepted >= count)

        collector = self.run(body, **changes)
        assert collector.status().accepted == count
        return collector

    def records(self, topic: str | None = None) -> list[Any]:
        return committed(self.address, topic or self.name)

    def events(self) -> list[dict[str, Any]]:
        return events_of(self.records())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # bounded by the time-out around
        await asyncio.sleep(0.01)


@pytest.fixture
def scene(server: Postgres, broker: BrokerThread) -> Iterator[Scene]:
    scene = Scene(server, broker, f"shop{next(_NUMBERS)}")
    yield scene
    for slot, active in scene.sql(
        "SELECT slot_name, active FROM pg_replication_slots WHERE database = current_database()"
    ):
        assert not active, "a slot is still used after the collector has stopped"
        scene.sql(f"SELECT pg_drop_replication_slot('{slot}')")
