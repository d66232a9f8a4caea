"""Reads the rows that are there, in the database's own snapshot, chunk after chunk.

A temporary slot gives a snapshot and the place in the log that it belongs to. Tables with a primary
key are read in its order, so that a snapshot that was broken off goes on behind the last key that
was written (`seams.py`); without one a table is read as a whole, and written as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.ingest.database.ahead import PIECE_BYTES
from summit.ingest.database.changes import Change
from summit.ingest.database.postgresql.link import Link, quote_name, quote_text
from summit.ingest.database.postgresql.pgoutput import lsn_number
from summit.ingest.database.postgresql.seams import Key
from summit.ingest.database.postgresql.shaping import Rows, bad_change, raw_text
from summit.ingest.database.postgresql.tables import Table, TableColumn
from summit.ingest.database.postgresql.values import parse_copy_line
from summit.ingest.database.postgresql.waiting import Waits

PIECE_ROWS: Final = 1_000  # that are handed over together


class Snapshot(NamedTuple):
    """An open snapshot: a connection that sees the database as it was at a place in its log."""

    connection: Any
    lsn: int
    lsn_text: str


class Chunk(NamedTuple):
    """Some rows of a table; `last` is the last one's key, None at the table's end."""

    changes: list[Change]
    size_bytes: int
    last: Key | None
    is_end: bool


def open_snapshot(link: Link, slot: str, waits: Waits, asking: Any) -> Snapshot:
    """A snapshot of now; waits for transactions that are open.

    Args:
        asking: A connection for questions who is waited for.
    Raises: Closing; as `Source.open`.
    """
    replication = link.connect_replication()
    try:
        own = f"{slot[:50]}_{replication.info.backend_pid}"

        def make() -> tuple[str, str]:
            with link.translated():
                cursor = replication.cursor()
                cursor.execute(
                    f"CREATE_REPLICATION_SLOT {quote_name(own)} TEMPORARY LOGICAL pgoutput"
                )
                _, lsn_text, name, _ = cursor.fetchone()
                return lsn_text, name

        lsn_text, name = waits.run(replication, asking, make)
        connection = link.connect_for_rows()
        try:
            with link.translated():
                cursor = connection.cursor()
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute(f"SET TRANSACTION SNAPSHOT {quote_text(name)}")
        except BaseException:
            connection.close()
            raise
    finally:
        replication.close()  # the slot goes with it; the snapshot lives on in the connection
    return Snapshot(connection, lsn_number(lsn_text), lsn_text)


def key_expression(link: Link, key: tuple[TableColumn, ...], values: Key | None = None) -> str:
    """The key's columns, or values in their place, as a row that SQL compares in their order."""
    parts = []
    for place, column in enumerate(key):
        text = quote_name(column.name)
        if values is not None:
            text = f"CAST({link.quote_value(raw_text(values[place]))} AS {column.type_name})"
        parts.append(text if column.collation is None else f"{text} COLLATE {column.collation}")
    return f"({', '.join(parts)})"


class TableReader:
    """Reads one table in a snapshot.

    Args:
        after: The key behind which it goes on; None: from the beginning.
        counted: Rows that the collector has read so far: they number the coordinates.
    """

    def __init__(
        self, link: Link, snapshot: Snapshot, table: Table, rows: Rows, *,
        after: Key | None, counted: int, clock: Clock,
    ) -> None:  # fmt: skip
        self._link = link
        self._snapshot = snapshot
        self._table = table
        self._rows = rows
        self._after = after
        self._clock = clock
        self.counted = counted
        self._lines: list[bytes] = []
        self._bytes = 0
        self._hand: Callable[[Chunk], None] = _nowhere

    def read(self, size: int, is_wanted: Callable[[], bool], hand: Callable[[Chunk], None]) -> None:
        """Hand over the rows to the table's end, in pieces, as the server sends them.

        Args:
            size: Rows of a query.
            hand: Takes a piece; until it returns the server waits. Without a key all but the last
                are of one piece.
        """
        self._hand = hand
        columns = ", ".join(quote_name(one.name) for one in self._table.columns)
        if not self._table.key:
            self._by_blocks(columns, size, is_wanted)
            return
        key = ", ".join(
            quote_name(one.name) if one.collation is None
            else f"{quote_name(one.name)} COLLATE {one.collation}"
            for one in self._table.key
        )  # fmt: skip
        while is_wanted():
            where = ""
            if self._after is not None:
                own, last = key_expression(self._link, self._table.key), self._after
                where = f"WHERE {own} > {key_expression(self._link, self._table.key, last)}"
            before = self.counted
            self._copy(columns, f"{where} ORDER BY {key} LIMIT {size}", is_wanted)
            if not is_wanted():
                return
            is_end = self.counted + len(self._lines) - before < size
            self._hand_over(is_end=is_end)
            if is_end:
                return

    def _by_blocks(self, columns: str, size: int, is_wanted: Callable[[], bool]) -> None:
        """All rows of a table without a key; ranges of its blocks are read one after the other."""
        table = self._link.quote_value(self._table.quoted)
        query = f"SELECT pg_relation_size({table}::regclass) / 8192"
        ((blocks,),) = self._link.query(self._snapshot.connection, query)
        step = max(1, size // 50)
        for first in range(0, blocks + 1, step):
            rest = f"WHERE ctid >= '({first},0)'::tid AND ctid < '({first + step},0)'::tid"
            self._copy(columns, rest, is_wanted)
            if not is_wanted():
                return
            self._hand_over(is_end=first + step > blocks)

    def _copy(self, columns: str, rest: str, is_wanted: Callable[[], bool]) -> None:
        """The rows of a query; pieces that are full are handed over, the rest is in `_lines`."""

        def take(line: bytes) -> None:
            if self._lines and (
                len(self._lines) >= PIECE_ROWS or self._bytes + len(line) > PIECE_BYTES
            ):
                self._hand_over(is_end=False)
            if not is_wanted():
                self._lines.clear()
                return  # what the server still sends of this query is let go
            self._lines.append(line)
            self._bytes += len(line)

        # Names in it are quoted, values too.
        sql = f"COPY (SELECT {columns} FROM ONLY {self._table.quoted} {rest}) TO STDOUT"  # noqa: S608
        self._link.copy_out(self._snapshot.connection, sql, take)

    def _hand_over(self, *, is_end: bool) -> None:
        lines, self._lines, self._bytes = self._lines, [], 0
        if not lines and not is_end:
            return
        chunk = self._chunk(lines, is_end=is_end)
        self._after = chunk.last or self._after
        self._hand(chunk)

    def _chunk(self, lines: list[bytes], *, is_end: bool) -> Chunk:
        now_ms = self._clock.now_ms()
        rows, lsn = self._rows, self._snapshot.lsn_text
        source = {"snapshot": True}
        changes: list[Change] = []
        cells: list[Any] = []
        size_bytes = 0
        for line in lines:
            cells = [*parse_copy_line(line)]
            size_bytes += len(line)
            try:
                row, _ = rows.row(cells)
            except Invalid as error:
                raw = rows.told(cells, line)
                changes.append(bad_change(rows, error, lsn, self.counted, now_ms, raw))
            else:
                changes.append(
                    Change(
                        "r", rows.table, rows.key_row(row), None, row, lsn, self.counted, now_ms,
                        rows.version, source,
                    )
                )  # fmt: skip
            self.counted += 1
        last = rows.key_of(cells) if lines and not is_end else None
        return Chunk(changes, size_bytes, last, is_end)


def _nowhere(_: Chunk) -> None:
    raise AssertionError("read() says where rows go")
