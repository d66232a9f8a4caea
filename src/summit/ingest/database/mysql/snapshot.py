"""The rows that are there: read in one consistent moment, whose place in the binary log is known.

Tables with a key that can be compared come in chunks, each with a position, so that a killed
snapshot goes on behind its last chunk; others come whole. A snapshot that goes on has a later
moment: changes between the two moments of rows that were not read in the first are left out of the
stream (`since`). Only for the table that was being read this needs keys of integers; with others
its changes are told, also where the rows behind the last chunk show them already.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from summit.ingest.database.ahead import Sized
from summit.ingest.database.changes import Change, Row
from summit.ingest.database.mysql.link import Connection, Place, Server, query, quoted, stream
from summit.ingest.database.mysql.place import LogPlace, Seam, Snapshot
from summit.ingest.database.mysql.rows import shortest_float
from summit.ingest.database.mysql.tables import INTEGERS, Table, version_of
from summit.ingest.database.source import Batch

_ORIGIN: Final = {"snapshot": True}
_PIECE: Final = 1_000  # rows of a table without chunks that are handed over together


class Wanted(NamedTuple):
    """What of the database is wanted.

    Attributes:
        hides: Whether a column is left out, by its qualified name.
        exact: Whether DECIMAL is text.
        chunk_rows: Rows that are read at once.
        now_ms: The time.
    """

    hides: Callable[[str], bool]
    exact: bool
    chunk_rows: int
    now_ms: Callable[[], int]


def begin(place: Place, connection: Connection, server: Server) -> LogPlace:
    """Begin a consistent read; where the binary log stands at that very moment."""
    query(connection, "SET SESSION time_zone = '+00:00'")
    query(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if server.is_mariadb:
        query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        found = {
            name.lower(): value
            for name, value in query(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
        }
        file, offset = found["binlog_snapshot_file"], int(found["binlog_snapshot_position"])
        ((gtid,),) = query(connection, "SELECT BINLOG_GTID_POS(%s, %s)", file, offset)
        return LogPlace(file, offset, gtid or "", server=server.number)
    query(connection, "FLUSH TABLES WITH READ LOCK")
    try:
        query(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return log_end(place, connection, server)
    finally:
        query(connection, "UNLOCK TABLES")


def log_end(place: Place, connection: Connection, server: Server) -> LogPlace:
    """Where the binary log ends now."""
    words = "MASTER STATUS"
    if not server.is_mariadb and tuple(map(int, server.version.split("-")[0].split("."))) >= (8, 4):
        words = "BINARY LOG STATUS"
    found = query(connection, f"SHOW {words}")
    if not found:
        raise place.unfit("it writes no binary log", "Start it with log_bin.")
    file, offset = found[0][0], int(found[0][1])
    if server.is_mariadb:
        ((gtid,),) = query(connection, "SELECT BINLOG_GTID_POS(%s, %s)", file, offset)
    else:
        gtid = "".join(found[0][4].split()) if len(found[0]) > 4 else ""
    return LogPlace(file, offset, gtid or "", server=server.number)


def read_tables(
    connection: Connection,
    tables: Sequence[Table],
    start: LogPlace,
    moment: LogPlace,
    wanted: Wanted,
) -> Iterator[Sized]:
    """The rows of all tables, in the consistent read that `begin` began.

    Args:
        start: Where the stream will begin, and how far an earlier snapshot came.
        moment: Of this read.
    """
    progress = start.snapshot or Snapshot()
    since = dict(start.since)
    lsn = moment.gtid or moment.text
    for table in tables:
        name = table.qualified
        if name in progress.done:
            continue
        is_fresh = name != progress.table
        if is_fresh:
            progress = msgspec.structs.replace(progress, table=name, after=())
        if moment.text != start.text and (is_fresh or table.has_numbers):
            behind = tuple(int(value[1:]) for value in progress.after)
            since[name] = [*since.get(name, ()), Seam(moment.file, moment.offset, behind)]
        here = msgspec.structs.replace(start, since=since)
        for sized in _rows_of(connection, table, here, progress, lsn, wanted):
            progress = _progress(sized) or progress
            yield sized
        progress = Snapshot((*progress.done, name), rows=progress.rows)
        yield Sized(Batch([], _with(here, progress)), 0)
    done = msgspec.structs.replace(start, snapshot=None, since=since)
    yield Sized(Batch([], done.position()), 0)


def _rows_of(
    connection: Connection,
    table: Table,
    start: LogPlace,
    progress: Snapshot,
    lsn: str,
    wanted: Wanted,
) -> Iterator[Sized]:
    readers = [(one.name, _reader(one.type, exact=wanted.exact)) for one in table.columns]
    hidden = {name for name, _ in readers if wanted.hides(f"{table.qualified}.{name}")}
    names = [name for name, _ in readers]
    keys = [names.index(name) for name in table.key]
    columns = ", ".join(
        f"CAST({quoted(one.name)} AS DOUBLE)" if one.type == "float" else quoted(one.name)
        for one in table.columns
    )
    select = f"SELECT {columns} FROM {quoted(table.schema, table.name)}"
    after, count, version = progress.after, progress.rows, version_of(table.shape)
    now_ms = wanted.now_ms()

    def changes(found: Sequence[Sequence[Any]]) -> Sized:
        made, size = [], 0
        for offset, values in enumerate(found):
            size += sum(len(value) for value in values if value is not None)
            row: Row = {
                name: None if value is None else read(value)
                for (name, read), value in zip(readers, values, strict=True)
            }
            key = {name: row[name] for name in table.key} or None
            for name in hidden:
                del row[name]
            made.append(
                Change(
                    "r",
                    table.qualified,
                    key,
                    None,
                    row,
                    lsn,
                    count + offset,
                    now_ms,
                    version,
                    _ORIGIN,
                )
            )
        return Sized(Batch(made, None), size)

    if not table.has_chunks:
        with stream(connection, select) as cursor:
            while found := cursor.fetchmany(_PIECE):
                yield changes(found)
                count += len(found)
        return
    order = ", ".join(quoted(name) for name in table.key)
    while True:
        behind = f" WHERE {_behind(connection, table.key, after)}" if after else ""
        found = query(connection, f"{select}{behind} ORDER BY {order} LIMIT {wanted.chunk_rows}")
        if not found:
            return
        sized = changes(found)
        count += len(found)
        after = tuple(_kept(found[-1][index]) for index in keys)
        progress = msgspec.structs.replace(progress, after=after, rows=count)
        yield Sized(Batch(sized.batch.changes, _with(start, progress)), sized.size_bytes)
        if len(found) < wanted.chunk_rows:
            return
        now_ms = wanted.now_ms()


def _behind(connection: Connection, key: Sequence[str], after: Sequence[str]) -> str:
    """What is true of the rows behind a key: `a > 1 OR (a = 1 AND b > 2)`."""
    literals = [
        f"X'{value[2:]}'" if value.startswith("0x") else connection.escape(value[1:])
        for value in after
    ]
    parts = []
    for index, name in enumerate(key):
        same = [
            f"{quoted(one)} = {literal}"
            for one, literal in zip(key[:index], literals[:index], strict=True)
        ]
        parts.append(" AND ".join([*same, f"{quoted(name)} > {literals[index]}"]))
    return "(" + ") OR (".join(parts) + ")"


def _kept(value: str | bytes) -> str:
    """A value of a key as text that tells bytes from text."""
    return "0x" + value.hex() if isinstance(value, bytes) else "=" + value


def _with(start: LogPlace, progress: Snapshot) -> dict[str, Any]:
    return msgspec.structs.replace(start, snapshot=progress).position()


def _progress(sized: Sized) -> Snapshot | None:
    position = sized.batch.position
    if position is None or position["snapshot"] is None:
        return None
    return msgspec.convert(position["snapshot"], Snapshot)


# ---- values as the text protocol gives them ----


def _reader(type_: str, *, exact: bool) -> Callable[[Any], Any]:
    if type_ in INTEGERS:
        return int
    if type_ == "decimal" and not exact:
        return float
    return _READERS.get(type_, _same)


def _same(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "float": lambda value: shortest_float(float(value)),
    "double": float,
    "bit": lambda value: int.from_bytes(value, "big"),
    "set": lambda value: value.split(",") if value else [],
    "json": msgspec.json.decode,
    "datetime": lambda value: value.replace(" ", "T"),
    "timestamp": lambda value: value.replace(" ", "T") + "Z",
}
