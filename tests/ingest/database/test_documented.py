"""The figures that docs/databases.md tells are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from summit.base import limits
from summit.ingest.database import collector
from summit.ingest.database.ahead import PIECE_BYTES
from summit.ingest.database.mysql import binlog
from summit.ingest.database.mysql.settings import MysqlOptions
from summit.ingest.database.postgresql import preparing
from summit.ingest.database.postgresql.settings import PostgresqlOptions
from summit.ingest.database.postgresql.snapshot import PIECE_ROWS
from summit.ingest.database.settings import DatabaseOptions
from summit.ingest.database.sqlite import source
from summit.ingest.database.sqlite.settings import SqliteOptions

TEXT = (Path(__file__).parents[3] / "docs/databases.md").read_text()
UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "minutes": 60_000}


def figure(pattern: str) -> int:
    """The number that a pattern finds first, in its unit."""
    found = re.search(pattern, TEXT)
    assert found is not None, pattern
    number = int(found.group(1).replace(",", ""))
    return number * UNITS.get(found.group(2) if found.re.groups > 1 else "", 1)


def test_defaults_and_limits() -> None:
    options = DatabaseOptions()
    assert figure(r"`snapshotChunkRows` \(([\d,]+)\)") == options.snapshot_chunk_rows
    assert figure(r"`heartbeatIntervalMs` \(([\d,]+)\)") == options.heartbeat_interval_ms
    assert figure(r"`lagAlarmBytes` \((\d+) (GiB)\)") == options.lag_alarm_bytes
    assert figure(r"`connectTimeoutMs` \(([\d,]+)\)") == options.connect_timeout_ms
    assert figure(r"`batchSize` \(([\d,]+) changes\)") == collector.BATCH_CHANGES
    assert figure(r"`flushInterval` \((\d+) ms\)") == collector.FLUSH_INTERVAL_MS
    assert figure(r"pieces of up to ([\d,]+) rows") == PIECE_ROWS
    assert figure(r"rows and (\d+) (MiB)") == PIECE_BYTES
    assert figure(r"records up to ([\d,]+) changes") == binlog.LARGE
    assert figure(r"PostgreSQL (\d+) or newer") * 10_000 == preparing._VERSION_LEAST
    assert figure(r"SQLite 3\.(\d+) or newer") == source._OLDEST[1]
    assert figure(r"pollIntervalMs: (\d+)") == SqliteOptions().poll_interval_ms
    assert "or after five minutes" in TEXT
    assert limits.DATABASE_TRANSACTION_TIMEOUT_MS == 5 * 60_000
    assert "larger than a record may be (1 MiB)" in TEXT


def test_every_option_is_told() -> None:
    """Members of the block and of those inside, by their names on the wire."""
    told = set(re.findall(r"\w+", TEXT))
    missing = {
        field
        for block in (DatabaseOptions, PostgresqlOptions, MysqlOptions, SqliteOptions)
        for field in block.__struct_encode_fields__
    } - told
    assert not missing
