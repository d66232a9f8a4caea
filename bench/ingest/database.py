"""Change capture from PostgreSQL: changes per CPU-second of the collector, written exactly once.

    python -m bench.ingest.database [--rows 40000]

A real server, a real broker and the collector are processes of their own; the CPU time is that of
the collector alone, with all its threads. Rows of six columns are inserted and updated in
transactions of a thousand; then, for a second collector, the same rows are there to be read. Beside
it psycopg2, which reads the same messages from a slot of its own and decodes nothing.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import tempfile
import time
from typing import Any

from bench.broker.harness import broker, cpu_s, process, show
from tests.ingest.database.postgres import Postgres

TIMEOUT_S = 120.0
TABLE = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount numeric(12, 2), "
    "paid boolean, at timestamptz, note text)"
)


def change(server: Postgres, rows: int) -> None:
    """Insert and update the rows."""
    for first in range(1, rows + 1, 1_000):
        last = first + 999
        server.sql(
            "INSERT INTO orders SELECT i, 'customer ' || i % 997, i * 1.01, i % 2 = 0, now(), "
            f"'a note on order ' || i FROM generate_series({first}, {last}) i"
        )
        server.sql(f"UPDATE orders SET paid = NOT paid WHERE id BETWEEN {first} AND {last}")


def config(server: Postgres, name: str) -> str:
    """A collector's configuration."""
    block = {"url": server.url, "heartbeatIntervalMs": 100}
    return json.dumps({"name": name, "type": "database", "topic": name, "database": block})


def wait_confirmed(server: Postgres, name: str, lsn: str) -> None:
    """Wait until a collector has written everything up to a place."""
    query = (
        f"SELECT coalesce(bool_and(confirmed_flush_lsn >= '{lsn}'), false) "
        f"FROM pg_replication_slots WHERE slot_name = 'summit_{name}' AND active"
    )
    deadline = time.monotonic() + TIMEOUT_S
    while server.sql(query) != [(True,)]:
        assert time.monotonic() < deadline, "the collector does not come to the end"
        time.sleep(0.1)


def bare(server: Postgres) -> tuple[int, float]:
    """Messages of a slot and the CPU-seconds to read them, with psycopg2 alone."""
    import psycopg2
    from psycopg2.extras import LogicalReplicationConnection

    connection: Any = psycopg2.connect(
        host="127.0.0.1", port=server.port, user="cdc", dbname="shop",
        connection_factory=LogicalReplicationConnection,
    )  # fmt: skip
    cursor = connection.cursor()
    options = {"proto_version": "1", "publication_names": "summit_stream"}
    cursor.start_replication(slot_name="bare", decode=False, options=options)
    ((end,),) = server.sql("SELECT pg_current_wal_lsn() - '0/0'")
    count, begun = 0, time.process_time()
    deadline = time.monotonic() + TIMEOUT_S
    while cursor.wal_end < end:
        message = cursor.read_message()
        if message is None:
            assert time.monotonic() < deadline, "the messages do not come"
            select.select([cursor], [], [], 1)
        else:
            count += message.payload[0] in b"IUD"
    spent = time.process_time() - begun
    connection.close()
    return count, spent


def main() -> None:
    """Print one JSON line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    options = parser.parse_args()
    server = Postgres()
    try:
        server.start().create()
        server.sql(TABLE)
        with (
            tempfile.TemporaryDirectory() as directory,
            broker(directory, durability="os") as (_, broker_port),
        ):
            address = f"127.0.0.1:{broker_port}"
            measure(server, address, options.rows)
    finally:
        server.stop()


def measure(server: Postgres, address: str, rows: int) -> None:
    """Both cases."""
    now = "SELECT pg_current_wal_lsn()::text"
    with process("bench.ingest.collecting", address, config(server, "stream")) as (pid, _):
        wait_confirmed(server, "stream", "0/0")
        server.sql("SELECT pg_create_logical_replication_slot('bare', 'pgoutput')")
        before = cpu_s(pid)
        change(server, rows)
        wait_confirmed(server, "stream", server.sql(now)[0][0])
        cpu = cpu_s(pid) - before
    count, spent = bare(server)
    assert count == 2 * rows, "the bare library has seen other changes"
    show(
        "ingest database", case="stream", changes=count, changes_per_cpu_s=round(count / cpu),
        cpu_us_per_change=cpu / count * 1e6, ratio_cpu_to_bare=cpu / spent,
    )  # fmt: skip
    with process("bench.ingest.collecting", address, config(server, "rows")) as (pid, _):
        before = cpu_s(pid)
        wait_confirmed(server, "rows", server.sql(now)[0][0])
        cpu = cpu_s(pid) - before
    show(
        "ingest database", case="snapshot", changes=rows, changes_per_cpu_s=round(rows / cpu),
        cpu_us_per_change=cpu / rows * 1e6,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
