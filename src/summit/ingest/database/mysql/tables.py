"""Tables as the database's catalogue has them: columns, declared types, primary keys."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple

from summit.ingest.database.mysql.link import Connection, query

SYSTEM: Final = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year"})
# Keys of these types are compared as they are ordered, so that a table can be read in chunks.
_ORDERED: Final = frozenset(
    {
        "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "char", "varchar", "binary",
        "varbinary", "date", "datetime", "timestamp", "time", "year", "uuid", "inet6", "inet4",
    }
)  # fmt: skip


class Column(NamedTuple):
    """A column.

    Attributes:
        type: `varchar`.
        full_type: The type with all that it says, `varchar(20)`.
        charset: Of text; empty for others.
    """

    name: str
    type: str
    full_type: str
    charset: str = ""


class Table(NamedTuple):
    """A table.

    Attributes:
        key: Columns of the primary key, in its order.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def qualified(self) -> str:
        """Its name with its database: `shop.orders`."""
        return f"{self.schema}.{self.name}"

    @property
    def shape(self) -> dict[str, str]:
        """Its columns and their types."""
        return {one.name: one.full_type for one in self.columns}

    @property
    def has_numbers(self) -> bool:
        """Whether its key is of integers, which compare here as they do there."""
        types = {one.name: one.type for one in self.columns}
        return bool(self.key) and all(types[name] in INTEGERS for name in self.key)

    @property
    def has_chunks(self) -> bool:
        """Whether it can be read piece by piece, in the order of its key."""
        types = {one.name: one.type for one in self.columns}
        return bool(self.key) and all(types[name] in _ORDERED for name in self.key)


def names(connection: Connection, schema: str) -> list[tuple[str, str]]:
    """Database and name of every table that is the users', or of those of one database."""
    found = query(
        connection,
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_schema, table_name",
    )
    return [
        (one, name)
        for one, name in found
        if one.lower() not in SYSTEM and (not schema or one == schema)
    ]


def describe(connection: Connection, schema: str, name: str) -> Table | None:
    """A table as it is now; None when there is none."""
    found = query(
        connection,
        "SELECT column_name, data_type, column_type, character_set_name"
        " FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        schema, name,
    )  # fmt: skip
    if not found:
        return None
    key = query(
        connection,
        "SELECT column_name FROM information_schema.statistics WHERE table_schema = %s"
        " AND table_name = %s AND index_name = 'PRIMARY' ORDER BY seq_in_index",
        schema, name,
    )  # fmt: skip
    columns = tuple(
        Column(column, _text(type_).lower(), _text(full), (charset or "").lower())
        for column, type_, full, charset in found
    )
    return Table(schema, name, columns, tuple(one for (one,) in key))


def told(shape: dict[str, str], key: tuple[str, ...]) -> dict[str, Any]:
    """A table's columns and key as schema events tell them."""
    columns = [{"name": name, "type": type_} for name, type_ in shape.items()]
    return {"columns": columns, "key": list(key)}


def version_of(shape: dict[str, str]) -> str:
    """A mark of columns and types: the envelope's `schema_version`."""
    return blake2b(repr(shape).encode(), digest_size=4).hexdigest()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
