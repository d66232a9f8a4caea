"""MySQL and MariaDB as a source: the snapshot, then the binary log, on one thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.ingest.database.ahead import ReadAhead, Sized
from summit.ingest.database.handoff import Handoff
from summit.ingest.database.mysql.binlog import Log
from summit.ingest.database.mysql.charsets import Charsets
from summit.ingest.database.mysql.link import (
    Connection,
    DatabaseError,
    Place,
    Server,
    hang_up,
    look_at,
    query,
)
from summit.ingest.database.mysql.place import LogPlace, Snapshot, place_of
from summit.ingest.database.mysql.settings import MysqlOptions, default_server_id
from summit.ingest.database.mysql.snapshot import Wanted, begin, log_end, read_tables
from summit.ingest.database.mysql.tables import Table, describe, names
from summit.ingest.database.source import Batch, Position
from summit.ingest.settings import CollectorConfig

_RETIRED: Final = "compressed"  # in the type of a column whose values the log holds packed


class MysqlSource:
    """One MySQL or MariaDB server as one collector reads it."""

    def __init__(self, config: CollectorConfig, clock: Clock) -> None:
        self._config = config
        self._options: Any = config.block
        self._own: MysqlOptions = self._options.mysql or MysqlOptions()
        self._clock = clock
        self._place = Place(config)
        self._server: Server | None = None
        self._start: LogPlace | None = None
        self._tables: list[Table] = []
        self._connection: Connection = None
        self._log: Log | None = None
        self._ahead: ReadAhead | None = None
        self._phase = "closed"
        self._progress = Snapshot()

    @property
    def source_id(self) -> str:
        """`mysql:` and the database, or the address where all are read."""
        return f"mysql:{self._options.database or self._place.where}"

    async def open(self, position: Position | None) -> None:
        """Connect, look at the server, and find the place. Raises as `Source.open`."""
        await asyncio.to_thread(self._prepare, position)
        self._ahead = ReadAhead(
            self._batches,
            name=f"mysql {self._config.name}",
            handoff=Handoff(self._options.queue_changes, self._options.queue_bytes),
            wake=self._wake,
        )
        self._ahead.start()

    async def read(self) -> Batch | None:
        """The next changes. Raises as `Source.read`."""
        assert self._ahead is not None
        return await self._ahead.read()

    async def confirm(self, position: Position) -> None:
        """Nothing to do: the server keeps its log for as long as it is told to, for all."""

    def status(self) -> dict[str, Any]:
        """Where it is: phase, place, lag; while a snapshot is made, its tables and rows."""
        log, server = self._log, self._server
        found: dict[str, Any] = {
            "phase": self._phase,
            "server": server.version if server is not None else None,
        }
        if self._phase == "snapshot":
            found["snapshot"] = {
                "tablesDone": len(self._progress.done), "tables": len(self._tables),
                "table": self._progress.table, "rows": self._progress.rows,
            }  # fmt: skip
        if log is not None:
            found |= {
                "file": log.place.file, "offset": log.place.offset, "gtid": log.place.gtid,
                "lagBytes": log.lag_bytes, "lagMs": log.lag_ms,
            }  # fmt: skip
        return found

    def warnings(self) -> list[str]:
        """A lag that is large, and a log whose file may be purged next."""
        log = self._log
        if log is None:
            return []
        found = []
        if log.lag_bytes > self._options.lag_alarm_bytes:
            found.append(
                f"{log.lag_bytes} bytes of the binary log are not read yet: see whether the broker "
                f"is slow, and have the server keep its logs for longer "
                f"(binlog_expire_logs_seconds)"
            )
        in_danger = bool(log.oldest_file) and log.oldest_file == log.place.file
        if in_danger and log.lag_bytes > self._options.lag_alarm_bytes // 2:
            found.append(
                f"{log.oldest_file} is read, which is the oldest file that the server has: "
                f"what it purges next is lost"
            )
        return found

    async def close(self) -> None:
        """Let go of connections and thread. Idempotent."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.close()
        await asyncio.to_thread(self._let_go)
        self._phase = "closed"

    # ---- on threads ----

    def _prepare(self, position: Position | None) -> None:
        place = self._place
        self._connection = connection = place.connect()
        try:
            self._server = server = look_at(place, connection)
            log_end(place, connection, server)  # to see the rights for it
            self._tables = [
                table
                for schema, name in names(connection, self._options.database)
                if self._options.takes(f"{schema}.{name}")
                and (table := describe(connection, schema, name)) is not None
            ]
            charsets = Charsets(connection)
            for table in self._tables:
                self._check_table(table, charsets)
            self._start = self._find_start(connection, server, position)
        except (DatabaseError, OSError) as error:
            raise place.told(error) from error

    def _check_table(self, table: Table, charsets: Charsets) -> None:
        for column in table.columns:
            name = f"{table.qualified}.{column.name}"
            is_read = self._options.snapshot != "initialOnly" and not self._options.hides(name)
            if is_read and column.charset and charsets.find(column.charset) is None:
                raise self._place.of_charset(name, column.charset)
            if _RETIRED in column.full_type.lower():
                raise self._place.unfit(
                    f"the column '{table.qualified}.{column.name}' is compressed",
                    f"Exclude the table (database.exclude: ['{table.qualified}']), or change it.",
                )

    def _find_start(
        self, connection: Connection, server: Server, position: Position | None
    ) -> LogPlace | None:
        """Where to go on; None: a snapshot must be begun."""
        asked = self._own.start()
        if asked is not None and (position is None or position.get("asked") != self._own.start_at):
            start = msgspec.convert(asked, LogPlace)
            start = msgspec.structs.replace(start, server=server.number, asked=self._own.start_at)
            self._check_there(connection, server, start)
            return start
        if position is not None:
            start = place_of(position)
            self._check_there(connection, server, start)
            return start
        if self._options.snapshot == "never":
            return log_end(self._place, connection, server)
        return None

    def _by_gtid(self, server: Server, start: LogPlace) -> bool:
        """Whether the place is asked for as a GTID."""
        if self._own.follow == "file" and start.file:
            return False
        if self._own.follow == "gtid" and not server.has_gtids:
            raise self._place.unfit("it has no GTIDs", "Set gtid_mode = ON, or follow the file.")
        # A place inside of a transaction is one of the file that it was read from.
        return bool(server.has_gtids and start.gtid)

    def _check_there(self, connection: Connection, server: Server, start: LogPlace) -> None:
        """See that a place by file is one that the server has."""
        if self._by_gtid(server, start):
            return
        if start.server not in (0, server.number):
            raise self._place.lost(
                start.text, f"it was read from server {start.server}, and this is {server.number}"
            )
        sizes = {row[0]: int(row[1]) for row in query(connection, "SHOW BINARY LOGS")}
        if start.file not in sizes:
            first = next(iter(sizes), "none")
            raise self._place.lost(start.text, f"its oldest file of the binary log is {first}")
        if start.offset > sizes[start.file]:
            raise self._place.lost(
                start.text, f"{start.file} has only {sizes[start.file]} bytes; was it reset?"
            )

    def _batches(self) -> Iterator[Sized]:
        server, connection = self._server, self._connection
        assert server is not None
        try:
            start = self._start
            if start is None or start.snapshot is not None:
                self._phase = "snapshot"
                moment = begin(self._place, connection, server)
                if start is None:
                    start = msgspec.structs.replace(moment, snapshot=Snapshot())
                for sized in self._snapshot(connection, start, moment):
                    if sized.batch.position is not None:
                        start = place_of(sized.batch.position)
                        self._progress = start.snapshot or self._progress
                    yield sized
                query(connection, "COMMIT")
            else:
                yield Sized(Batch([], start.position()), 0)
            connection.close()
        except (DatabaseError, OSError) as error:
            raise self._place.told(error) from error
        if self._options.snapshot == "initialOnly":
            return
        self._log = log = Log(
            self._place, server, start,
            server_id=self._own.server_id or default_server_id(self._config.name),
            by_gtid=self._by_gtid(server, start), clock=self._clock, closing=self._is_closing,
        )  # fmt: skip
        self._phase = "stream"
        yield from log.batches()

    def _snapshot(
        self, connection: Connection, start: LogPlace, moment: LogPlace
    ) -> Iterator[Sized]:
        options = self._options
        wanted = Wanted(
            options.hides, options.numbers == "string", options.snapshot_chunk_rows,
            self._clock.now_ms,
        )  # fmt: skip
        return read_tables(connection, self._tables, start, moment, wanted)

    def _is_closing(self) -> bool:
        ahead = self._ahead
        return ahead is None or ahead.is_closing

    def _wake(self) -> None:
        if self._log is not None:
            self._log.wake()
        hang_up(self._connection)

    def _let_go(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DatabaseError, OSError):
                connection.close()
