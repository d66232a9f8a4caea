"""A real MySQL 8: the snapshot, the log, GTIDs, restarts; what differs from MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.ingest.database.mariadb import PASSWORD
from tests.ingest.database.mysql8 import Mysql8
from tests.ingest.database.reading import collecting, events, folded, make_broker, run, until
from tests.ingest.database.test_mysql import TEXTS, App

from summit.broker import BrokerThread
from summit.client.producer import StreamProducer
from summit.ingest import Collector

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mysql8]:
    made = Mysql8(tmp_path_factory.mktemp("mysql8"))
    made.create()
    yield made
    made.stop(kill=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    thread = make_broker(tmp_path_factory.mktemp("broker"))
    yield thread
    thread.stop()


@pytest.fixture
def app(
    server: Mysql8, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[App]:
    monkeypatch.setenv("SUMMIT_TEST_CDC", PASSWORD)
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    with server.connect(name) as connection:
        yield App(server, name, connection)


async def streaming(collector: Collector) -> None:
    await until(lambda: collector.status().details["phase"] == "stream", collector)


async def taken(collector: Collector, count: int) -> None:
    await until(lambda: collector.status().accepted >= count, collector)
    assert collector.status().accepted == count


def test_values_are_the_same_in_snapshot_and_log(broker: BrokerThread, app: App) -> None:
    columns = ", ".join(f"{one} VARCHAR(20) CHARACTER SET {one}" for one in TEXTS)
    app.run(
        "CREATE TABLE t (id INT PRIMARY KEY, n DECIMAL(20, 5), f FLOAT, d DOUBLE,"
        " u BIGINT UNSIGNED, j JSON, dt DATETIME(6), ts TIMESTAMP(3) NULL, y YEAR,"
        " ti TIME(2), b BLOB, bi BIT(10), e ENUM('a', 'ü'), s SET('x', 'y'), v VARBINARY(9),"
        f" {columns})"
    )
    values = (
        '12345678901234.5, 1.1, 2.5, 18446744073709551615, \'{"k": [1, null, "ü", 1.5, true]}\','
        " '2024-01-02 03:04:05.12', '2024-01-02 03:04:05.5', 2024, '-01:02:03.4', X'00FF', 5,"
        " 'ü', 'x,y', X'AB', " + ", ".join(f"'{text}'" for text in TEXTS.values())
    )
    app.run("SET time_zone = '+00:00'")
    app.run(f"INSERT INTO t VALUES (1, {values})")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("values8")) as collector:
            await streaming(collector)
            app.run(f"INSERT INTO t VALUES (2, {values})")
            await taken(collector, 2)
            assert collector.status().details["server"].startswith("8.")
        rows = {one["after"].pop("id"): one["after"]
                for one in await events(producer.addresses, "values8.changes")}  # fmt: skip
        assert rows[1] == rows[2]
        assert rows[1]["j"] == {"k": [1, None, "ü", 1.5, True]}
        assert rows[1]["u"] == 2**64 - 1
        assert {name: rows[1][name] for name in TEXTS} == TEXTS

    run(broker, body)


@pytest.mark.parametrize("follow", ["gtid", "file"])
def test_goes_on_where_it_was(broker: BrokerThread, server: Mysql8, app: App, follow: str) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
    app.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    name = f"on8{follow}"

    async def body(producer: StreamProducer) -> None:
        config = app.config(name, {"snapshotChunkRows": 2, "mysql": {"follow": follow}})
        async with collecting(producer, config) as collector:
            await streaming(collector)
            app.run("UPDATE t SET n = 20 WHERE id = 2")
            await taken(collector, 4)
        app.all("BEGIN", "UPDATE t SET id = 30 WHERE id = 3", "DELETE FROM t WHERE id = 1",
                "COMMIT", "ALTER TABLE t ADD COLUMN m VARCHAR(9) DEFAULT 'x'",
                "INSERT INTO t VALUES (4, 4, 'y')",
                "CREATE TABLE other (a INT)", "INSERT INTO other VALUES (1)")  # fmt: skip
        server.stop(kill=True)
        server.start()
        async with collecting(producer, config) as collector:
            with server.connect(app.name) as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES (5, 5, 'z')")
                cursor.execute("SELECT id, n, m FROM t")
                expected = cursor.fetchall()
            await until(lambda: collector.status().accepted >= 7, collector)
        found = await events(producer.addresses, f"{name}.changes")
        coordinates = [one["evidence_id"] for one in found]
        assert len(set(coordinates)) == len(coordinates)
        found.sort(key=_order)
        rows: list[dict[str, Any]] = [
            row for (table, _), row in folded(found).items() if table.endswith(".t")
        ]
        told = sorted((row["id"], row["n"], row.get("m", "x")) for row in rows)
        assert told == sorted(expected)

    run(broker, body)


def _order(event: dict[str, Any]) -> tuple[Any, ...]:
    """Where an event stands in the server's log; rows of the snapshot come first."""
    source = event["source"]
    if event["op_type"] == "r":
        return ("", 0, source["sequence"])
    return (source["file"], source["offset"], source["sequence"])
