"""What the catalogue of a PostgreSQL database says of tables and types."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from summit.ingest.database.postgresql.link import Link, quote_name
from summit.ingest.database.postgresql.pgoutput import columns_version

_TABLES: Final = """
SELECT c.oid::int8, n.nspname::text, c.relname::text, c.reltuples::float8,
       c.relreplident = 'f' OR EXISTS (
         SELECT FROM pg_index i
          WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
            AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
                                    WHEN 'i' THEN i.indisreplident ELSE false END)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'
   AND (%s::int8 IS NULL OR c.oid = %s::int8::oid)
 ORDER BY 2, 3
"""
_COLUMNS: Final = """
SELECT a.attrelid::int8, a.attname::text, a.atttypid::int8, a.atttypmod,
       format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attcollation <> t.typcollation THEN
         (SELECT quote_ident(m.nspname) || '.' || quote_ident(l.collname)
            FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
           WHERE l.oid = a.attcollation) END,
       coalesce(array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum), -1),
       a.attgenerated::text
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisvalid
   AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
 WHERE a.attrelid = ANY(%s::int8[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""
_TYPE: Final = "SELECT typtype::text, typbasetype::int8, typelem::int8, typcategory::text, typdelim::text FROM pg_type WHERE oid = %s::int8::oid"  # noqa: E501


class TableColumn(NamedTuple):
    """A column; `key_place` is its place in the key, -1 outside."""

    name: str
    type_oid: int
    modifier: int
    type_name: str
    collation: str | None
    key_place: int


class Table(NamedTuple):
    """A table as it is now.

    Attributes:
        rows_estimate: What the planner thinks; below 0 = it does not know.
        has_identity: Whether the server can tell which row was changed; if not, it refuses UPDATE
            and DELETE once the table is published.
        key: Columns of its primary key, in the key's order; with REPLICA IDENTITY USING INDEX
            those of that index, as deletions tell no others.
    """

    oid: int
    schema: str
    name: str
    rows_estimate: int
    has_identity: bool
    columns: tuple[TableColumn, ...]
    key: tuple[TableColumn, ...]

    @property
    def qualified(self) -> str:
        """As events name it."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """As SQL names it."""
        return f"{quote_name(self.schema)}.{quote_name(self.name)}"

    @property
    def key_shape(self) -> list[list[Any]]:
        """What a place within its rows depends on: the key's names, types and collations."""
        return [[one.name, one.type_oid, one.collation] for one in self.key]

    @property
    def version(self) -> str:
        """Eight digits that change when columns do; the same as the stream's."""
        return columns_version([(one.name, one.type_oid, one.modifier) for one in self.columns])


def read_tables(link: Link, connection: Any, only: int | None = None) -> dict[str, Table]:
    """All tables of users, or one, by their qualified names."""
    rows = link.query(connection, _TABLES, only, only)
    columns: dict[int, list[TableColumn]] = {row[0]: [] for row in rows}
    for oid, name, type_oid, modifier, type_name, collation, place, generated in link.query(
        connection, _COLUMNS, list(columns)
    ):
        if not generated:  # the stream does not have them
            columns[oid].append(TableColumn(name, type_oid, modifier, type_name, collation, place))
    found = {}
    for oid, schema, name, estimate, has_identity in rows:
        key = sorted(
            (one for one in columns[oid] if one.key_place >= 0), key=lambda one: one.key_place
        )
        table = Table(
            oid, schema, name, int(estimate), has_identity, tuple(columns[oid]), tuple(key)
        )  # fmt: skip
        found[table.qualified] = table
    return found


def ask_type(link: Link, connection: Any, type_oid: int) -> tuple[str, int]:
    """What a type of users is: ("domain" | "array" | "other", oid of its base or elements)."""
    for kind, base_oid, element_oid, category, delimiter in link.query(connection, _TYPE, type_oid):
        if kind == "d":
            return "domain", base_oid
        if category == "A" and element_oid and delimiter == ",":
            return "array", element_oid
    return "other", 0
