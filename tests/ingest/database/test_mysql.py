"""MariaDB: snapshot and binary log against a real server and a real broker; kills of both."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.database.mariadb import PASSWORD, MariaDb
from tests.ingest.database.reading import (
    WAIT_S,
    break_off,
    collecting,
    events,
    folded,
    letters,
    make_broker,
    run,
    until,
)
from tests.ingest.database.reading import told as told_in

from summit.base.errors import Invalid, Unavailable
from summit.broker import BrokerThread
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.ingest import Collector, make_collector
from summit.ingest.database.mysql import binlog
from summit.ingest.database.positions import load_position, positions_topic
from summit.ingest.topics import admin_config

pytestmark = pytest.mark.timeout(400)

TYPES = """
    id BIGINT UNSIGNED PRIMARY KEY, a TINYINT, f FLOAT, dbl DOUBLE, de DECIMAL(20,4),
    v VARCHAR(20), w VARCHAR(300), tx TEXT, bl BLOB, vb VARBINARY(9), bi BINARY(4), ch CHAR(10),
    l1 VARCHAR(10) CHARACTER SET latin1, dt DATETIME(6), dt0 DATETIME, ts TIMESTAMP(3) NULL, d DATE,
    ti TIME(6), t1 TIME(1), ti0 TIME, y YEAR, b BIT(12), e ENUM('x','y,z'), s SET('p','q','r'),
    js JSON, g POINT, u UUID, i6 INET6, mi MEDIUMINT UNSIGNED, sm SMALLINT, lt LONGTEXT,
    vi INT AS (a + 1) VIRTUAL, st INT AS (a + 2) STORED
"""
FULL = (
    18446744073709551615, -5, 1.1, 2.5e300, "-1234567890123456.7891", "é", "w" * 300, "tx",
    b"\x00\xff", b"\x01\x02", b"\x01", " c", "ÿ", "2024-01-02 03:04:05.123456",
    "1000-01-01 00:00:00", "2024-05-06 07:08:09.5", "2024-02-29", "-12:34:56.000001", "-00:00:00.5",
    "838:59:59", 1999, 5, "y,z", "p,r", '{"a": 1}', None, "dcf10074-eac6-11f1-bc99-02fc00000001",
    "::ffff:1.2.3.4", 16777215, -32768, "lt",
)  # fmt: skip
EXPECTED = {
    "id": 18446744073709551615, "a": -5, "f": 1.1, "dbl": 2.5e300, "de": "-1234567890123456.7891",
    "v": "é", "w": "w" * 300, "tx": "tx", "bl": "AP8=", "vb": "AQI=", "bi": "AQAAAA==", "ch": " c",
    "l1": "ÿ", "dt": "2024-01-02T03:04:05.123456", "dt0": "1000-01-01T00:00:00",
    "ts": "2024-05-06T07:08:09.500Z", "d": "2024-02-29", "ti": "-12:34:56.000001",
    "t1": "-00:00:00.5", "ti0": "838:59:59", "y": 1999, "b": 5, "e": "y,z", "s": ["p", "r"],
    "js": '{"a": 1}', "g": None, "u": "dcf10074-eac6-11f1-bc99-02fc00000001",
    "i6": "::ffff:1.2.3.4", "mi": 16777215, "sm": -32768, "lt": "lt", "vi": -4, "st": -3,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    made = MariaDb(tmp_path_factory.mktemp("mariadb"))
    made.create()
    yield made
    made.stop(kill=True)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    thread = make_broker(tmp_path_factory.mktemp("broker"))
    yield thread
    thread.stop()


class App:
    """An application: a database of its own on the server."""

    def __init__(self, server: MariaDb, name: str, connection: Any) -> None:
        self.server = server
        self.name = name
        self._connection = connection
        self._cursor = connection.cursor()

    def run(self, sql: str, *values: Any) -> list[Any]:
        self._cursor.execute(sql, values or None)
        return list(self._cursor.fetchall())

    def all(self, *statements: str) -> None:
        for one in statements:
            self.run(one)

    def config(self, name: str, block: dict[str, Any] | None = None, **changes: Any) -> Any:
        database = {
            "url": f"mysql://cdc@127.0.0.1:{self.server.port}/{self.name}",
            "password": "${SUMMIT_TEST_CDC}", "heartbeatIntervalMs": 100,
        }  # fmt: skip
        database |= block or {}
        return {
            "name": name, "type": "database", "topic": f"{name}.changes", "database": database,
            **changes,
        }  # fmt: skip


@pytest.fixture
def app(
    server: MariaDb, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[App]:
    monkeypatch.setenv("SUMMIT_TEST_CDC", PASSWORD)
    name = f"d{abs(hash(request.node.name)) % 10**9}"
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    with server.connect(name) as connection:
        yield App(server, name, connection)


def in_order(event: dict[str, Any]) -> tuple[int, bool, int]:
    number = int(event["commit_lsn"].rpartition("-")[2])
    return number, event["op_type"] == "r", event["source"]["sequence"]


told = partial(told_in, order=in_order)


def accepted(collector: Collector, count: int) -> Any:
    return until(lambda: collector.status().accepted >= count, collector)


def streaming(collector: Collector) -> Any:
    return until(lambda: collector.status().details.get("phase") == "stream", collector)


def test_all_types_are_the_same_in_snapshot_and_log(broker: BrokerThread, app: App) -> None:
    app.run(f"CREATE TABLE t ({TYPES})")
    columns = [name for name in EXPECTED if name not in ("vi", "st")]
    insert = f"INSERT INTO t ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    app.run(insert, *FULL)
    app.run("SET sql_mode = ''")
    app.run(
        "INSERT INTO t (id, d, dt, ts, y, e, s, de, f, g) VALUES"
        " (1, '0000-00-00', '2024-00-00', 0, 0, '', '', 0.5, 3.4e38, POINT(1, 2))"
    )

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("types")) as collector:
            await accepted(collector, 2)
            app.run("UPDATE t SET a = a")  # changes nothing
            app.run("UPDATE t SET ch = 'other'")
            app.run("DELETE FROM t")
            found = await told(producer, "types.changes", lambda one: one["op_type"] == "d")
            await accepted(collector, 6)
            found = await told(producer, "types.changes", lambda one: one["op_type"] == "d")
        rows = {one["after"]["id"]: one for one in found if one["op_type"] == "r"}
        assert rows[EXPECTED["id"]]["after"] == EXPECTED
        zero = rows[1]["after"]
        assert (zero["d"], zero["dt"], zero["ts"], zero["y"], zero["e"], zero["s"]) == (
            "0000-00-00", "2024-00-00T00:00:00.000000", "0000-00-00T00:00:00.000Z", 0, "", []
        )  # fmt: skip
        for update in [one for one in found if one["op_type"] == "u"]:
            row = rows[update["before"]["id"]]
            assert update["before"] == row["after"]
            assert update["after"] == {**row["after"], "ch": "other"}
            assert update["schema_version"] == row["schema_version"]
        assert len(found) == 6
        assert found[0]["source_id"] == f"mysql:{app.name}"
        assert len({one["evidence_id"] for one in found}) == 6

    run(broker, body)


def test_statements_and_shapes(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (a INT, b VARCHAR(10), x INT, PRIMARY KEY (b, a))")
    app.run("CREATE TABLE nokey (a INT)")
    app.run("INSERT INTO nokey VALUES (1), (1)")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("shapes", {"tombstones": True})) as collector:
            await streaming(collector)
            app.run("INSERT INTO t VALUES (1, 'k', 1), (2, 'k', 1)")
            app.run("UPDATE t SET a = 9 WHERE a = 1")
            app.run("BEGIN")
            app.run("INSERT INTO t VALUES (100, 'z', 1)")
            app.run("SAVEPOINT s")
            app.run("INSERT INTO t VALUES (101, 'z', 1)")
            app.run("ROLLBACK TO s")
            app.run("COMMIT")
            app.run("BEGIN")
            app.run("INSERT INTO t VALUES (102, 'z', 1)")
            app.run("ROLLBACK")
            app.run("ALTER TABLE t ADD y INT DEFAULT 5")
            app.run("INSERT INTO t (a, b) VALUES (7, 'y')")
            app.run("TRUNCATE nokey")
            app.run("CREATE TABLE made AS SELECT * FROM t WHERE a = 7")
            app.run("RENAME TABLE nokey TO other")
            app.run("DROP TABLE other")
            app.run("FLUSH BINARY LOGS")
            app.run("SET binlog_format = STATEMENT")
            app.run("UPDATE t SET x = 3 WHERE a = 9")
            app.run("SET binlog_format = ROW")
            app.run("INSERT INTO t (a, b) VALUES (8, 'last')")
            found = await told(
                producer, "shapes.changes", lambda one: "last" in str(one["source"]["key"])
            )
            assert collector.status().dead_letters == 1
        base = app.name + "."
        brief = [
            (one["op_type"], one["source"]["table"].removeprefix(base), one["source"]["key"])
            for one in found if one["op_type"] != "r"
        ]  # fmt: skip
        assert brief == [
            ("c", "t", {"b": "k", "a": 1}), ("c", "t", {"b": "k", "a": 2}),
            ("u", "t", {"b": "k", "a": 9}), ("c", "t", {"b": "z", "a": 100}),
            ("s", "t", None), ("c", "t", {"b": "y", "a": 7}), ("t", "nokey", None),
            ("s", "made", None), ("c", "made", None), ("s", "nokey", None), ("s", "other", None),
            ("s", "other", None), ("c", "t", {"b": "last", "a": 8}),
        ]  # fmt: skip
        altered = next(one for one in found if one["op_type"] == "s")
        columns = {one["name"]: one["type"] for one in altered["after"]["columns"]}
        assert columns == {"a": "int(11)", "b": "varchar(10)", "x": "int(11)", "y": "int(11)"}
        assert altered["after"]["key"] == ["b", "a"]
        assert "ADD y" in altered["source"]["statement"]
        versions = [one["schema_version"] for one in found if one["op_type"] == "c"]
        assert versions[0] != versions[3] == altered["schema_version"] == versions[-1]
        (letter,) = await letters(producer.addresses, "shapes.changes")
        assert letter["raw"] == b"UPDATE t SET x = 3 WHERE a = 9"
        assert "statement format" in letter["error"]["message"]

    run(broker, body)


def test_a_poison_row_is_a_dead_letter_and_the_next_is_read(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) CHARACTER SET cp1251)")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("poison")) as collector:
            await streaming(collector)
            # A byte that the server takes and that stands for nothing.
            app.run("INSERT INTO t VALUES (1, 'a'), (2, _cp1251 X'98'), (3, 'c')")
            await accepted(collector, 2)
            assert (collector.status().rejected, collector.status().dead_letters) == (1, 1)
        found = await events(producer.addresses, "poison.changes")
        assert sorted(one["after"]["id"] for one in found) == [1, 3]
        (letter,) = await letters(producer.addresses, "poison.changes")
        assert b"\x98" in letter["raw"]

    run(broker, body)


@pytest.mark.parametrize("hides", [False, True])
def test_large_rows_poison_and_hidden_columns(broker: BrokerThread, app: App, hides: bool) -> None:
    """Pieces are bounded in bytes; a dead letter shows nothing that is hidden."""
    app.all(
        "CREATE TABLE t (id INT PRIMARY KEY, big LONGTEXT)",
        "CREATE TABLE poison (id INT PRIMARY KEY, a VARCHAR(9) CHARACTER SET cp1251, secret TEXT)",
    )
    for first in range(0, 60, 20):
        rows = ", ".join(f"({first + one}, REPEAT('x', 96000))" for one in range(20))
        app.all(f"INSERT INTO t VALUES {rows}")
    name = f"pieces{hides}".lower()
    block = {"excludeColumns": ["*.secret"]} if hides else {}
    sizes: list[int] = []

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config(name, block)) as collector:
            source: Any = collector._source  # type: ignore[attr-defined]
            read = source.read

            async def noting() -> Any:
                batch = await read()
                sizes.append(len(batch.changes))
                return batch

            source.read = noting
            await streaming(collector)
            app.all("BEGIN", *(f"UPDATE t SET big = REPEAT('y', 96000) WHERE id = {one}"
                               for one in range(20)), "COMMIT")  # fmt: skip
            app.all("INSERT INTO poison VALUES (1, _cp1251 X'98', 'hush'), (2, 'a', 'hush')")
            await accepted(collector, 60 + 20 + 1)
            assert collector.status().dead_letters == 1
        (letter,) = await letters(producer.addresses, f"{name}.changes")
        assert (b"hush" in letter["raw"]) == (not hides)
        assert not hides or json.loads(letter["raw"])["id"] == "1"

    run(broker, body)
    assert max(sizes) <= (1 << 20) // 96_000 + 1


# Of each a text that its own bytes spell in another way than most.
TEXTS = {
    "utf8mb4": "é€😀", "utf16": "é€😀", "utf16le": "é€😀", "utf32": "é€😀", "ucs2": "é€",
    "latin1": "é€", "latin2": "ěž", "swe7": "ÅÄÖ", "geostd8": "აბგ", "armscii8": "ԱԲ",
    "hp8": "é", "dec8": "éß", "keybcs2": "ěž", "koi8r": "жш", "koi8u": "їж", "greek": "αβ",
    "macroman": "éü", "macce": "ěž", "cp1250": "ěž", "cp1251": "жш", "cp850": "éü",
    "tis620": "กข", "big5": "中文", "gbk": "中文", "sjis": "日本", "cp932": "日本",
    "ujis": "日本", "euckr": "한국",
}  # fmt: skip


def test_texts_of_every_character_set(broker: BrokerThread, app: App) -> None:
    columns = ", ".join(f"{one} VARCHAR(20) CHARACTER SET {one}" for one in TEXTS)
    values = ", ".join(f"'{text}'" for text in TEXTS.values())
    app.all(
        f"CREATE TABLE t (id INT PRIMARY KEY, {columns})", f"INSERT INTO t VALUES (1, {values})"
    )

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("texts")) as collector:
            await streaming(collector)
            app.all(f"INSERT INTO t VALUES (2, {values})")
            await accepted(collector, 2)
        read, streamed = sorted(
            (one["after"] for one in await events(producer.addresses, "texts.changes")),
            key=lambda row: row["id"],
        )
        assert read == {"id": 1, **TEXTS}
        assert streamed == {"id": 2, **TEXTS}

    run(broker, body)


def test_a_character_set_that_nobody_knows_is_refused_at_the_start(
    broker: BrokerThread, app: App
) -> None:
    app.all("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) CHARACTER SET eucjpms)")

    async def body(producer: StreamProducer) -> None:
        with pytest.raises(Invalid, match=f"'{app.name}.t.a' has the character set eucjpms"):
            async with collecting(producer, app.config("eucjpms")):
                pass
        block = {"excludeColumns": ["*.t.a"]}
        async with collecting(producer, app.config("eucjpms", block)) as collector:
            await streaming(collector)
            app.all("INSERT INTO t VALUES (1, '日本')", "INSERT INTO t VALUES (2, NULL)")
            await accepted(collector, 2)

    run(broker, body)


@pytest.mark.parametrize("follow", ["auto", "file"])
def test_no_gap_and_no_double_whatever_is_stopped(
    broker: BrokerThread, app: App, follow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer at work while the collector is broken off again and again, from its first row on.

    Held to the database itself: the changes of each row, put together, are its history.
    """
    monkeypatch.setattr(binlog, "PIECE", 3)
    monkeypatch.setattr(binlog, "LARGE", 6)
    rand = random.Random(11)
    app.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    app.run("CREATE TABLE w (id INT PRIMARY KEY, v INT)")
    for table in "tw":
        rows = ", ".join(f"({n * 2}, 0)" for n in range(200))
        app.run(f"INSERT INTO {table} VALUES {rows}")
    name = f"torn-{follow}"
    config = app.config(
        name, {"snapshotChunkRows": 25, "mysql": {"follow": follow}}, batchSize=7, flushInterval=1
    )

    def write(count: int) -> None:
        for _ in range(count):
            table, n, choice = rand.choice("tw"), rand.randrange(450), rand.random()
            if choice < 0.3:
                app.run(f"INSERT IGNORE INTO {table} VALUES ({n}, 0)")
            elif choice < 0.5:
                app.run(f"UPDATE {table} SET v = v + 1 WHERE id = {n}")
            elif choice < 0.6:
                app.run(f"UPDATE {table} SET v = v + 1 WHERE id BETWEEN {n} AND {n + 40}")
            elif choice < 0.8:
                app.run(f"UPDATE IGNORE {table} SET id = {rand.randrange(450)} WHERE id = {n}")
            else:
                app.run(f"DELETE FROM {table} WHERE id = {n}")
            if choice < 0.02:
                app.run("FLUSH BINARY LOGS")

    async def body(producer: StreamProducer) -> None:
        await break_off(producer, config, 10, lambda: write(4))
        app.run("INSERT INTO t VALUES (1000000, 0)")
        async with collecting(producer, config):
            found = await told(
                producer, f"{name}.changes", lambda one: (one["after"] or {}).get("id") == 1_000_000
            )
        wanted = {
            (f"{app.name}.{table}", json.dumps({"id": row[0]})): {"id": row[0], "v": row[1]}
            for table in "tw" for row in app.run(f"SELECT * FROM {table}")
        }  # fmt: skip
        assert len({one["evidence_id"] for one in found}) == len(found)
        check_history(found)
        assert folded(found) == wanted

    run(broker, body)


def check_history(found: list[dict[str, Any]]) -> None:
    """Each row's changes follow from one another: none is missing, none is doubled.

    A statement may move a row to where another one was before, so the rows of a transaction are
    first taken away and then put.
    """
    state: dict[Any, Any] = {}
    for event in found:
        table, before, after = event["source"]["table"], event["before"], event["after"]
        if before is not None:
            assert state.pop((table, before["id"])) == before
        if after is not None:
            assert (table, after["id"]) not in state, event
            state[table, after["id"]] = after


def test_the_server_dies_and_comes_back(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY)")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("dies")) as collector:
            await streaming(collector)
            app.run("INSERT INTO t VALUES (1)")
            await accepted(collector, 1)
            await asyncio.to_thread(app.server.stop, kill=True)
            await until(lambda: collector.state == "degraded")
            assert "reached" in str(collector.status().last_error)
            await asyncio.to_thread(app.server.start)
            with app.server.connect(app.name) as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES (2), (3)")
            await accepted(collector, 3)
            await until(lambda: collector.state == "running")
        found = [one["after"]["id"] for one in await events(producer.addresses, "dies.changes")]
        assert sorted(found) == [1, 2, 3]

    run(broker, body)


def test_the_broker_goes_and_comes_back(tmp_path: Path, app: App) -> None:
    broker = make_broker(tmp_path)
    port = broker.port
    app.run("CREATE TABLE t (id INT PRIMARY KEY)")

    async def body(producer: StreamProducer) -> None:
        nonlocal broker
        async with collecting(producer, app.config("away")) as collector:
            await streaming(collector)
            app.run("INSERT INTO t VALUES (1)")
            await accepted(collector, 1)
            await asyncio.to_thread(broker.stop)
            app.run("INSERT INTO t VALUES (2)")
            broker = await asyncio.to_thread(make_broker, tmp_path, port)
            app.run("INSERT INTO t VALUES (3)")
            await accepted(collector, 3)
        found = [one["after"]["id"] for one in await events(producer.addresses, "away.changes")]
        assert sorted(found) == [1, 2, 3]

    run(broker, body)
    broker.stop()


async def started_and_done(collector: Collector, producer: StreamProducer) -> None:
    await collector.start(producer)
    await collector.done()  # type: ignore[attr-defined]


def test_a_log_that_was_purged_is_told_and_a_new_snapshot_helps(
    broker: BrokerThread, app: App
) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY)")

    async def body(producer: StreamProducer) -> None:
        configs = [app.config(f"purged-{f}", {"mysql": {"follow": f}}) for f in ("gtid", "file")]
        for number, config in enumerate(configs):
            async with collecting(producer, config) as collector:
                await streaming(collector)
                app.run(f"INSERT INTO t VALUES ({number})")
                await accepted(collector, number + 1)
        for number in range(100, 103):
            app.run(f"INSERT INTO t VALUES ({number})")
            app.run("FLUSH BINARY LOGS")
        newest = app.run("SHOW BINARY LOGS")[-1][0]
        app.run(f"PURGE BINARY LOGS TO '{newest}'")
        for config in configs:
            collector = make_collector(config)
            with pytest.raises(Invalid) as caught:
                await started_and_done(collector, producer)
            await collector.stop()
            assert caught.value.code == "database.position_lost"
            topic = f"_summit.database.{config['name']}"
            assert topic in str(caught.value)
        async with Admin(admin_config(producer.addresses)) as admin:
            await admin.delete_topic("_summit.database.purged-file")
        async with collecting(producer, configs[1]) as collector:
            await accepted(collector, 5)

    run(broker, body)


def test_heartbeats_move_the_place_and_the_lag_is_known(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY)")
    app.run("CREATE TABLE quiet (id INT PRIMARY KEY)")
    config = app.config("beats", {"tables": ["*.quiet"]})

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, config) as collector:
            await streaming(collector)
            for n in range(5):
                app.run(f"INSERT INTO t VALUES ({n})")
            app.run("FLUSH BINARY LOGS")
            newest = app.run("SHOW BINARY LOGS")[-1][0]
            topic = positions_topic("beats")
            async with asyncio.timeout(WAIT_S):
                while not (
                    (stored := await load_position(producer.addresses, topic))
                    and (stored.position or {}).get("file") == newest
                ):
                    await asyncio.sleep(0.1)
            await until(lambda: collector.status().details["lagBytes"] == 0, collector)
            assert collector.status().accepted == 0
        async with collecting(producer, config) as collector:
            await streaming(collector)
            details = collector.status().details
            assert details["file"] == newest
            assert details["warnings"] == []

    run(broker, body)


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [("binlog_format", "MIXED", "ROW"), ("binlog_row_metadata", "MINIMAL", "FULL"),
     ("binlog_row_image", "MINIMAL", "FULL"), ("log_bin_compress", "ON", "OFF")],
)  # fmt: skip
def test_a_server_that_is_not_set_up_is_refused(
    broker: BrokerThread, app: App, setting: str, wrong: str, right: str
) -> None:
    async def body(producer: StreamProducer) -> None:
        app.run(f"SET GLOBAL {setting} = {wrong}")
        try:
            with pytest.raises(Invalid) as caught:
                await make_collector(app.config("unfit")).start(producer)
        finally:
            app.run(f"SET GLOBAL {setting} = {right}")
        assert caught.value.code == "database.unfit"
        assert f"{setting} is {wrong}" in str(caught.value)

    run(broker, body)


def test_who_may_not_and_what_is_not_there(
    broker: BrokerThread, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusal(producer: StreamProducer, block: dict[str, Any]) -> str:
        collector = make_collector(app.config("refused", block))
        with pytest.raises((Invalid, Unavailable)) as caught:
            await collector.start(producer)
        assert collector.state == "failed"
        return caught.value.code

    async def body(producer: StreamProducer) -> None:
        port = app.server.port
        assert await refusal(producer, {"url": "mysql://cdc@127.0.0.1:1/x"}) == (
            "database.unreachable"
        )
        url = f"mysql://cdc@127.0.0.1:{port}/no_such_database"
        async with collecting(producer, app.config("empty", {"url": url})) as collector:
            await streaming(collector)  # it may be made yet
        app.run("CREATE OR REPLACE USER weak IDENTIFIED BY 'pw of cdc'")
        assert await refusal(producer, {"url": f"mysql://weak@127.0.0.1:{port}/{app.name}"}) == (
            "database.refused"
        )
        monkeypatch.setenv("SUMMIT_TEST_CDC", "wrong")
        assert await refusal(producer, {}) == "database.refused"

    run(broker, body)


def test_going_on_from_a_place(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INT PRIMARY KEY)")
    app.run("INSERT INTO t VALUES (1)")
    ((file, offset, *_),) = app.run("SHOW MASTER STATUS")
    ((gtid,),) = app.run("SELECT @@gtid_binlog_pos")
    app.run("INSERT INTO t VALUES (2), (3)")

    async def body(producer: StreamProducer) -> None:
        for name, place in (("by-file", f"{file}:{offset}"), ("by-gtid", gtid)):
            config = app.config(name, {"mysql": {"startAt": place}})
            for _ in range(2):  # the second time it goes on, and does not begin again
                async with collecting(producer, config) as collector:
                    await streaming(collector)
                    if collector.status().accepted < 2 and _ == 0:
                        await accepted(collector, 2)
            found = await events(producer.addresses, f"{name}.changes")
            assert sorted(one["after"]["id"] for one in found) == [2, 3]
            assert {one["op_type"] for one in found} == {"c"}

    run(broker, body)
