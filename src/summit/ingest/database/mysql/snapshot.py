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

from summit.base.errors import Invalid
from summit.ingest.database.ahead import PIECE_BYTES, Sized
from summit.ingest.database.changes import ROW_FAULTS, Change, Row, told_values
from summit.ingest.database.mysql.link import Connection, Place, Server, query, quoted, stream
from summit.ingest.database.mysql.place import LogPlace, Seam, Snapshot
from summit.ingest.database.mysql.rows import shortest_float
from summit.ingest.database.mysql.tables import INTEGERS, Table, version_of
from summit.ingest.database.source import Batch

_ORIGIN: Final = {"snapshot": True}
_PIECE: Final = 1_000  # rows that are handed over together
WRITE_TIMEOUT_S: Final = 7 * 86_400


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
    # Rows are read as fast as the broker takes them, which may be slow, or a pause.
    query(connection, f"SET SESSION net_write_timeout = {WRITE_TIMEOUT_S}")
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
        f"{quoted(one.name)} + 0e0" if one.type == "float" else quoted(one.name)
        for one in table.columns
    )
    select = f"SELECT {columns} FROM {quoted(table.schema, table.name)}"
    after, count, version = progress.after, progress.rows, version_of(table.shape)
    now_ms = wanted.now_ms()

    shown_key = () if hidden.intersection(table.key) else table.key

    def change_of(values: Sequence[Any], sequence: int) -> Change:
        try:
            row: Row = {
                name: None if value is None else read(value)
                for (name, read), value in zip(readers, values, strict=True)
            }
        except ROW_FAULTS as error:
            return Change(
                "r", table.qualified, None, None, None, lsn, sequence, now_ms, version, _ORIGIN,
                Invalid("database.row", reason=repr(error)[:1_000]),
                told_values(
                    (name, value) for name, value in zip(names, values, strict=True)
                    if name not in hidden
                ),
            )  # fmt: skip
        key = {name: row[name] for name in shown_key} or None
        for name in hidden:
            del row[name]
        return Change("r", table.qualified, key, None, row, lsn, sequence, now_ms, version, _ORIGIN)

    if not table.has_chunks:
        with stream(connection, select) as cursor:
            for found, size in _pieces(cursor):
                made = [change_of(one, count + place) for place, one in enumerate(found)]
                yield Sized(Batch(made, None), size)
                count += len(found)
        return
    order = ", ".join(quoted(name) for name in table.key)
    while True:
        behind = f" WHERE {_behind(connection, table.key, after)}" if after else ""
        before = count
        limited = f"{select}{behind} ORDER BY {order} LIMIT {wanted.chunk_rows}"
        with stream(connection, limited) as cursor:
            for found, size in _pieces(cursor):
                made = [change_of(one, count + place) for place, one in enumerate(found)]
                count += len(found)
                after = tuple(_kept(found[-1][index]) for index in keys)
                progress = msgspec.structs.replace(progress, after=after, rows=count)
                yield Sized(Batch(made, _with(start, progress)), size)
        if count - before < wanted.chunk_rows:
            return
        now_ms = wanted.now_ms()


def _pieces(cursor: Any) -> Iterator[tuple[list[Sequence[Any]], int]]:
    """The rows of a query as they come, bounded in number and bytes; and the bytes."""
    rows: list[Sequence[Any]] = []
    size = 0
    while (row := cursor.fetchone()) is not None:
        more = sum(len(value) for value in row if value is not None)
        if rows and (len(rows) >= _PIECE or size + more > PIECE_BYTES):
            yield rows, size
            rows, size = [], 0
        rows.append(row)
        size += more
    if rows:
        yield rows, size


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
