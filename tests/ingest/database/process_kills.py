"""Kills the collector's process, and sometimes the broker, while MariaDB or SQLite is followed.

python -m tests.ingest.database.process_kills --kind mysql --rows 1000000 --rounds 10 --seed 1

The snapshot is killed first, then the stream; an application writes all the time. In the end the
topic, replayed, must be the table, with no row twice on the way.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from tests.ingest.database.mariadb import PASSWORD, MariaDb
from tests.ingest.database.replica import LAST, Replica, as_rows, wait_for_last
from tests.ingest.test_kill import Child
from tests.interop.processes import BrokerProcess

COLUMNS = ["id", "n", "note"]


def _sqlite(directory: Path, stack: ExitStack) -> tuple[Callable[[str], Any], str, dict[str, Any]]:
    db = sqlite3.connect(directory / "app.db", isolation_level=None, timeout=60)
    stack.callback(db.close)
    db.execute("PRAGMA journal_mode = WAL")
    run: Callable[[str], Any] = lambda sql: db.execute(sql).fetchall()  # noqa: E731
    block = {"url": f"sqlite:///{directory / 'app.db'}", "sqlite": {"pollIntervalMs": 10}}
    return run, "t", block


def _mysql(directory: Path, stack: ExitStack) -> tuple[Callable[[str], Any], str, dict[str, Any]]:
    server = MariaDb(directory / "mariadb")
    server.directory.mkdir()
    server.create()
    stack.callback(server.stop, kill=True)
    connection = stack.enter_context(server.connect())
    cursor = connection.cursor()

    def run(sql: str) -> Any:
        cursor.execute(sql)
        return cursor.fetchall()

    run("CREATE DATABASE shop")
    run("USE shop")
    os.environ["SUMMIT_TEST_CDC"] = PASSWORD
    block = {
        "url": f"mysql://cdc@127.0.0.1:{server.port}/shop", "password": "${SUMMIT_TEST_CDC}",
    }  # fmt: skip
    return run, "shop.t", block


_KINDS = {"sqlite": _sqlite, "mysql": _mysql}


def _statement(rand: random.Random, rows: int) -> str:
    one, two = rand.randint(1, rows * 2), rand.randint(rows * 2 + 1, rows * 4)
    return rand.choice(
        (
            f"INSERT INTO t SELECT {one}, 0, 'n' WHERE NOT EXISTS (SELECT 1 FROM t WHERE id={one})",
            f"UPDATE t SET n = n + 1 WHERE id = {one}",
            f"UPDATE t SET id = {two}{rand.randint(100, 999)} WHERE id = {one}",
            f"DELETE FROM t WHERE id = {one}",
        )
    )


def run(directory: Path, *, kind: str, rows: int, rounds: int, seed: int, chunk: int) -> Any:
    """The whole of it; returns what happened. Raises AssertionError."""
    rand = random.Random(seed)
    broker = BrokerProcess(str(directory / "data"), durability="os").start()
    child: Child | None = None
    killed = {"collector": 0, "broker": 0}
    with ExitStack() as stack:
        stack.callback(broker.stop)
        sql, table, block = _KINDS[kind](directory, stack)
        sql("CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, note VARCHAR(40))")
        sql(
            "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE"
            f" i < {min(rows, 1000)}) SELECT i, 0, 'row' FROM c"
        )
        for first in range(1000, rows, 1000):
            sql(f"INSERT INTO t SELECT id + {first}, 0, 'row' FROM t WHERE id <= 1000")
        config = {
            "name": "kill", "type": "database", "topic": "shop", "batchSize": chunk,
            "database": {**block, "snapshotChunkRows": chunk, "heartbeatIntervalMs": 500},
        }  # fmt: skip
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_topics([NewTopic("shop", 1)])["shop"].result(60)
        try:
            for number in range(rounds):
                child = child or Child(broker, config)
                child.wait_for("data")
                deadline = time.monotonic() + rand.uniform(0, 0.3)
                while time.monotonic() < deadline:
                    sql(_statement(rand, rows))
                if number % 3 == 2:
                    killed["broker"] += 1
                    broker.kill()
                    broker.start()
                else:
                    killed["collector"] += 1
                    child.kill()
                    child = None
            child = child or Child(broker, config)
            sql(f"INSERT INTO t VALUES ({LAST}, 0, 'the last one')")
            records = wait_for_last(broker, child, table)
        finally:
            if child is not None and child.process.poll() is None:
                child.kill()
        replica = Replica.of(records)
        expected = sql("SELECT id, n, note FROM t")
        assert replica.rows(table) == as_rows(COLUMNS, expected)
    return {"ops": replica.ops, "killed": killed, "rows": len(expected)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=list(_KINDS), default="sqlite")
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        begun = time.monotonic()
        seen = run(
            Path(place), kind=given.kind, rows=given.rows, rounds=given.rounds, seed=given.seed,
            chunk=given.chunk,
        )  # fmt: skip
        print(seen, f"{time.monotonic() - begun:.0f} s")
