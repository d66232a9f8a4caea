"""SQLite: triggers, snapshot and stream, against a real broker; kills of everything."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import random
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.database.reading import (
    break_off,
    collecting,
    events,
    folded,
    letters,
    make_broker,
    read_topic,
    run,
    until,
)
from tests.ingest.database.reading import told as told_in

from summit.base.errors import Invalid, Unavailable
from summit.broker import BrokerThread
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.ingest import Collector, make_collector
from summit.ingest.topics import admin_config

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerThread]:
    thread = make_broker(tmp_path_factory.mktemp("broker"))
    yield thread
    thread.stop()


class App:
    """An application and its database."""

    def __init__(self, path: Path, *, wal: bool = True) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        if wal:
            self.db.execute("PRAGMA journal_mode = WAL")
        self.run = self.db.execute

    def config(self, name: str, block: dict[str, Any] | None = None, **changes: Any) -> Any:
        database = {"url": f"sqlite:///{self.path}", "sqlite": {"pollIntervalMs": 10}}
        database |= block or {}
        return {
            "name": name, "type": "database", "topic": f"{name}.changes", "database": database,
            **changes,
        }  # fmt: skip

    def rows(self, table: str) -> list[Any]:
        return self.run(f"SELECT * FROM {table}").fetchall()


@pytest.fixture
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    made = App(tmp_path / "app.db", wal=getattr(request, "param", True))
    yield made
    made.db.close()


def in_order(event: dict[str, Any]) -> tuple[int, bool]:
    return int(event["commit_lsn"]), event["op_type"] == "r"


told = partial(told_in, order=in_order)


def accepted(collector: Collector, count: int) -> Any:
    return until(lambda: collector.status().accepted >= count, collector)


def test_rows_and_every_kind_of_change(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, raw BLOB, x REAL, n INT)")
    app.run("CREATE TABLE pairs (b TEXT, a INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID")
    app.run("INSERT INTO t VALUES (1, 'é', x'00FF', 0.1, NULL), (2, '', x'', -1e300, ?)", (2**62,))
    app.run("INSERT INTO pairs VALUES ('k', 7, 'v')")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("kinds")) as collector:
            await accepted(collector, 3)
            app.run("INSERT INTO t VALUES (3, 'new', NULL, ?, 5)", (math.inf,))
            app.run("UPDATE t SET name = 'changed' WHERE id = 1")
            app.run("UPDATE pairs SET a = 8")
            app.run("DELETE FROM t WHERE id = 2")
            app.run("BEGIN")
            app.run("INSERT INTO t (id) VALUES (99)")
            app.run("ROLLBACK")
            app.run("DELETE FROM t")
            await accepted(collector, 9)
            status = collector.status()
            assert status.guarantee == "exactly_once"
            assert status.details["phase"] == "stream"
            assert status.details["lagChanges"] == 0
        found = await events(producer.addresses, "kinds.changes")
        told = sorted((one["op_type"], one["source"]["table"]) for one in found)
        assert told == sorted(
            [("r", "t"), ("r", "t"), ("r", "pairs"), ("c", "t"), ("u", "t"), ("u", "pairs")]
            + [("d", "t")] * 3
        )
        first = next(one for one in found if one["after"] and one["after"].get("id") == 1)
        assert first["after"] == {"id": 1, "name": "é", "raw": "AP8=", "x": 0.1, "n": None}
        assert first["source_id"] == "sqlite:app.db"
        assert first["eventType"] == "database.snapshot"
        update = next(one for one in found if one["op_type"] == "u" and one["after"].get("id"))
        assert (update["before"]["name"], update["after"]["name"]) == ("é", "changed")
        moved = next(one for one in found if one["op_type"] == "u" and "a" in one["after"])
        assert (moved["before"]["a"], moved["source"]["key"]) == (7, {"a": 8, "b": "k"})
        new = next(one for one in found if one["op_type"] == "c")
        assert (new["after"]["x"], new["before"]) == ("Infinity", None)
        assert len({one["evidence_id"] for one in found}) == len(found)
        assert app.rows("_summit_changes") == []

    run(broker, body)


def test_a_row_that_no_record_can_hold_is_a_dead_letter(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("large")) as collector:
            app.run("INSERT INTO t VALUES (1, 'a'), (2, ?), (3, 'c')", ("x" * 2_000_000,))
            await accepted(collector, 2)
            status = collector.status()
            assert (status.dead_letters, status.details["reconnects"]) == (1, 0)
        assert {
            one["after"]["id"] for one in await events(producer.addresses, "large.changes")
        } == {1, 3}
        (letter,) = await letters(producer.addresses, "large.changes")
        assert letter["error"]["code"] == "record.too_large"
        told = {name: base64.b64decode(text) for name, text in letter["originalHeaders"]}
        assert told["cdc.key"] == b'["t",2]'

    run(broker, body)


def test_columns_that_come_and_tables_that_go(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    app.run("CREATE TABLE old (id INTEGER PRIMARY KEY)")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("shapes")) as collector:
            await until(lambda: collector.status().details["phase"] == "stream", collector)
            app.run("ALTER TABLE t ADD COLUMN z DEFAULT 5")
            app.run("INSERT INTO t VALUES (1, 'a', 'early')")  # perhaps before the new triggers
            app.run("CREATE TABLE more (x)")
            app.run("INSERT INTO more VALUES ('early')")
            app.run("DROP TABLE old")
            await told(producer, "shapes.changes", lambda one: one["source"]["table"] == "old")
            app.run("ALTER TABLE t RENAME COLUMN a TO b")
            await told(
                producer,
                "shapes.changes",
                lambda one: one["op_type"] == "s" and "'b'" in str(one["after"]),
            )
            app.run("INSERT INTO t VALUES (2, 'b', 'late')")
            app.run("INSERT INTO more VALUES ('late')")
            with pytest.raises(sqlite3.OperationalError, match="trigger"):
                app.run("ALTER TABLE t DROP COLUMN z")
            await told(producer, "shapes.changes", lambda one: "late" in str(one["after"]))
            found = await told(
                producer, "shapes.changes", lambda one: one["after"] == {"x": "late"}
            )
        rows = folded([one for one in found if one["source"]["table"] == "t"])
        assert sorted(rows.values(), key=lambda row: row["id"]) == [
            {"id": 1, "a": "a", "z": "early"}, {"id": 2, "b": "b", "z": "late"}
        ]  # fmt: skip
        more = [one["after"] for one in found if one["source"]["table"] == "more"]
        assert [one["x"] for one in more if "columns" not in one] == ["early", "late"]
        shapes = [(one["source"]["table"], one["after"]) for one in found if one["op_type"] == "s"]
        assert ("old", None) in shapes
        assert ["id", "b", "z"] in [
            [column["name"] for column in after["columns"]] for _, after in shapes if after
        ]
        versions = {one["schema_version"] for one in found if one["source"]["table"] == "t"}
        assert len(versions) in (2, 3)

    run(broker, body)


def test_a_poison_row_is_a_dead_letter_and_the_next_is_read(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    app.run("INSERT INTO t VALUES (1, CAST(x'FF' AS TEXT)), (2, 'good')")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("poison")) as collector:
            await accepted(collector, 1)
            app.run("INSERT INTO t VALUES (3, CAST(x'C328' AS TEXT))")
            app.run("INSERT INTO t VALUES (4, 'good')")
            await accepted(collector, 2)
            status = collector.status()
            assert (status.rejected, status.dead_letters) == (2, 2)
            assert "text" in str(status.last_error)
        found = await letters(producer.addresses, "poison.changes")
        assert [one["error"]["code"] for one in found] == ["database.row"] * 2
        found.sort(key=lambda one: bytes(one["raw"]))
        assert b"\xff" in found[0]["raw"]
        assert b"\xc3\x28" in found[1]["raw"]

    run(broker, body)


def test_keys_tombstones_and_columns_left_out(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, secret TEXT)")
    app.run("CREATE TABLE nokey (x)")
    block = {"tombstones": True, "excludeColumns": ["t.secret"], "exclude": ["skip*"]}

    async def body(producer: StreamProducer) -> None:
        app.run("CREATE TABLE skipped (id INTEGER PRIMARY KEY)")
        async with collecting(producer, app.config("keys", block)) as collector:
            app.run("INSERT INTO t VALUES (1, 'hidden')")
            app.run("UPDATE t SET id = 2")
            app.run("DELETE FROM t")
            app.run("INSERT INTO nokey VALUES (1)")
            app.run("INSERT INTO skipped VALUES (1)")
            await accepted(collector, 4)
        records = await read_topic(producer.addresses, "keys.changes")
        assert not any(b"hidden" in (one.value or b"") for one in records)
        gone = [json.loads(one.key) for one in records if one.value is None]
        assert sorted(gone) == [["t", 1], ["t", 2]]
        assert {json.loads(one.key)[0] for one in records} == {"t", "nokey"}

    run(broker, body)


def test_what_is_refused(broker: BrokerThread, app: App, tmp_path: Path) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")

    async def refusal(producer: StreamProducer, config: Any) -> Any:
        collector = make_collector(config)
        with pytest.raises((Invalid, Unavailable)) as caught:
            async with asyncio.timeout(60):
                await collector.start(producer)
        assert collector.state == "failed"
        return caught.value

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("first")) as collector:
            await until(lambda: collector.status().details["phase"] == "stream", collector)
        error = await refusal(producer, app.config("second"))
        assert error.code == "database.unfit"
        assert "'first'" in str(error)
        other = {"sqlite": {"changesTable": "_summit_second"}}
        async with collecting(producer, app.config("second", other)) as collector:
            await until(lambda: collector.status().details["phase"] == "stream", collector)
        missing = app.config("third", {"url": f"sqlite:///{tmp_path}/none.db"})
        assert (await refusal(producer, missing)).code == "database.unreachable"
        (tmp_path / "text.db").write_bytes(b"no database " * 999)
        text = app.config("third", {"url": f"sqlite:///{tmp_path}/text.db"})
        assert (await refusal(producer, text)).code == "database.unfit"

    run(broker, body)
    for bad in ({"changesTable": "changes"}, {"pollIntervalMs": 0}):
        with pytest.raises(Invalid):
            make_collector(app.config("bad", {"sqlite": bad}))


def test_removed_triggers_and_an_older_file_are_told(broker: BrokerThread, app: App) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    config = app.config("places")

    async def lost(producer: StreamProducer, config: Any) -> str:
        collector = make_collector(config)
        with pytest.raises(Invalid) as caught:
            await collector.start(producer)
        assert caught.value.code == "database.position_lost"
        return str(caught.value)

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, config) as collector:
            await until(lambda: collector.status().details["phase"] == "stream", collector)
            backup = sqlite3.connect(app.path.with_name("backup.db"))
            app.db.backup(backup)
            app.run("INSERT INTO t VALUES (1)")
            await accepted(collector, 1)
        older = app.config("places", {"url": f"sqlite:///{app.path.with_name('backup.db')}"})
        assert "older state" in await lost(producer, older)
        backup.close()
        # Somebody drops the triggers: the table is read anew, so that nothing is missing.
        named = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in app.run(named).fetchall():
            app.run(f"DROP TRIGGER {name}")
        app.run("INSERT INTO t VALUES (2)")
        async with collecting(producer, config) as collector:
            await accepted(collector, 3)
        assert len(folded(await events(producer.addresses, "places.changes"))) == 2
        remove = app.config("places", {"sqlite": {"remove": True}})
        async with collecting(producer, remove) as collector:
            await until(lambda: collector.state == "completed")
        left = app.run("SELECT name FROM sqlite_master WHERE name LIKE '%summit%'").fetchall()
        assert left == []
        assert "removed" in await lost(producer, config)
        async with Admin(admin_config(producer.addresses)) as admin:
            await admin.delete_topic("_summit.database.places")
        async with collecting(producer, config) as collector:
            await accepted(collector, 2)

    run(broker, body)


@pytest.mark.parametrize("mode", ["never", "initialOnly"])
def test_other_snapshots(broker: BrokerThread, app: App, mode: str) -> None:
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    app.run("INSERT INTO t VALUES (1), (2)")
    config = app.config(mode, {"snapshot": mode})

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, config) as collector:
            if mode == "never":
                app.run("INSERT INTO t VALUES (3)")
                await accepted(collector, 1)
            else:
                await until(lambda: collector.state == "completed")
        async with collecting(producer, config) as collector:
            if mode == "initialOnly":
                await until(lambda: collector.state == "completed")
        found = [one["after"]["id"] for one in await events(producer.addresses, f"{mode}.changes")]
        assert sorted(found) == ([3] if mode == "never" else [1, 2])
        triggers = app.run("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()
        assert triggers == ((3,) if mode == "never" else (0,))

    run(broker, body)


@pytest.mark.parametrize("app", [True, False], ids=["wal", "rollback"], indirect=True)
def test_no_gap_and_no_double_whatever_is_stopped(
    broker: BrokerThread, app: App, request: pytest.FixtureRequest
) -> None:
    """A writer at work while the collector is broken off again and again, from its first row on.

    Held to the database itself: the changes of each row, put together, are its history.
    """
    name = f"torn-{request.node.callspec.id}"
    rand = random.Random(7)
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT, old INT)")
    app.run("BEGIN")
    for n in range(400):
        app.run("INSERT INTO t VALUES (?, 0, 0)", (n * 2,))
    app.run("COMMIT")
    config = app.config(name, {"snapshotChunkRows": 25}, batchSize=20, flushInterval=1)

    def write(count: int) -> None:
        for _ in range(count):
            n = rand.randrange(900)
            choice = rand.random()
            if choice < 0.4:
                app.run("INSERT OR IGNORE INTO t VALUES (?, 0, 0)", (n,))
            elif choice < 0.8:
                app.run("UPDATE t SET v = v + 1, old = v WHERE id = ?", (n,))
            elif choice < 0.9:
                app.run("UPDATE OR IGNORE t SET id = ? WHERE id = ?", (rand.randrange(900), n))
            else:
                app.run("DELETE FROM t WHERE id = ?", (n,))

    async def body(producer: StreamProducer) -> None:
        await break_off(producer, config, 12, lambda: write(5))
        app.run("INSERT INTO t VALUES (1000000, 0, 0)")
        async with collecting(producer, config):
            found = await told(
                producer, f"{name}.changes", lambda one: (one["after"] or {}).get("id") == 1_000_000
            )
        wanted = {json.dumps({"id": row[0]}): row for row in app.rows("t")}
        assert len({one["evidence_id"] for one in found}) == len(found)
        check_history(found)
        rows = {key: tuple(row.values()) for (_, key), row in folded(found).items()}
        assert rows == wanted

    run(broker, body)


def check_history(found: list[dict[str, Any]]) -> None:
    """Each row's changes follow from one another: none is missing, none is doubled."""
    state: dict[Any, Any] = {}
    for event in found:
        before, after = event["before"], event["after"]
        if event["op_type"] == "r":
            assert after["id"] not in state, "a row of the snapshot that was told already"
        elif before is not None:
            assert state.pop(before["id"]) == before
        else:
            assert after["id"] not in state
        if after is not None:
            state[after["id"]] = after


def test_the_broker_goes_and_comes_back(tmp_path: Path, app: App) -> None:
    broker = make_broker(tmp_path)
    port = broker.port
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")

    async def body(producer: StreamProducer) -> None:
        nonlocal broker
        async with collecting(producer, app.config("away")) as collector:
            app.run("INSERT INTO t VALUES (1)")
            await accepted(collector, 1)
            await asyncio.to_thread(broker.stop)
            app.run("INSERT INTO t VALUES (2)")
            changes = "SELECT count(*) FROM _summit_changes"
            assert app.run(changes).fetchone()[0] >= 1
            broker = await asyncio.to_thread(make_broker, tmp_path, port)
            await accepted(collector, 2)
        found = [one["after"]["id"] for one in await events(producer.addresses, "away.changes")]
        assert sorted(found) == [1, 2]

    run(broker, body)
    broker.stop()


def test_wide_tables_and_odd_names(broker: BrokerThread, app: App) -> None:
    columns = ", ".join(f'"c {n}""x"' for n in range(250))
    app.run(f'CREATE TABLE "odd ""name" ({columns})')
    app.run("CREATE TABLE rowid_taken (rowid TEXT, _rowid_ TEXT, oid TEXT)")
    app.run("CREATE VIEW seen AS SELECT 1")

    async def body(producer: StreamProducer) -> None:
        async with collecting(producer, app.config("wide")) as collector:
            app.run(
                f'INSERT INTO "odd ""name" VALUES ({", ".join("?" * 250)})',
                [n if n % 3 else bytes([n]) for n in range(250)],
            )
            app.run("INSERT INTO rowid_taken VALUES ('a', 'b', 'c')")
            await accepted(collector, 2)
        wide, taken = sorted(
            await events(producer.addresses, "wide.changes"), key=lambda one: int(one["commit_lsn"])
        )
        assert wide["after"]['c 249"x'] == base64.b64encode(b"\xf9").decode()
        assert wide["after"]['c 248"x'] == 248
        assert len(wide["after"]) == 250
        assert taken["after"] == {"rowid": "a", "_rowid_": "b", "oid": "c"}

    run(broker, body)
