"""Collectors whose senders get no answer, as the battery sees them: a row per type."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from tests.ingest.database.reading import events as committed_events
from tests.ingest.memory_log import MemoryLog
from tests.ingest.mosquitto import Mosquitto, publish, publisher

from summit.broker import BrokerThread
from summit.client.producer import StreamProducer
from summit.ingest import Collector, FileCollector, make_collector

NUMBER = {"type": "integer"}
TEXT = {"type": "string", "pattern": "^[0-9]+$"}


class Servers:
    """What the rows need, started once at their first use."""

    def __init__(self, broker: BrokerThread, mosquitto: Mosquitto) -> None:
        self.broker = broker
        self.mosquitto = mosquitto


class Source(ABC):
    """One collector, its source, and what it has written.

    Attributes:
        holds: Whether its log is in memory and can hold acknowledgements back.
        schema: That of events with a number; others do not fit.
    """

    holds = True
    guarantees: tuple[str, ...] = ("exactly_once",)
    schema: ClassVar[dict[str, Any]] = {"type": "object", "properties": {"n": NUMBER}}
    key_field = "n"

    def __init__(self, directory: Path, servers: Servers, name: str) -> None:
        self.directory = directory
        self.servers = servers
        self.name = name
        self.log = MemoryLog(1)

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The configuration beside name and topic."""

    @abstractmethod
    async def add(self, *values: Any) -> None:
        """Have the source bring these."""

    def make(self, **changes: Any) -> Collector:
        config = {"name": self.name, "topic": self.name, **self.config(), **changes}
        return self.build(config)

    def build(self, config: dict[str, Any]) -> Collector:
        return make_collector(config)

    async def start(self, collector: Collector) -> None:
        await collector.start(self.log)

    async def events(self, topic: str = "") -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.log.records(topic or self.name)]

    def value_of(self, event: dict[str, Any]) -> Any:
        return event["n"]

    async def close(self) -> None:  # noqa: B027 - most rows hold nothing
        """Let go of everything."""


class Files(Source):
    def config(self) -> dict[str, Any]:
        path = self.directory / "a.jsonl"
        path.touch()
        return {
            "type": "file", "path": str(path), "file": {"format": "jsonl", "pollIntervalMs": 10}
        }  # fmt: skip

    def build(self, config: dict[str, Any]) -> Collector:
        return FileCollector(make_collector(config).config, open_log=lambda _: self.log)

    async def add(self, *values: Any) -> None:
        with (self.directory / "a.jsonl").open("a") as file:
            file.writelines(json.dumps({"n": value}) + "\n" for value in values)


class _OnBroker(Source):
    """A row whose records are transactions of a real broker."""

    holds = False

    async def start(self, collector: Collector) -> None:
        servers = f"127.0.0.1:{self.servers.broker.port}"
        self._producer = StreamProducer({"bootstrapServers": servers})
        await self._producer.connect()
        await collector.start(self._producer)

    async def events(self, topic: str = "") -> list[dict[str, Any]]:
        return await committed_events(self._producer.addresses, topic or self.name)

    async def close(self) -> None:
        await self._producer.close()


class SpreadFiles(_OnBroker, Files):
    def config(self) -> dict[str, Any]:
        config = super().config()
        config["file"]["spread"] = True
        return config

    def build(self, config: dict[str, Any]) -> Collector:
        return make_collector(config)


class Sqlite(_OnBroker):
    schema: ClassVar[dict[str, Any]] = {"properties": {"after": {"properties": {"n": NUMBER}}}}
    key_field = "after.n"

    def config(self) -> dict[str, Any]:
        self._db = sqlite3.connect(self.directory / "app.db", isolation_level=None, timeout=60)
        self._db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n)")
        database = {
            "url": f"sqlite:///{self.directory / 'app.db'}", "schemaChanges": False,
            "sqlite": {"pollIntervalMs": 10},
        }  # fmt: skip
        return {"type": "database", "database": database}

    async def add(self, *values: Any) -> None:
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO t (n) VALUES (?)", [(value,) for value in values])
        self._db.execute("COMMIT")

    def value_of(self, event: dict[str, Any]) -> Any:
        return event["after"]["n"]

    async def close(self) -> None:
        self._db.close()
        await super().close()


class Mqtt(Source):
    guarantees = ("at_least_once",)

    def config(self) -> dict[str, Any]:
        block = {"topics": [f"{self.name}/#"]}
        port = self.servers.mosquitto.port
        return {"type": "mqtt", "host": "127.0.0.1", "port": port, "mqtt": block}

    async def add(self, *values: Any) -> None:
        def send() -> None:
            with publisher(self.servers.mosquitto.port) as client:
                for value in values:
                    publish(client, f"{self.name}/a", json.dumps({"n": value}))

        await asyncio.to_thread(send)


class Syslog(Source):
    guarantees = ("at_least_once",)
    schema: ClassVar[dict[str, Any]] = {"properties": {"message": TEXT}}
    key_field = "message"

    def config(self) -> dict[str, Any]:
        return {"type": "syslog", "port": 0, "syslog": {"transports": ["tcp"]}}

    async def start(self, collector: Collector) -> None:
        await super().start(collector)
        self._port = int(str(collector.address).rpartition(":")[2])

    async def add(self, *values: Any) -> None:
        def send() -> None:
            with socket.create_connection(("127.0.0.1", self._port), 30) as sock:
                for value in values:
                    sock.sendall(b"<13>Mar  7 04:05:06 web1 app: %s\n" % str(value).encode())

        await asyncio.to_thread(send)

    def value_of(self, event: dict[str, Any]) -> Any:
        return int(event["message"]) if event["message"].isdigit() else event["message"]


SOURCES: tuple[type[Source], ...] = (Files, SpreadFiles, Sqlite, Mqtt, Syslog)
