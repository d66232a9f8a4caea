"""Kills everything again and again while a database is followed; nothing may be lost or doubled.

python -m tests.ingest.database.killing --rows 1000000 --rounds 12 --seed 1

A writer changes the database all the time, also keys, and empties a table now and then. Meanwhile
the collector is killed in the middle of its snapshot and afterwards, the broker and the database's
server too. In the end the topic, replayed, must be the database, with no row twice on the way.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2
from confluent_kafka.admin import AdminClient, NewTopic
from tests.ingest.database.postgres import Postgres
from tests.ingest.database.replica import LAST, Replica, as_rows, wait_for_last
from tests.ingest.test_kill import Child
from tests.interop.processes import BrokerProcess

NUMBERS = ["id", "n", "note"]
NAMES = ["area", "name", "n"]


class Writing:
    """Changes rows until it is told to stop, through every outage of the server."""

    def __init__(self, server: Postgres, rows: int, seed: int) -> None:
        self._server = server
        self._rows = rows
        self._rand = random.Random(seed)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.transactions = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        connection: Any = None
        while not self._ending.wait(0.002):
            try:
                if connection is None:
                    connection = self._server.connect()
                    connection.autocommit = False
                with connection, connection.cursor() as cursor:
                    for _ in range(self._rand.randint(1, 6)):
                        cursor.execute(self._statement())
                    if self._rand.random() < 0.1:
                        connection.rollback()
                self.transactions += 1
            except psycopg2.IntegrityError:
                pass
            except psycopg2.Error:
                connection = None
        if connection is not None:
            connection.close()

    def _statement(self) -> str:
        rand = self._rand
        one, two = rand.randint(1, self._rows * 2), rand.randint(1, self._rows * 2)
        name = f"('{rand.choice('aBÄ')}', 'k{rand.randint(1, 999)}')"
        other = f"'{rand.choice('aBÄ')}', 'k{rand.randint(1, 999)}'"
        return rand.choice(
            (
                f"INSERT INTO numbers VALUES ({one}, 0, 'new') ON CONFLICT DO NOTHING",
                f"UPDATE numbers SET n = n + 1 WHERE id = {one}",
                (
                    f"UPDATE numbers SET id = {two} WHERE id = {one}"
                    f" AND NOT EXISTS (SELECT FROM numbers WHERE id = {two})"
                ),
                f"DELETE FROM numbers WHERE id = {one}",
                f"INSERT INTO names VALUES ({name[1:-1]}, 0) ON CONFLICT DO NOTHING",
                f"UPDATE names SET n = n + 1 WHERE (area, name) = {name}",
                (
                    f"UPDATE names SET (area, name) = ({other}) WHERE (area, name) = {name}"
                    f" AND NOT EXISTS (SELECT FROM names WHERE (area, name) = ({other}))"
                ),
                f"DELETE FROM names WHERE (area, name) = {name}",
                "TRUNCATE names" if rand.random() < 0.01 else "SELECT 1",
            )
        )


def prepare(server: Postgres, rows: int) -> None:
    server.sql(
        "CREATE TABLE numbers (id int PRIMARY KEY, n int, note text)",
        f"INSERT INTO numbers SELECT i, 0, 'row ' || i FROM generate_series(1, {rows}) i",
        "CREATE TABLE names (area text, name text, n int, PRIMARY KEY (name, area))",
        "INSERT INTO names SELECT a, 'k' || i, 0 FROM generate_series(1, 300) i, "
        "unnest('{a,B,Ä}'::text[]) a",
    )


def run(directory: Path, *, rows: int, rounds: int, seed: int, chunk: int) -> dict[str, Any]:
    """The whole of it; returns what happened. Raises AssertionError."""
    rand = random.Random(seed)
    server = Postgres().start().create()
    broker = BrokerProcess(str(directory / "data"), durability="os").start()
    child: Child | None = None
    writing = Writing(server, rows, seed)
    config = {
        "name": "kill", "type": "database", "topic": "shop", "batchSize": chunk,
        "database": {"url": server.url, "snapshotChunkRows": chunk, "heartbeatIntervalMs": 500},
    }  # fmt: skip
    killed = {"collector": 0, "broker": 0, "database": 0}
    try:
        prepare(server, rows)
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_topics([NewTopic("shop", 1)])["shop"].result(60)
        writing.start()
        for number in range(rounds):
            if child is None:
                child = Child(broker, config)
            if number < rounds - 1 or rounds < 3:
                child.wait_for("data")
            time.sleep(rand.uniform(0, 0.15))
            victim = "collector" if number < 3 else rand.choice(["collector", "broker", "database"])
            victim = {rounds - 2: "broker", rounds - 1: "database"}.get(number, victim)
            killed[victim] += 1
            if victim == "collector":
                child.kill()
                child = None
            elif victim == "broker":
                broker.kill()
                broker.start()
            else:
                server.kill()
                server.start()
            time.sleep(rand.uniform(0, 0.2))
        child = child or Child(broker, config)
        writing.stop()
        server.sql(f"INSERT INTO numbers VALUES ({LAST}, 0, 'the last one')")
        records = wait_for_last(broker, child, "public.numbers")
        replica = Replica.of(records)
        assert replica.rows("public.numbers") == as_rows(NUMBERS, server.sql("TABLE numbers"))
        assert replica.rows("public.names") == as_rows(NAMES, server.sql("TABLE names"))
        places = {json.loads(one.value())["commit_lsn"] for one in records if b'"r"' in one.value()}
        return {
            "snapshots": len(places), "ops": replica.ops, "killed": killed,
            "transactions": writing.transactions,
        }  # fmt: skip
    finally:
        writing.stop() if writing.transactions else None
        if child is not None and child.process.poll() is None:
            child.kill()
        broker.stop()
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(
            run(Path(place), rows=given.rows, rounds=given.rounds, seed=given.seed,
                chunk=given.chunk)
        )  # fmt: skip
