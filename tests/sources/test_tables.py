"""Tables of files, databases and topics: what is found, and what becomes of changes."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from summit.base.clock import ManualClock, SystemClock
from summit.base.errors import Invalid
from summit.broker import BrokerSettings, BrokerThread
from summit.client.producer import StreamProducer
from summit.client.types import ConsumerRecord
from summit.documents.enrichment import validate_enrichment
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.tables import find_rows
from summit.sources.source import Source
from summit.sources.sqlite import SqliteSource
from summit.sources.tables import FileSource
from summit.sources.topics import TopicSource

ROWS = [
    {"key": "10.0.0.0/8", "zone": "office"}, {"key": "10.1.0.0/16", "zone": "lab"},
    {"key": "example.org", "zone": "web"}, {"key": "7", "zone": "seven"},
]  # fmt: skip


def plan_of(**config: Any) -> TablePlan:
    document = {"id": "t", "eventType": "*", "enrichmentType": "lookup"}
    plan = validate_enrichment({**document, "config": {"keyField": "k", **config}}).plan.source
    assert isinstance(plan, TablePlan)
    return plan


async def zones(source: Source, *keys: Any) -> list[str | None]:
    return [None if each.row is None else each.row["zone"] for each in await source.find(keys)]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_a_file_is_read_again_when_it_changes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"

    def write(rows: list[dict[str, str]]) -> None:
        texts = {
            ".csv": "zone,key\n" + "".join(f"{row['zone']},{row['key']}\n" for row in rows),
            ".json": json.dumps(rows),
            ".jsonl": "".join(json.dumps(row) + "\n\n" for row in rows),
        }
        path.with_suffix(".new").write_text(texts[suffix])
        os.replace(path.with_suffix(".new"), path)

    async def run() -> None:
        clock = ManualClock()
        write(ROWS)
        source = FileSource(plan_of(file=str(path), keyColumn="key"), clock)
        assert await zones(source, "7", 7, "8", None) == ["seven", "seven", None, None]
        write([*ROWS, {"key": "8", "zone": "eight"}])
        assert await zones(source, "8") == [None]  # not looked at every time
        clock.advance(1_000)
        async with asyncio.timeout(10):
            while await zones(source, "8", "7") != ["eight", "seven"]:
                await asyncio.sleep(0.01)
        path.write_text("{" if suffix != ".csv" else 'key\n"a')
        clock.advance(1_000)
        for _ in range(5):
            assert await zones(source, "8", "7") == ["eight", "seven"]
            await asyncio.sleep(0.01)
        write([{"key": "9", "zone": "nine"}])
        clock.advance(1_000)
        async with asyncio.timeout(10):
            while await zones(source, "9", "7") != ["nine", None]:
                await asyncio.sleep(0.01)
        await source.close()

    asyncio.run(run())


def database(path: Path) -> str:
    with closing(sqlite3.connect(path)) as made, made:
        made.execute('CREATE TABLE "my rows" (zone TEXT, key TEXT PRIMARY KEY, n BLOB)')
        made.executemany(
            "INSERT INTO \"my rows\" VALUES (?, ?, x'61ff')",
            [(row["zone"], row["key"]) for row in ROWS],
        )
    return str(path)


@pytest.mark.parametrize(
    ("match", "keys", "expected"),
    [
        ("exact", ["7", 7, "x", "'; DROP TABLE t; --", None], ["seven", "seven", None, None, None]),
        ("domain", ["a.b.Example.org.", "example.com", 7], ["web", None, None]),
    ],
)
def test_a_database_is_asked_per_key(
    tmp_path: Path, match: str, keys: list[Any], expected: list[Any]
) -> None:
    path = database(tmp_path / "rows.db")
    plan = plan_of(sqlite=path, sqlTable="my rows", keyColumn="key", match=match)

    async def run() -> None:
        source = SqliteSource(plan, SystemClock())
        assert await zones(source, *keys) == expected
        (row,) = await source.find([keys[0]])
        assert row.row["n"] == "a\ufffd"
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE \"my rows\" SET zone = 'new'")
        assert (await zones(source, keys[0]))[0] == "new"
        assert (await zones(source, *(f"k{n}" for n in range(1_200)))) == [None] * 1_200
        await source.close()

    asyncio.run(run())


def test_networks_of_a_database(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE t (key TEXT, zone TEXT)")
        made.executemany("INSERT INTO t VALUES (?, ?)", [(r["key"], r["zone"]) for r in ROWS[:2]])
    plan = plan_of(sqlite=str(path), sqlTable="t", keyColumn="key", match="cidr")

    async def run() -> None:
        source = SqliteSource(plan, SystemClock())
        assert await zones(source, "10.1.2.3", "10.2.0.1", "11.0.0.1") == ["lab", "office", None]
        await source.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "config", [{"sqlTable": "none", "keyColumn": "key"}, {"sqlTable": "my rows", "keyColumn": "x"}]
)
def test_a_database_without_the_table_or_column(tmp_path: Path, config: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        SqliteSource(plan_of(sqlite=database(tmp_path / "r.db"), **config), SystemClock())
    assert caught.value.code == "enrichment.table"


def test_rows_of_a_topic_by_a_column_go_when_their_record_goes() -> None:
    source = TopicSource(plan_of(topic="rows", keyColumn="ip", match="cidr"), [], SystemClock())

    def put(key: str, row: str | None) -> None:
        value = None if row is None else row.encode()
        source._take([ConsumerRecord("rows", 0, 0, key=key.encode(), value=value, timestamp=0)])

    def zones_of(*keys: str) -> list[Any]:
        return [found.row and found.row["zone"] for found in find_rows(source._lookup, keys)]

    put("1", '{"ip": "10.0.0.0/8", "zone": "a"}')
    put("2", '{"ip": "10.1.0.0/16", "zone": "b"}')
    put("3", '{"zone": "of no column"}')
    put("4", "[]")
    assert zones_of("10.0.0.1", "10.1.0.1", "::ffff:10.1.0.1") == ["a", "b", "b"]
    put("2", "{broken")
    put("1", '{"ip": "::ffff:11.0.0.0/104", "zone": "c"}')
    assert zones_of("10.0.0.1", "10.1.0.1", "11.0.0.1") == [None, "b", "c"]
    put("2", None)
    assert zones_of("10.1.0.1", "11.0.0.1") == [None, "c"]
    assert source.passed_over == 3


@pytest.mark.parametrize(
    ("match", "key", "address", "other"),
    [("exact", "a", "a", "b"), ("cidr", "10.0.0.0/8", "10.9.9.9", "11.0.0.1"),
     ("domain", "Example.org", "x.example.org", "example.com")],
)  # fmt: skip
def test_a_topic_is_followed(
    tmp_path: Path, match: str, key: str, address: str, other: str
) -> None:
    broker = BrokerThread(
        BrokerSettings(port=0, data_dir=str(tmp_path), durability="os", auto_create_topics=True)
    )
    broker.start()
    servers = [f"127.0.0.1:{broker.port}"]

    async def run() -> None:
        async with StreamProducer({"bootstrapServers": servers, "lingerMs": 0}) as producer:

            async def put(row: str | None) -> None:
                await producer.send({"topic": "rows", "key": key, "value": row})

            await put('{"zone": "old"}')
            source = TopicSource(plan_of(topic="rows", match=match), servers, SystemClock())
            assert await zones(source, address, other) == ["old", None]
            await put("{broken")
            for row, expected in (('{"zone": "new"}', "new"), (None, None)):
                await put(row)
                async with asyncio.timeout(10):
                    while await zones(source, address) != [expected]:
                        await asyncio.sleep(0.01)
            assert source.passed_over == 1
            await source.close()
            missing = TopicSource(plan_of(topic="_none"), ["127.0.0.1:1"], SystemClock())
            assert (await missing.find(["a"]))[0].status == "error"

    try:
        asyncio.run(run())
    finally:
        broker.stop()
