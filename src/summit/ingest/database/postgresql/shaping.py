"""From rows as PostgreSQL sends them to changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.ingest.database.changes import ROW_FAULTS, Change, Row, told_values
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
    type_oid: int


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
        self._hides = any(field.is_hidden for field in fields)

    def fits(self, key_shape: list[list[Any]] | None) -> bool:
        """Whether rows of a snapshot that was read by a key can be compared by the key of now."""
        own = [[self._fields[place].name, self._fields[place].type_oid] for place in self._places]
        return key_shape is None or own == [one[:2] for one in key_shape]

    def told(self, cells: Cells, raw: bytes) -> bytes:
        """What a dead letter shows of a row: `raw`, or what of it is not hidden."""
        if not self._hides:
            return raw
        return told_values(
            (field.name, cell)
            for field, cell in zip(self._fields, cells, strict=False)
            if not field.is_hidden and cell is not UNCHANGED
        )

    def whole(self, old_kind: str, old: Cells | None, new: Cells) -> Cells:
        """The new row with what it left out where the old one tells it."""
        if old is None or UNCHANGED not in new:
            return new
        return [
            was if now is UNCHANGED and (old_kind == "O" or field.is_identity) else now
            for field, was, now in zip(self._fields, old, new, strict=False)
        ]

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
            key: Its key, as the catalogue has it now, for the order of its columns. Which columns
                are of it the stream says, but for the full identity: then those of the catalogue
                are, if the table had them.
        """
        names = [column.name for column in relation.columns]
        identity = [column.name for column in relation.columns if column.is_identity]
        if relation.identity == "f":
            key = key if all(name in names for name in key) else []
        elif set(key) != set(identity):
            key = identity
        fields = [
            Field(
                one.name, decoder(one.type_oid), hides(f"{relation.table}.{one.name}"),
                one.is_identity, one.type_oid,
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
            Field(
                one.name, decoder(one.type_oid), hides(f"{table.qualified}.{one.name}"), True,
                one.type_oid,
            )
            for one in table.columns
        ]  # fmt: skip
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
        for (name, decode, is_hidden, _, _), cell in zip(self._fields, cells, strict=True):
            if is_hidden:
                continue
            if cell is None:
                row[name] = None
            elif cell is UNCHANGED:
                missing.append(name)
            else:
                try:
                    row[name] = decode(cell)  # type: ignore[arg-type]
                except ROW_FAULTS as error:
                    reason = f"{self.table}.{name}: {str(error)[:1_000]}"
                    raise Invalid("database.row", reason=reason) from error
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
        """The texts of the key's values; None without a key, or where not all were sent."""
        if not self.key:
            return None
        found = [cells[place] for place in self._places]
        return (
            [_plain(cell) for cell in found if isinstance(cell, bytes)]
            if all(isinstance(cell, bytes) for cell in found)
            else None
        )

    def key_row(self, row: Row | None) -> Row | None:
        """The key's columns of a row; None without a key, or where it is not whole."""
        if not self.key or row is None:
            return None
        try:
            return {name: row[name] for name in self.key}
        except KeyError:
            return None


def _plain(cell: bytes) -> str:
    r"""Text of a key as positions hold it: what is no UTF-8 is in hex behind a zero.

    >>> [raw_text(_plain(one)) for one in (b"a", b"a\xff")]
    ['a', 'a\udcff']
    """
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return "\0" + cell.hex()


def raw_text(text: str) -> str:
    """A value of a key as SQL has it; bytes that are no UTF-8 as surrogates."""
    if not text.startswith("\0"):
        return text
    return bytes.fromhex(text[1:]).decode(errors="surrogateescape")


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
