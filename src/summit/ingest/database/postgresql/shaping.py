"""From rows as PostgreSQL sends them to changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.ingest.database.changes import Change, Row
from summit.ingest.database.postgresql.pgoutput import UNCHANGED, Cells, Relation
from summit.ingest.database.postgresql.seams import Key
from summit.ingest.database.postgresql.tables import Table
from summit.ingest.database.postgresql.values import Decoder

_INTEGERS: Final = frozenset((20, 21, 23))


class Field(NamedTuple):
    """A column of a followed table."""

    name: str
    decode: Decoder
    is_hidden: bool
    is_identity: bool


class Rows:
    """Makes rows of one table, as its columns are now.

    Attributes:
        table: Its qualified name.
        version: Of its columns.
        key: Names of the columns of its key, in order; none without one.
    """

    def __init__(
        self, table: str, version: str, fields: list[Field], key: list[str], is_full: bool
    ) -> None:
        self.table = table
        self.version = version
        self.key = key
        self._fields = fields
        self._is_full = is_full
        names = [field.name for field in fields]
        self._places = [names.index(name) for name in key if name in names]

    @classmethod
    def of_relation(
        cls,
        relation: Relation,
        key: list[str],
        decoder: Callable[[int], Decoder],
        hides: Callable[[str], bool],
    ) -> Rows:
        """Of a table as the stream describes it.

        Args:
            key: Its primary key, as the catalogue has it; a column that the stream's table has not
                makes the identity's columns the key.
        """
        names = [column.name for column in relation.columns]
        identity = [column.name for column in relation.columns if column.is_identity]
        if not key or any(name not in names for name in key):
            key = [] if relation.identity == "f" else identity
        fields = [
            Field(
                one.name, decoder(one.type_oid), hides(f"{relation.table}.{one.name}"),
                one.is_identity,
            )
            for one in relation.columns
        ]  # fmt: skip
        return cls(relation.table, relation.version, fields, key, relation.identity == "f")

    @classmethod
    def of_table(
        cls, table: Table, decoder: Callable[[int], Decoder], hides: Callable[[str], bool]
    ) -> Rows:
        """Of a table as the catalogue describes it."""
        fields = [
            Field(one.name, decoder(one.type_oid), hides(f"{table.qualified}.{one.name}"), True)
            for one in table.columns
        ]
        key = [one.name for one in table.key]
        return cls(table.qualified, table.version, fields, key, True)

    def row(self, cells: Cells) -> tuple[Row, list[str]]:
        """The row of a tuple, and the columns whose values were not sent.

        Raises: Invalid("database.row").
        """
        row: Row = {}
        missing: list[str] = []
        if len(cells) != len(self._fields):
            raise Invalid("database.row", reason=f"{len(cells)} values for {len(self._fields)}")
        for (name, decode, is_hidden, _), cell in zip(self._fields, cells, strict=True):
            if is_hidden:
                continue
            if cell is None:
                row[name] = None
            elif cell is UNCHANGED:
                missing.append(name)
            else:
                try:
                    row[name] = decode(cell)  # type: ignore[arg-type]
                except (ValueError, IndexError) as error:
                    raise Invalid("database.row", reason=f"{self.table}.{name}: {error}") from error
        return row, missing

    def old_row(self, cells: Cells) -> Row:
        """The row before, as far as it is told: with a key as identity only the key's columns."""
        row, _ = self.row(cells)
        if self._is_full:
            return row
        return {
            field.name: row[field.name]
            for field in self._fields
            if field.is_identity and field.name in row
        }

    def key_of(self, cells: Cells) -> Key | None:
        """The texts of the key's values; None without a key."""
        if not self.key:
            return None
        return [_plain(cells[place]) for place in self._places]

    def key_row(self, row: Row | None) -> Row | None:
        """The key's columns of a row; None without a key, or where it is not whole."""
        if not self.key or row is None:
            return None
        try:
            return {name: row[name] for name in self.key}
        except KeyError:
            return None


def _plain(cell: Any) -> str:
    return cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else ""


def integer_order(table: Table) -> Callable[[Key, Key], bool] | None:
    """Compares keys of a table without asking the server; None where only it can."""
    if not all(column.type_oid in _INTEGERS for column in table.key):
        return None

    def at_most(key: Key, last: Key) -> bool:
        return [int(one) for one in key] <= [int(one) for one in last]

    return at_most


def bad_change(
    rows: Rows, fault: Invalid, lsn: str, sequence: int, ts_ms: int, raw: bytes
) -> Change:
    """What stands for a row that cannot be read."""
    return Change(
        "u", rows.table, None, None, None, lsn, sequence, ts_ms, rows.version, fault=fault, raw=raw
    )
