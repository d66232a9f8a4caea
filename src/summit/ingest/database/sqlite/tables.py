"""Tables of an SQLite database, and their rows as triggers and snapshots write them down.

A row is text: JSON arrays of up to a hundred columns, each with a letter per column before the
values, `[["itnrb", 7, "x", null, "0.1", "00FF"]]`: i(nteger), t(ext), n(ull), r(eal, all digits as
text), b(lob, as hex). JSON alone could not tell them apart, nor hold a blob.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from summit.ingest.database.changes import Row

_COLUMNS: Final = 100  # SQLite's functions may be built for no more than 127 arguments
_decode = msgspec.json.Decoder(list[list[Any]]).decode


class Table(NamedTuple):
    """A table.

    Attributes:
        columns: Names and declared types.
        key: Columns of the primary key, in its order.
        has_rowid: Whether its rows have numbers.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    has_rowid: bool

    @property
    def version(self) -> str:
        """Changes when the columns or the key do."""
        return blake2b(repr(self[1:]).encode(), digest_size=4).hexdigest()

    @property
    def rowid(self) -> str | None:
        """A name under which the row's number can be had; None when there is none."""
        taken = {name.lower() for name, _ in self.columns}
        return next((one for one in _ROWIDS if self.has_rowid and one not in taken), None)


def list_tables(connection: sqlite3.Connection) -> list[Table]:
    """The users' tables; views, virtual tables and what those keep are none."""
    found = connection.execute(
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_summit\\_%' ESCAPE '\\'"
        " ORDER BY name"
    ).fetchall()
    return [_describe(connection, name, has_rowid=not without) for name, without in found]


def _describe(connection: sqlite3.Connection, name: str, *, has_rowid: bool) -> Table:
    rows = connection.execute(
        "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden != 1 ORDER BY cid", (name,)
    ).fetchall()
    key = sorted((pk, column) for column, _, pk in rows if pk)
    columns = tuple((column, type_) for column, type_, _ in rows)
    return Table(name, columns, tuple(column for _, column in key), has_rowid)


def row_sql(table: Table, of: str) -> str:
    """An expression that writes a row down.

    Args:
        of: What stands before the columns: `NEW.`, `OLD.`, or nothing.
    """
    parts = []
    for first in range(0, len(table.columns), _COLUMNS):
        names = [of + quoted(name) for name, _ in table.columns[first : first + _COLUMNS]]
        letters = "||".join(f"substr(typeof({name}),1,1)" for name in names)
        values = ",".join(
            f"CASE typeof({name}) WHEN 'blob' THEN hex({name})"
            f" WHEN 'real' THEN printf('%!.17g',{name}) ELSE {name} END"
            for name in names
        )
        parts.append(f"json_array({letters},{values})")
    return f"json_array({','.join(parts)})"


def read_row(names: Sequence[str], text: bytes) -> Row:
    """The row that was written down. Raises ValueError."""
    row: Row = {}
    place = iter(names)
    for part in _decode(text):
        for letter, value in zip(part[0], part[1:], strict=True):
            read = _READERS.get(letter)
            row[next(place)] = value if read is None else read(value)
    return row


def quoted(name: str) -> str:
    """A name as SQL writes it.

    >>> quoted('odd"name')
    '"odd""name"'
    """
    return '"' + name.replace('"', '""') + '"'


def _real(text: str) -> float | str:
    """A number; what JSON cannot hold stays text."""
    value = float(text)
    return value if value - value == 0 else ("-Infinity" if value < 0 else "Infinity")


def _blob(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


_READERS: Final[dict[str, Callable[[Any], Any]]] = {"r": _real, "b": _blob}
_ROWIDS: Final = ("rowid", "_rowid_", "oid")
