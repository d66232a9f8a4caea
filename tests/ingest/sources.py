"""Collectors whose senders get no answer, as the battery sees them: a row per type."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import grpc
import httpx
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from tests.ingest.database.mariadb import PASSWORD, MariaDb
from tests.ingest.database.postgres import Postgres
from tests.ingest.database.reading import events as committed_events
from tests.ingest.memory_log import MemoryLog
from tests.ingest.mosquitto import Mosquitto, publish, publisher
from tests.ingest.test_otlp import request as otlp_request

from summit.broker import BrokerThread
from summit.client.producer import StreamProducer
from summit.ingest import Collector, FileCollector, make_collector

NUMBER = {"type": "integer"}
TEXT = {"type": "string", "pattern": "^[0-9]+$"}


class Servers:
    """What the rows need, started once at their first use."""

    def __init__(self, broker: BrokerThread, mosquitto: Mosquitto, directory: Path) -> None:
        self.broker = broker
        self.mosquitto = mosquitto
        self._directory = directory
        self._postgres: Postgres | None = None
        self._mariadb: MariaDb | None = None

    @property
    def postgres(self) -> Postgres:
        if self._postgres is None:
            self._postgres = Postgres()
            self._postgres.start().create()
        return self._postgres

    @property
    def mariadb(self) -> MariaDb:
        if self._mariadb is None:
            self._mariadb = MariaDb(self._directory)
            self._mariadb.create()
            with self._mariadb.connect() as root, root.cursor() as cursor:
                cursor.execute("CREATE DATABASE shop")
        return self._mariadb

    def stop(self) -> None:
        for server in (self._postgres, self._mariadb, self.mosquitto, self.broker):
            if server is not None:
                server.stop()


class Source(ABC):
    """One collector, its source, and what it has written.

    Attributes:
        holds: Whether its log is in memory and can hold acknowledgements back.
        keeps: Whether the source keeps what comes while the collector is away.
        schema: That of events with a number; others do not fit.
    """

    holds = True
    keeps = True
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
        self.collector = collector
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


MODULE = """
from summit.stream_ingestion import FeedingCollector
import asyncio

QUEUES = {}


class QueueCollector(FeedingCollector):
    type = "plugin:queue"

    async def _listen(self):
        queue = QUEUES.setdefault(self.config.options["queue"], asyncio.Queue())
        self._task = asyncio.create_task(self._run(queue))

    async def _run(self, queue):
        while True:
            value = await queue.get()
            await self.feed([{"n": value}])

    async def _hang_up(self):
        self._task.cancel()
        await asyncio.wait([self._task])
"""


class Plugin(Source):
    """A collector of somebody else's package."""

    guarantees = ("at_least_once",)

    @staticmethod
    def install(directory: Path) -> None:
        """Make the package; whoever has the directory in its path has the plugin."""
        info = directory / "acme_queue-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (directory / "acme_queue.py").write_text(MODULE)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-queue\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[summit.collectors]\nqueue = acme_queue:QueueCollector\n"
        )

    def config(self) -> dict[str, Any]:
        self.install(self.directory)
        if str(self.directory) not in sys.path:
            sys.path.insert(0, str(self.directory))
        return {"type": "plugin:queue", "options": {"queue": self.name}}

    async def add(self, *values: Any) -> None:
        queues = sys.modules["acme_queue"].QUEUES
        for value in values:
            queues.setdefault(self.name, asyncio.Queue()).put_nowait(value)

    async def close(self) -> None:
        sys.path.remove(str(self.directory))
        del sys.modules["acme_queue"]


class Otlp(Source):
    """Logs of OpenTelemetry over HTTP, a record a request, sent again as exporters do."""

    guarantees = ("at_least_once", "effectively_once")
    keeps = False
    schema: ClassVar[dict[str, Any]] = {"properties": {"message": TEXT}}
    key_field = "message"
    kind = "http"

    def config(self) -> dict[str, Any]:
        self._sending: list[asyncio.Task[None]] = []
        self._clients: dict[str, Any] = {}  # by address: after a restart it is another one
        return {"type": self.kind, "port": 0, self.kind: {"otlp": True}}

    def connect(self, address: str) -> Any:
        return httpx.AsyncClient(trust_env=False, timeout=60)

    async def add(self, *values: Any) -> None:
        address = str(self.collector.address)
        if address not in self._clients:
            self._clients[address] = self.connect(address)
        for value in values:
            record = {"body": {"stringValue": str(value)}}
            self._sending.append(asyncio.create_task(self.post(address, record)))

    async def post(self, address: str, record: dict[str, Any]) -> None:
        for _ in range(2_000):
            reply = await self._clients[address].post(
                f"http://{address}/v1/logs", json=otlp_request(record)
            )
            if reply.status_code not in (429, 503):
                assert reply.status_code == 200, reply.text
                return
            await asyncio.sleep(0.05)

    def value_of(self, event: dict[str, Any]) -> Any:
        return int(event["message"]) if event["message"].isdigit() else event["message"]

    async def close(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        for client in self._clients.values():
            await (client.aclose() if self.kind == "http" else client.close())


class OtlpGrpc(Otlp):
    kind = "grpc"

    def connect(self, address: str) -> Any:
        return grpc.aio.insecure_channel(address)

    async def post(self, address: str, record: dict[str, Any]) -> None:
        message = json_format.ParseDict(otlp_request(record), ExportLogsServiceRequest())
        again = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
        for _ in range(2_000):
            try:
                await LogsServiceStub(self._clients[address]).Export(message)
            except grpc.aio.AioRpcError as error:
                if error.code() not in again:
                    raise
                await asyncio.sleep(0.05)
            else:
                return


class _OnBroker(Source):
    """A row whose records are transactions of a real broker."""

    holds = False

    async def start(self, collector: Collector) -> None:
        servers = f"127.0.0.1:{self.servers.broker.port}"
        self._producer = StreamProducer({"bootstrapServers": servers})
        await self._producer.connect()
        self.collector = collector
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


class _Rows(_OnBroker):
    """Rows of a database's server; their values are text."""

    schema: ClassVar[dict[str, Any]] = {"properties": {"after": {"properties": {"n": TEXT}}}}
    key_field = "after.n"

    @property
    def table(self) -> str:
        return self.name.replace(".", "_").replace("-", "_")

    @abstractmethod
    def _insert(self, values: list[str]) -> None: ...

    async def add(self, *values: Any) -> None:
        await asyncio.to_thread(self._insert, [str(value) for value in values])

    def value_of(self, event: dict[str, Any]) -> Any:
        text = event["after"]["n"]
        return int(text) if text.isdigit() else text


class Postgresql(_Rows):
    def config(self) -> dict[str, Any]:
        server = self.servers.postgres
        server.sql(f"CREATE TABLE IF NOT EXISTS {self.table} (id serial PRIMARY KEY, n text)")
        database = {
            "url": server.url, "tables": [f"public.{self.table}"], "schemaChanges": False,
            "postgresql": {"slot": self.table, "sslmode": "disable"},
        }  # fmt: skip
        return {"type": "database", "database": database}

    def _insert(self, values: list[str]) -> None:
        rows = ", ".join(f"('{value}')" for value in values)
        self.servers.postgres.sql(f"INSERT INTO {self.table} (n) VALUES {rows}")

    async def close(self) -> None:
        await super().close()
        self.servers.postgres.sql(
            f"SELECT pg_drop_replication_slot('{self.table}') FROM pg_replication_slots "
            f"WHERE slot_name = '{self.table}'"
        )


class Mariadb(_Rows):
    def config(self) -> dict[str, Any]:
        server = self.servers.mariadb
        with server.connect("shop") as root, root.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {self.table} "
                "(id INT PRIMARY KEY AUTO_INCREMENT, n VARCHAR(20))"
            )
        password = self.directory / "password"
        password.write_text(PASSWORD)
        database = {
            "url": f"mariadb://cdc@127.0.0.1:{server.port}/shop", "password": f"file:{password}",
            "tables": [f"shop.{self.table}"], "schemaChanges": False,
        }  # fmt: skip
        return {"type": "database", "database": database}

    def _insert(self, values: list[str]) -> None:
        with self.servers.mariadb.connect("shop") as root, root.cursor() as cursor:
            rows = [(value,) for value in values]
            cursor.executemany(f"INSERT INTO {self.table} (n) VALUES (%s)", rows)


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
    keeps = False
    schema: ClassVar[dict[str, Any]] = {"properties": {"message": TEXT}}
    key_field = "message"

    def config(self) -> dict[str, Any]:
        return {"type": "syslog", "port": 0, "syslog": {"transports": ["tcp"]}}

    async def add(self, *values: Any) -> None:
        port = int(str(self.collector.address).rpartition(":")[2])

        def send() -> None:
            with socket.create_connection(("127.0.0.1", port), 30) as sock:
                for value in values:
                    sock.sendall(b"<13>Mar  7 04:05:06 web1 app: %s\n" % str(value).encode())

        await asyncio.to_thread(send)

    def value_of(self, event: dict[str, Any]) -> Any:
        return int(event["message"]) if event["message"].isdigit() else event["message"]


SOURCES: tuple[type[Source], ...] = (
    Files, SpreadFiles, Sqlite, Postgresql, Mariadb, Mqtt, Syslog, Otlp, OtlpGrpc, Plugin,
)  # fmt: skip
