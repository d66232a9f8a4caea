"""PostgreSQL against a real server: keys, rows of every kind, waits, and what is kept."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from tests.ingest.database.pg_scene import Scene, until

from summit.client.producer import StreamProducer
from summit.ingest import Collector
from summit.ingest.database.positions import (
    KEY,
    encode_position,
    load_position,
    positions_topic,
)
from summit.ingest.database.postgresql.pgoutput import lsn_number

pytestmark = pytest.mark.timeout(180)


def test_an_open_transaction_holds_up_nothing_but_the_snapshot(scene: Scene) -> None:
    """The slot, then the snapshot, wait for it; the start and the end of the collector do not."""
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")
    slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
    open_ones = [scene.server.connect(scene.name) for _ in range(2)]
    for number, connection in enumerate(open_ones):
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO one VALUES (%s)", (number + 10,))
    pids = [one.info.backend_pid for one in open_ones]

    async def waiting(collector: Collector) -> None:
        await until(lambda: bool(collector.status().details["waitsFor"]))
        details = collector.status().details
        assert details["phase"] == "waiting"
        assert any(str(pid) in details["waitsFor"][0] for pid in pids)
        assert "pg_terminate_backend" in details["warnings"][0]

    scene.run(waiting)  # and it ends, though they have not
    assert scene.sql(slots) == [(0,)]

    async def until_there(collector: Collector) -> None:
        await waiting(collector)
        for connection in open_ones:
            await asyncio.to_thread(connection.commit)
        await until(lambda: collector.status().accepted == 3)
        assert collector.status().details["waitsFor"] == []

    try:
        scene.run(until_there)
    finally:
        for connection in open_ones:
            connection.close()
    assert [one["after"]["id"] for one in scene.events()] == [1, 10, 11]


def test_keys_by_another_index_and_keys_that_change(scene: Scene) -> None:
    """Deletions tell only the identity's columns: so these are the key, whichever they are now."""
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, area text NOT NULL, code text NOT NULL)",
        "CREATE UNIQUE INDEX codes ON one (code, area)",
        "ALTER TABLE one REPLICA IDENTITY USING INDEX codes",
        "INSERT INTO one VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'b', 'z')",
        "CREATE TABLE two (id int PRIMARY KEY, code text NOT NULL)",
        "INSERT INTO two VALUES (1, 'x'), (2, 'y')",
    )
    scene.follow(
        11, "DELETE FROM one WHERE id = 1", "UPDATE one SET code = 'yy' WHERE id = 2",
        "ALTER TABLE two DROP CONSTRAINT two_pkey, ADD PRIMARY KEY (code, id)",
        "INSERT INTO two VALUES (3, 'z')", "DELETE FROM two WHERE id = 1",
        "UPDATE two SET code = 'w' WHERE id = 2",
        "ALTER TABLE two ADD COLUMN n int", "INSERT INTO two VALUES (4, 'v', 1)",
        block={"snapshotChunkRows": 2, "tombstones": True, "schemaChanges": False},
    )  # fmt: skip
    records = scene.records()
    keys = [one.key().decode() for one in records if one.value() is not None]
    assert keys[:3] == [
        '["public.one","x","a"]',
        '["public.one","y","b"]',
        '["public.one","z","b"]',
    ]
    assert keys[5:] == [
        '["public.one","x","a"]', '["public.one","yy","b"]', '["public.two","z",3]',
        '["public.two","x",1]', '["public.two","w",2]', '["public.two","v",4]',
    ]  # fmt: skip
    gone = [one.key().decode() for one in records if one.value() is None]
    assert gone == [
        '["public.one","x","a"]', '["public.one","y","b"]', '["public.two","x",1]',
        '["public.two","y",2]',
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["text", "int"])
def test_a_key_that_changes_between_two_halves_of_a_snapshot(scene: Scene, key: str) -> None:
    """The place within the rows means nothing any more: the table is read anew, as a whole."""
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, code text NOT NULL UNIQUE)",
        "INSERT INTO one SELECT i, 'k' || (100 - i) FROM generate_series(1, 60) i",
    )
    block = {"snapshotChunkRows": 5, "queueChanges": 1}

    async def half(collector: Collector) -> None:
        await until(lambda: collector.status().accepted >= 5)

    scene.run(half, block=block, rateLimit=20, rateBurst=20)
    before = len(scene.events())
    assert 5 <= before < 60
    other = "(code)" if key == "text" else "(id, code)"
    scene.sql(
        f"ALTER TABLE one DROP CONSTRAINT one_pkey, ADD PRIMARY KEY {other}",
        "UPDATE one SET code = 'new' WHERE id = 2", "DELETE FROM one WHERE id = 1",
    )  # fmt: skip

    async def rest(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (99, 'last')")
        await until(lambda: any(one["after"] == {"id": 99, "code": "last"} for one in here()))

    def here() -> list[dict[str, Any]]:
        return scene.events()

    collector = scene.run(rest, block=block)
    assert collector.status().last_error is None
    rows = [one["after"]["id"] for one in here()[before:] if one["op_type"] == "r"]
    assert sorted(rows) == list(range(2, 61))


def test_rows_that_no_json_can_hold_and_hidden_columns(scene: Scene) -> None:
    deep = "('" + "[" * 1500 + "]" * 1500 + "')::json"
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, j json, secret text)",
        f"INSERT INTO one VALUES (1, {deep}, 'hush'), (2, '1', 'hush'), (3, '1e400', 'hush')",
    )

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        await asyncio.to_thread(
            scene.sql, f"INSERT INTO one VALUES (4, {deep}, 'hush'), (5, '2', 'hush')",
            f"UPDATE one SET j = {deep} WHERE id = 5",
        )  # fmt: skip
        await until(lambda: collector.status().dead_letters == 4)
        assert collector.status().accepted == 2

    scene.run(body, block={"excludeColumns": ["public.one.secret"]})
    assert [one["after"]["id"] for one in scene.events()] == [2, 5]
    for letter in scene.records(f"{scene.name}.dlq"):
        document = json.loads(letter.value())
        assert document["error"]["code"] == "database.row"
        original = base64.b64decode(document["originalValue"])
        assert json.loads(original)["id"] in ("1", "3", "4", "5")
        assert b"hush" not in letter.value()
        assert b"hush" not in original


def test_keys_of_any_encoding(scene: Scene) -> None:
    """Their rows are dead letters; the snapshot goes on behind them, also after a break."""
    name = f"{scene.name}keys"
    scene.sql(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    raw = Scene.__new__(Scene)
    raw.server, raw.name, raw.address = scene.server, name, scene.address
    raw.url = scene.server.url.replace("/shop", f"/{name}")
    raw.sql(
        "CREATE TABLE one (id text PRIMARY KEY)",
        "INSERT INTO one SELECT 'k' || convert_from(set_byte('\\x00', 0, i), 'SQL_ASCII') "
        "FROM generate_series(128, 160) i",
        "INSERT INTO one VALUES ('a'), ('z')",
    )
    block = {"snapshotChunkRows": 4, "queueChanges": 1}

    async def half(collector: Collector) -> None:
        await until(lambda: collector.status().dead_letters >= 5)

    raw.run(half, block=block, rateLimit=20, rateBurst=20)

    async def rest(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        await asyncio.to_thread(raw.sql, "INSERT INTO one VALUES ('last')")
        await until(lambda: raw.events()[-1]["after"] == {"id": "last"})

    raw.run(rest, block=block)
    assert [one["after"]["id"] for one in raw.events()] == ["a", "z", "last"]
    assert len(raw.records(f"{name}.dlq")) == 33
    raw.sql(f"SELECT pg_drop_replication_slot('summit_{name}')")


def test_bytes_that_mean_nothing_in_the_encoding(scene: Scene) -> None:
    """Of WIN1252, where five bytes have no meaning: in keys, values and names; also in the log."""
    name = f"{scene.name}win"
    scene.sql(f"CREATE DATABASE {name} ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0")
    win = Scene.__new__(Scene)
    win.server, win.name, win.address = scene.server, name, scene.address
    win.url = scene.server.url.replace("/shop", f"/{name}")
    win.sql(
        'CREATE TABLE "größe" (id text PRIMARY KEY, "süß" text)',
        "INSERT INTO \"größe\" SELECT 'k€' || chr(i), 'a€é' FROM generate_series(128, 160) i",
        "INSERT INTO \"größe\" VALUES ('l', chr(129)), ('m''\\', 'é'), ('z', NULL)",
    )
    block = {"snapshotChunkRows": 4, "queueChanges": 1}

    async def half(collector: Collector) -> None:
        await until(lambda: collector.status().accepted >= 5)

    win.run(half, block=block, rateLimit=20, rateBurst=20)

    async def rest(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        for statement in (
            "INSERT INTO \"größe\" VALUES ('ž', 'œ'), ('bad', chr(141))",
            "UPDATE \"größe\" SET \"süß\" = 'ß' WHERE id = 'k€' || chr(129)",
            "INSERT INTO \"größe\" VALUES ('last', 'Ÿ')",
        ):
            await asyncio.to_thread(win.sql, statement)
        await until(lambda: win.events()[-1]["after"]["id"] == "last")

    win.run(rest, block=block)
    undefined = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
    expected = {
        "k€" + bytes([code]).decode("cp1252"): "a€é"
        for code in range(128, 161)
        if code not in undefined
    }
    expected |= {"m'\\": "é", "z": None, "ž": "œ", "last": "Ÿ"}
    events = win.events()
    assert {one["after"]["id"]: one["after"]["süß"] for one in events} == expected
    assert len(events) == len(expected)
    assert {one["source"]["table"] for one in events} <= {"größe", "public.größe"}
    assert len(win.records(f"{name}.dlq")) == 5 + 1 + 2
    win.sql(f"SELECT pg_drop_replication_slot('summit_{name}')")


def test_the_slot_of_an_earlier_version_is_kept(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")
    name, slot = f"{scene.name}-Up", f"summit_{scene.name}_up"
    topic = {"name": name, "block": {"postgresql": {"slot": slot}}}
    scene.follow(1, **topic)
    # As an early version left it: the slot by its old default name, a position that names none.
    position = asyncio.run(_without_slot(scene.address, name))
    assert position["slot"] == slot
    scene.follow(1, "INSERT INTO one VALUES (2)", name=name)
    assert [one["after"]["id"] for one in scene.events()] == [1, 2]
    slots = scene.sql(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    )
    assert slots == [(slot,)]


async def _without_slot(address: str, name: str) -> dict[str, Any]:
    """Write a collector's position once more, without its slot; the position as it was."""
    topic = positions_topic(name)
    stored = await load_position([address], topic)
    assert stored is not None
    assert stored.position is not None
    left = {key: value for key, value in stored.position.items() if key != "slot"}
    async with StreamProducer({"bootstrapServers": address}) as producer:
        value = encode_position(stored.owner, left)
        await producer.send({"topic": topic, "key": KEY, "value": value, "partition": 0})
    return stored.position


def test_large_rows_come_in_small_pieces(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, big text)",
        "CREATE TABLE two (big text)", "ALTER TABLE two REPLICA IDENTITY FULL",
        "INSERT INTO one SELECT i, repeat('x', 96000) FROM generate_series(1, 100) i",
        "INSERT INTO two SELECT repeat('x', 96000) FROM generate_series(1, 50) i",
    )  # fmt: skip
    sizes: list[int] = []

    async def body(collector: Collector) -> None:
        source: Any = collector._source  # type: ignore[attr-defined]
        read = source.read

        async def noting() -> Any:
            batch = await read()
            sizes.append(0 if batch is None else len(batch.changes))
            return batch

        source.read = noting
        await until(lambda: collector.status().accepted == 150)

    scene.run(body)
    assert sum(sizes) >= 100  # the first may have been read before
    assert max(sizes) <= (1 << 20) // 96_000


def test_what_keep_bytes_keeps_stays_kept_after_a_restart(scene: Scene) -> None:
    """Also while nothing comes for the collector, and the server asks whether it is there."""
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "CREATE TABLE other (id int)")
    confirmed = (
        "SELECT (pg_current_wal_lsn() - confirmed_flush_lsn)::int8 FROM pg_replication_slots "
        "WHERE database = current_database()"
    )
    block = {
        "tables": ["public.one"], "heartbeatIntervalMs": 50,
        "postgresql": {"keepBytes": 4_000_000},
    }  # fmt: skip

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        for _ in range(3):
            statement = "INSERT INTO other SELECT generate_series(1, 40000)"
            await asyncio.to_thread(scene.sql, statement)
            end = lsn_number((await asyncio.to_thread(scene.sql, _NOW))[0][0])
            await until(lambda end=end: lsn_number(collector.status().details["lsn"]) >= end)

    scene.run(body, block=block)

    async def idle(collector: Collector) -> None:
        before = 0.0
        for _ in range(3):  # each time the server was told something
            await until(lambda: collector.status().details.get("lagBytes") is not None)
            before = collector.status().details["lagBytes"]
            await asyncio.sleep(1.2)
        assert before >= 3_900_000

    scene.run(idle, block=block)
    assert scene.sql(confirmed)[0][0] >= 3_900_000


_NOW = "SELECT pg_current_wal_lsn()::text"
