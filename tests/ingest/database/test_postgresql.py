"""PostgreSQL against a real server: the snapshot, every kind of change, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json

import psycopg2
import pytest
from tests.ingest.database.pg_scene import Scene, until
from tests.ingest.database.replica import Replica, as_rows, events_of

from summit.base.errors import Conflict, Invalid, SummitError
from summit.client.producer import StreamProducer
from summit.ingest import Collector
from summit.ingest.database.postgresql.pgoutput import lsn_number
from summit.ingest.database.postgresql.settings import default_slot

pytestmark = pytest.mark.timeout(180)


def test_snapshot_then_every_kind_of_change(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, name text)",
        "INSERT INTO one SELECT i, 'n' || i FROM generate_series(1, 25) i",
    )
    collector = scene.follow(
        25 + 8,
        "INSERT INTO one VALUES (100, 'a'), (101, 'b')",
        "UPDATE one SET name = 'c' WHERE id = 100",
        "UPDATE one SET id = 200 WHERE id = 101",
        "DELETE FROM one WHERE id = 1",
        "TRUNCATE one",
        "BEGIN; INSERT INTO one VALUES (7, 'x'); ROLLBACK; INSERT INTO one VALUES (8, '8')",
        "INSERT INTO one VALUES (9, NULL)",
        block={"snapshotChunkRows": 10},
    )
    events = scene.events()
    assert [one["op_type"] for one in events[25:]] == list("ccuudtcc")
    first = events[0]
    assert (first["eventType"], first["source_id"]) == (
        "database.snapshot",
        f"postgresql:{scene.name}",
    )
    assert first["after"] == {"id": 1, "name": "n1"}
    assert first["source"]["table"] == "public.one"
    changed, moved, deleted = events[27], events[28], events[29]
    assert (changed["before"], changed["after"]) == (None, {"id": 100, "name": "c"})
    assert (moved["before"], moved["after"]) == ({"id": 101}, {"id": 200, "name": "b"})
    assert (deleted["before"], deleted["after"]) == ({"id": 1}, None)
    assert events[25]["source"]["tx"] == events[26]["source"]["tx"] != changed["source"]["tx"]
    assert [one["source"]["sequence"] for one in events[25:28]] == [0, 1, 0]
    replica = Replica.of(scene.records())
    assert replica.rows("public.one") == as_rows(["id", "name"], scene.sql("SELECT * FROM one"))
    assert {one.key() for one in scene.records()} >= {b'["public.one",1]', b'["public.one",200]'}
    details = collector.status().details
    assert details["snapshot"]["tablesDone"] == 1
    assert details["warnings"] == []


def test_goes_on_where_it_was(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")
    scene.follow(2, "INSERT INTO one VALUES (2)")
    scene.sql("INSERT INTO one VALUES (3), (4)", "DELETE FROM one WHERE id = 1")
    scene.follow(3)
    # A table that is new is read when the collector starts, and then followed.
    scene.sql("CREATE TABLE two (id int PRIMARY KEY)", "INSERT INTO two VALUES (1), (2)")
    scene.follow(4, "INSERT INTO two VALUES (3)", "DELETE FROM one WHERE id = 2")
    replica = Replica.of(scene.records())
    assert replica.rows("public.one") == [{"id": 3}, {"id": 4}]
    assert replica.rows("public.two") == [{"id": 1}, {"id": 2}, {"id": 3}]
    ((confirmed, last),) = scene.sql(
        "SELECT confirmed_flush_lsn >= restart_lsn, pg_current_wal_lsn() - confirmed_flush_lsn "
        "FROM pg_replication_slots WHERE database = current_database()"
    )
    assert confirmed
    assert last < 100_000


def test_values(scene: Scene) -> None:
    scene.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN small AS int CHECK (VALUE < 100)",
        "CREATE TABLE one (id bigint PRIMARY KEY, n numeric, f float8, b bool, t text, x bytea, "
        "j jsonb, u uuid, tz timestamptz, ts timestamp, d date, a int[], aa text[][], m mood, "
        "ms mood[], s small, i interval, r int4range, z text)",
    )
    row = (
        "9007199254740993, 12345678901234567890.123, 'NaN', true, "
        "E'tab\\tback\\\\slash\\nline\\\\N', '\\x00ff', "
        "'{\"k\": [1, null, \"ü\"]}', '0b2c1a9e-7f5d-4a53-8f2a-3f7a4c1d2e3f', "
        "'2026-01-31 12:00:00.5+02', '2026-01-31 12:00:00', '2026-01-31', '{1,NULL,3}', "
        'E\'{{"a,b","q\\\\"q"},{"",NULL}}\', \'ok\', \'{sad,ok}\', '
        "7, '1 day 2 hours', '[1,5)', NULL"
    )
    expected = {
        "id": 9007199254740993, "n": "12345678901234567890.123", "f": "NaN", "b": True,
        "t": "tab\tback\\slash\nline\\N", "x": "AP8=", "j": {"k": [1, None, "ü"]},
        "u": "0b2c1a9e-7f5d-4a53-8f2a-3f7a4c1d2e3f", "tz": "2026-01-31T10:00:00.5Z",
        "ts": "2026-01-31T12:00:00", "d": "2026-01-31", "a": [1, None, 3],
        "aa": [["a,b", 'q"q'], ["", None]], "m": "ok", "ms": ["sad", "ok"], "s": 7,
        "i": "P1DT2H", "r": "[1,5)", "z": None,
    }  # fmt: skip
    scene.sql(f"INSERT INTO one VALUES ({row})")
    scene.follow(2, f"INSERT INTO one VALUES (1, {row.partition(', ')[2]})")
    read, streamed = (one["after"] for one in scene.events())
    assert read == expected
    assert streamed == {**expected, "id": 1}  # the snapshot and the stream spell values alike


def test_unchanged_toast_is_marked(scene: Scene) -> None:
    big = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) i)"
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, big text, n int)",
        f"INSERT INTO one VALUES (1, {big}, 1)",
        "CREATE TABLE whole (id int PRIMARY KEY, big text, n int)",
        "ALTER TABLE whole REPLICA IDENTITY FULL",
        f"INSERT INTO whole VALUES (1, {big}, 1)",
    )
    scene.follow(4, "UPDATE one SET n = 2", "UPDATE whole SET n = 2")
    one, whole = scene.events()[2:]
    assert (one["after"], one["source"]["unavailable"]) == ({"id": 1, "n": 2}, ["big"])
    assert one["before"] is None
    assert "unavailable" not in whole["source"]  # with the full identity it is in the old row
    assert len(whole["after"]["big"]) == 400 * 32
    assert whole["before"]["n"] == 1
    columns = ["id", "big", "n"]
    replica = Replica.of(scene.records())
    assert replica.rows("public.one") == as_rows(columns, scene.sql("SELECT * FROM one"))


def test_tables_without_a_key(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE one (v text)", "INSERT INTO one SELECT i FROM generate_series(1, 700) i"
    )
    with pytest.raises(Invalid, match="REPLICA IDENTITY FULL") as refused:
        scene.follow(0)
    assert refused.value.code == "database.unfit"
    scene.sql("UPDATE one SET v = v")  # nothing was published that would now refuse this
    scene.sql("ALTER TABLE one REPLICA IDENTITY FULL")
    scene.follow(
        702, "UPDATE one SET v = 'x' WHERE v = '7'", "DELETE FROM one WHERE v = '8'",
        block={"snapshotChunkRows": 60},
    )  # fmt: skip
    records = scene.records()
    assert {one.key() for one in records} == {b'["public.one"]'}
    events = events_of(records)
    assert sorted(int(one["after"]["v"]) for one in events[:700]) == list(range(1, 701))
    assert [(one["op_type"], one["before"]) for one in events[700:]] == [
        ("u", {"v": "7"}), ("d", {"v": "8"}),
    ]  # fmt: skip


def test_keys_that_are_no_identity_are_refused(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE gone (id int PRIMARY KEY, k int NOT NULL UNIQUE)",
        "ALTER TABLE gone REPLICA IDENTITY USING INDEX gone_k_key",
        "ALTER TABLE gone DROP CONSTRAINT gone_k_key",
        "INSERT INTO late VALUES (1)",
        "INSERT INTO gone VALUES (1, 1)",
    )
    for table in ("late", "gone"):
        with pytest.raises(Invalid, match=f"public.{table} has neither"):
            scene.follow(0, block={"tables": [f"public.{table}"]})
        scene.sql(f"UPDATE {table} SET id = 2")  # which a publication would refuse


def test_columns_that_a_key_only_includes_are_not_of_it(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE one (id int, v text, PRIMARY KEY (id) INCLUDE (v))",
        "INSERT INTO one VALUES (1, NULL), (2, NULL)",
    )
    scene.follow(3, "UPDATE one SET v = 'x' WHERE id = 1", block={"snapshotChunkRows": 1})
    assert [one["source"]["key"] for one in scene.events()] == [{"id": 1}, {"id": 2}, {"id": 1}]


def test_rows_that_security_hides_are_an_error(scene: Scene) -> None:
    role = f"{scene.name}_reader"
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1), (5)",
        "ALTER TABLE one ENABLE ROW LEVEL SECURITY", "CREATE POLICY few ON one USING (id < 3)",
        f"CREATE ROLE {role} LOGIN REPLICATION", f"GRANT SELECT ON one TO {role}",
        f"CREATE PUBLICATION summit_{scene.name} FOR TABLE one",
    )  # fmt: skip

    async def body(collector: Collector) -> None:
        await until(lambda: collector.state == "failed")
        assert "row-level security" in (collector.status().last_error or "")

    scene.run(body, block={"url": scene.url.replace("cdc@", f"{role}@")})
    assert scene.events() == []


def test_names_have_slots_of_their_own() -> None:
    names = ["shop_eu", "shop.eu", "shop-eu", "Shop_EU", "s" * 60, "s" * 61]
    slots = {default_slot(one) for one in names}
    assert len(slots) == len(names)
    assert default_slot("shop_eu") == "summit_shop_eu"
    assert max(map(len, slots)) <= 63


def test_columns_that_change_are_events(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY, a text)", "INSERT INTO one VALUES (1, 'a')")
    block = {"schemaTopic": f"{scene.name}.schema"}
    scene.follow(
        4, "ALTER TABLE one ADD COLUMN n numeric(8, 2)", "INSERT INTO one VALUES (2, 'b', 1.50)",
        "INSERT INTO one VALUES (3)", block=block,
    )  # fmt: skip
    scene.follow(1, "INSERT INTO one VALUES (4)", block=block)  # told once, also after a restart
    (schema,) = events_of(scene.records(f"{scene.name}.schema"))
    rows = scene.events()
    assert (schema["eventType"], schema["op_type"]) == ("database.schema", "s")
    assert [one["type"] for one in schema["after"]["columns"]] == [
        "integer",
        "text",
        "numeric(8,2)",
    ]
    assert schema["source"]["earlier"] == rows[0]["schema_version"]
    assert {one["schema_version"] for one in rows[1:]} == {schema["schema_version"]}
    assert rows[1]["after"] == {"id": 2, "a": "b", "n": "1.50"}


def test_tombstones_hidden_columns_and_choice_of_tables(scene: Scene) -> None:
    scene.sql(
        "CREATE TABLE one (id int PRIMARY KEY, secret text)",
        "CREATE TABLE other (id int PRIMARY KEY)",
        "INSERT INTO one VALUES (1, 's')", "INSERT INTO other VALUES (1)",
    )  # fmt: skip
    scene.follow(
        3, "INSERT INTO other VALUES (2)", "UPDATE one SET id = 2", "DELETE FROM one",
        block={"tables": ["public.*"], "exclude": ["*.other"], "excludeColumns": ["*.secret"],
               "tombstones": True},
    )  # fmt: skip
    records = scene.records()
    assert [(one.key(), one.value() is None) for one in records] == [
        (b'["public.one",1]', False), (b'["public.one",2]', False), (b'["public.one",1]', True),
        (b'["public.one",2]', False), (b'["public.one",2]', True),
    ]  # fmt: skip
    assert "secret" not in b"".join(one.value() or b"" for one in records).decode()


def test_shaping_is_honoured(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY, n int)", "INSERT INTO one VALUES (1, 5)")

    async def body(collector: Collector) -> None:
        await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (2, NULL), (3, 6)")
        await until(lambda: collector.status().accepted == 2)
        assert collector.status().dead_letters == 1

    schema = {"properties": {"after": {"properties": {"n": {"type": "integer"}}}}}
    scene.run(body, eventSchema=schema, onInvalid="deadLetter", keyTemplate="k${after.id}")
    assert [one.key() for one in scene.records()] == [b"k1", b"k3"]
    (letter,) = scene.records(f"{scene.name}.dlq")
    assert json.loads(letter.value())["error"]["code"] == "ingest.schema_refused"


def test_only_the_rows(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1), (2)")

    async def body(collector: Collector) -> None:
        await until(lambda: collector.state == "completed")

    collector = scene.run(body, block={"snapshot": "initialOnly"})
    assert collector.status().accepted == 2
    assert scene.sql("SELECT * FROM pg_replication_slots WHERE database = current_database()") == []
    assert scene.sql("SELECT * FROM pg_publication") == []


def test_never_the_rows_and_seeking(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")
    keep = {"snapshot": "never", "postgresql": {"keepBytes": 1 << 30}}
    scene.follow(1, "INSERT INTO one VALUES (2)", block=keep)
    ((middle,),) = scene.sql("SELECT pg_current_wal_lsn()::text")
    scene.follow(2, "INSERT INTO one VALUES (3)", "INSERT INTO one VALUES (4)", block=keep)
    assert [one["after"]["id"] for one in scene.events()] == [2, 3, 4]
    seek = {"snapshot": "never", "postgresql": {"keepBytes": 1 << 30, "startLsn": middle}}
    scene.follow(2, block=seek)  # once more from there
    scene.follow(1, "INSERT INTO one VALUES (5)", block=seek)  # but not at every start
    events = scene.events()
    assert [one["after"]["id"] for one in events] == [2, 3, 4, 3, 4, 5]
    assert events[1]["evidence_id"] == events[3]["evidence_id"]
    with pytest.raises(Invalid) as refused:
        scene.follow(0, block={"snapshot": "never", "postgresql": {"startLsn": "0/1"}})
    assert refused.value.code == "database.position_lost"


def test_a_slot_that_is_gone(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")
    scene.follow(1)
    ((slot,),) = scene.sql(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    )
    scene.sql(f"SELECT pg_drop_replication_slot('{slot}')")
    with pytest.raises(SummitError) as refused:
        scene.follow(0)
    assert refused.value.code == "database.position_lost"
    assert f"delete the topic '_summit.database.{scene.name}'" in str(refused.value)


def test_a_slot_that_is_dropped_under_a_running_collector(scene: Scene) -> None:
    """Somebody ends its connection and is quicker: it fails, and says how to begin anew."""
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")

    def drop() -> None:
        scene.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                  "WHERE database = current_database() AND active")  # fmt: skip
        scene.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                  "WHERE database = current_database() AND NOT active")  # fmt: skip

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        while collector.state != "failed":
            # It may have come back before the slot was dropped.
            with contextlib.suppress(psycopg2.Error):
                await asyncio.to_thread(drop)
            await asyncio.sleep(0.05)
        told = str(collector.status().last_error)
        assert "its replication slot" in told
        assert f"delete the topic '_summit.database.{scene.name}'" in told

    scene.run(body)
    assert [one["after"]["id"] for one in scene.events()] == [1]


def test_what_is_refused(scene: Scene) -> None:
    with pytest.raises(Invalid) as refused:
        scene.follow(0)
    assert (refused.value.code, "no table" in str(refused.value)) == ("database.unfit", True)
    with pytest.raises(Invalid) as refused:
        scene.follow(0, block={"url": scene.url + "nowhere"})
    assert refused.value.code == "database.refused"
    with pytest.raises(SummitError) as away:
        scene.follow(0, block={"url": "postgresql://cdc@127.0.0.1:1/x"})
    assert away.value.code == "database.unreachable"


def test_pause_rate_and_two_of_one_name(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "INSERT INTO one VALUES (1)")

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().accepted == 1)
        await collector.pause()
        await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (2)")
        await asyncio.sleep(0.3)
        # What was being read when it was paused may still come, later changes may not.
        await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (3)")
        await asyncio.sleep(0.3)
        assert collector.status().accepted <= 2
        await collector.resume()
        await until(lambda: collector.status().accepted == 3)
        with pytest.raises(Conflict):
            await collector.start(StreamProducer({"bootstrapServers": scene.address}))
        async with StreamProducer({"bootstrapServers": scene.address}) as producer:
            second = scene.make()
            await second.start(producer)
            await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (4)")
            await until(lambda: collector.state == "failed")
            assert "another collector of the name" in (collector.status().last_error or "")
            await until(lambda: second.status().accepted == 1)
            await second.stop()

    scene.run(body)
    assert Replica.of(scene.records()).rows("public.one") == [{"id": n} for n in range(1, 5)]


def test_a_table_that_is_emptied_while_its_snapshot_is_broken_off(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)")
    scene.sql("INSERT INTO one SELECT generate_series(1, 20000)")
    small = {"batchSize": 50, "block": {"snapshotChunkRows": 50, "queueChanges": 1}}

    async def some(collector: Collector) -> None:
        await until(lambda: collector.status().accepted >= 100)

    assert scene.run(some, **small).status().accepted < 20_000
    scene.sql("TRUNCATE one", "INSERT INTO one VALUES (7), (30000)")

    async def rest(collector: Collector) -> None:
        rows = [{"id": 30_000}, {"id": 30_001}, {"id": 7}]  # as texts
        await until(lambda: collector.status().details["reconnects"] == 1)
        await asyncio.to_thread(scene.sql, "INSERT INTO one VALUES (30001)")
        while Replica.of(await asyncio.to_thread(scene.records)).rows("public.one") != rows:
            await asyncio.sleep(0.1)

    scene.run(rest)


def test_what_cannot_be_read_is_a_dead_letter(scene: Scene) -> None:
    name = f"{scene.name}raw"
    scene.sql(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    raw = Scene.__new__(Scene)
    raw.server, raw.name, raw.address = scene.server, name, scene.address
    raw.url = scene.server.url.replace("/shop", f"/{name}")
    bad = "convert_from('\\xff', 'SQL_ASCII')"
    raw.sql("CREATE TABLE one (id int PRIMARY KEY, t text)", f"INSERT INTO one VALUES (1, {bad})")

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        statement = f"INSERT INTO one VALUES (2, {bad}), (3, 'good')"
        await asyncio.to_thread(raw.sql, statement)
        await until(lambda: collector.status().accepted == 1)
        assert collector.status().dead_letters == 2
        assert "public.one.t" in (collector.status().last_error or "")

    raw.run(body)
    assert [one["after"]["id"] for one in raw.events()] == [3]
    letters = [json.loads(one.value()) for one in raw.records(f"{name}.dlq")]
    assert [one["error"]["code"] for one in letters] == ["database.row"] * 2
    originals = [base64.b64decode(one["originalValue"]) for one in letters]
    assert b"1\t\xff\n" in originals
    raw.sql(f"SELECT pg_drop_replication_slot('summit_{name}')")


def test_heartbeats_and_alarms(scene: Scene) -> None:
    scene.sql("CREATE TABLE one (id int PRIMARY KEY)", "CREATE TABLE other (id int)")

    async def body(collector: Collector) -> None:
        await until(lambda: collector.status().details["phase"] == "streaming")
        before = lsn_number(collector.status().details["confirmedLsn"])
        # What others write moves the place too, or the server would keep its log for ever.
        await asyncio.to_thread(
            scene.sql, "INSERT INTO other SELECT generate_series(1, 20000)", "SELECT 1"
        )
        lsn = lsn_number((await asyncio.to_thread(scene.sql, _NOW))[0][0])
        await until(lambda: lsn_number(collector.status().details["confirmedLsn"]) >= lsn)
        assert lsn - before > 1_000_000
        await until(lambda: len(collector.status().details["warnings"]) == 1)
        assert "lagAlarmBytes" in collector.status().details["warnings"][0]

    block = {"heartbeatIntervalMs": 50, "lagAlarmBytes": 1, "tables": ["public.one"]}
    scene.run(body, block=block)
    assert scene.events() == []


_NOW = "SELECT pg_current_wal_lsn()::text"
