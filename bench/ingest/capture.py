"""Change capture from SQLite and MariaDB: changes per CPU-second of the collector, exactly once.

    python -m bench.ingest.capture [--rows 20000]

As `bench.ingest.database`: a real broker and the collector are processes of their own, the CPU
time is the collector's. Rows of six columns are inserted and updated in transactions of a thousand.
Beside MariaDB mysql-replication alone, which decodes the same rows and writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.broker.harness import broker, cpu_s, process, show
from tests.ingest.database.mariadb import PASSWORD, MariaDb

from summit.client.log_reader import LogReader

TIMEOUT_S = 120.0
COLUMNS = "customer text, amount decimal(12, 2), paid int, at datetime, note text"


def rows(first: int) -> Iterator[tuple[Any, ...]]:
    """A thousand rows."""
    for n in range(first, first + 1_000):
        yield n, f"customer {n % 997}", n * 1.01, n % 2, "2024-01-01", f"a note on order {n}"


async def held(address: str, topic: str) -> int:
    """Records of a topic, with the markers of transactions."""
    count = 0
    async with LogReader({"bootstrapServers": [address]}, committed=True) as reader:
        for partition in range(await reader.partition_count(topic)):
            first, stop = await reader.span(topic, partition)
            count += stop - first
    return count


def wait(address: str, topic: str, least: int) -> None:
    """Wait until a topic holds so many records."""
    deadline = time.monotonic() + TIMEOUT_S
    while asyncio.run(held(address, topic)) < least:
        assert time.monotonic() < deadline, f"the collector of {topic} does not come to the end"
        time.sleep(0.1)


def collector(name: str, block: dict[str, Any]) -> str:
    """A collector's configuration."""
    return json.dumps({"name": name, "type": "database", "topic": name, "database": block})


def tell(case: str, count: int, cpu: float, **more: Any) -> None:
    """One line."""
    show(
        "ingest capture", case=case, changes=count, changes_per_cpu_s=round(count / cpu),
        cpu_us_per_change=cpu / count * 1e6, **more,
    )  # fmt: skip


def sqlite(address: str, directory: str, count: int) -> None:
    """The stream of an SQLite database."""
    path = f"{directory}/orders.db"
    app = sqlite3.connect(path, isolation_level=None)
    app.execute("PRAGMA journal_mode = WAL")
    app.execute(f"CREATE TABLE orders (id INTEGER PRIMARY KEY, {COLUMNS})")
    app.execute("INSERT INTO orders (id) VALUES (-1)")
    config = collector("sqlite", {"url": f"sqlite:///{path}"})
    with process("bench.ingest.collecting", address, config) as (pid, _):
        wait(address, "sqlite", 1)
        before = cpu_s(pid)
        for first in range(0, count, 1_000):
            app.execute("BEGIN")
            app.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows(first))
            app.execute("COMMIT")
            app.execute("UPDATE orders SET paid = NOT paid WHERE id >= ?", (first,))
        wait(address, "sqlite", 2 * count)
        tell("sqlite stream", 2 * count, cpu_s(pid) - before)
    app.close()


def mariadb(address: str, directory: str, count: int) -> None:
    """The stream and the snapshot of a MariaDB server, and the package alone."""
    from pymysqlreplication import BinLogStreamReader
    from pymysqlreplication.row_event import RowsEvent

    server = MariaDb(Path(directory))
    server.create()
    os.environ["SUMMIT_BENCH_CDC"] = PASSWORD
    block = {
        "url": f"mysql://cdc@127.0.0.1:{server.port}/shop", "password": "${SUMMIT_BENCH_CDC}"
    }  # fmt: skip
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
            cursor.execute(f"CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, {COLUMNS})")
            cursor.execute("INSERT INTO shop.orders (id) VALUES (-1)")
            config = collector("stream", block)
            with process("bench.ingest.collecting", address, config) as (pid, _):
                wait(address, "stream", 1)
                before = cpu_s(pid)
                for first in range(0, count, 1_000):
                    cursor.executemany(
                        "INSERT INTO shop.orders VALUES (%s, %s, %s, %s, %s, %s)", list(rows(first))
                    )
                    cursor.execute("UPDATE shop.orders SET paid = NOT paid WHERE id >= %s", first)
                wait(address, "stream", 2 * count)
                cpu = cpu_s(pid) - before
            begun, seen = time.process_time(), 0
            settings = {"host": "127.0.0.1", "port": server.port, "user": "cdc"}
            reader = BinLogStreamReader(
                {**settings, "password": PASSWORD}, server_id=98, log_file="bin.000001", log_pos=4,
                resume_stream=True, only_schemas=["shop"], enable_logging=False,
            )  # fmt: skip
            for event in reader:
                seen += len(event.rows) if isinstance(event, RowsEvent) else 0
            bare = time.process_time() - begun
            tell("mariadb stream", 2 * count, cpu, ratio_cpu_to_package=cpu / bare)
            assert seen == 2 * count + 1, "the package has seen other changes"
            with process("bench.ingest.collecting", address, collector("rows", block)) as (pid, _):
                before = cpu_s(pid)
                wait(address, "rows", count)
                tell("mariadb snapshot", count, cpu_s(pid) - before)
    finally:
        server.stop(kill=True)


def main() -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        broker(directory, durability="os") as (_, port),
        tempfile.TemporaryDirectory() as files,
    ):
        address = f"127.0.0.1:{port}"
        sqlite(address, files, options.rows)
        mariadb(address, files, options.rows)


if __name__ == "__main__":
    main()
