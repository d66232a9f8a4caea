"""PostgreSQL against a real server: the snapshot, every kind of change, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.ingest.database.postgres import Postgres, running
from tests.ingest.database.replica import Replica, as_rows, committed, events_of

from summit.base.errors import Conflict, Invalid, SummitError
from summit.broker import BrokerSettings, BrokerThread
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.ingest import Collector, make_collector
from summit.ingest.database.postgresql.pgoutput import lsn_number
from summit.ingest.database.postgresql.settings import default_slot

pytestmark = pytest.mark.timeout(180)

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
