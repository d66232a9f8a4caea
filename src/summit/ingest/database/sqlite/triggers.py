"""Triggers that write down each change, and the tables that they write to.

`_summit_changes` holds the changes in the order of their commits (SQLite has one writer at a time),
`_summit_changes_shapes` the columns that tables had when their triggers were made, and whose they
are. All of it changes in one transaction, so that no change falls between old and new triggers.

A table that had no triggers, as it is new or as somebody has dropped them, is written down whole:
its rows stand among the changes as rows of a snapshot. Of a table that got columns, those rows are
written down that have something in them: triggers of before did not see it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from summit.ingest.database.sqlite.tables import Table, list_tables, quoted, row_sql

NOW_MS: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


class Shape(NamedTuple):
    """A table as it was when its triggers were made; `current`: they are there now."""

    id: int
    table: Table
    current: bool


class Foreign(Exception):
    """The tables belong to another collector; its name."""


class Installed:
    """What one collector has in a database.

    Args:
        connection: Open, in autocommit mode.
        changes: Name of the table of changes.
        owner: The collector.
        wants: Which tables it wants.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        changes: str,
        owner: str,
        wants: Callable[[str], bool],
    ) -> None:
        self._db = connection
        self._changes = changes
        self._shapes = f"{changes}_shapes"
        self._owner = owner
        self._wants = wants
        self.shapes: dict[int, Shape] = {}

    def exists(self) -> bool:
        """Whether it was ever installed."""
        return bool(
            self._db.execute(
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
                (self._changes,),
            ).fetchone()[0]
        )

    def epoch(self) -> str:
        """A mark of this installation. Raises Foreign."""
        epoch, owner = self._db.execute(
            f"SELECT tbl, definition FROM {self._shapes} WHERE id = 0"
        ).fetchone()
        if owner != self._owner:
            raise Foreign(owner)
        return str(epoch)

    def last_seq(self) -> int:
        """The number of the newest change that was ever written down."""
        found = self._db.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (self._changes,)
        ).fetchone()
        return int(found[0]) if found is not None else 0

    def install(self, *, with_rows: bool) -> bool:
        """Make triggers for every wanted table that has none, and anew where columns changed.

        Args:
            with_rows: Whether the rows of tables without triggers are written down, too.
        Returns:
            Whether anything was changed.
        Raises: Foreign; sqlite3.Error.
        """
        if self.exists():
            self.epoch()
            self._load()
            if not self._differs():
                return False
        with_rows = with_rows and self.exists()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._create()
            self._load()
            self._bring_up(with_rows=with_rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._load()
        return True

    def remove(self) -> None:
        """Take everything away again. Raises Foreign."""
        if not self.exists():
            return
        self.epoch()
        self._db.execute("BEGIN IMMEDIATE")
        for name in self._triggers():
            self._db.execute(f"DROP TRIGGER {quoted(name)}")
        self._db.execute(f"DROP TABLE {self._changes}")
        self._db.execute(f"DROP TABLE {self._shapes}")
        self._db.execute("COMMIT")
        self.shapes = {}

    def load(self) -> None:
        """Learn the shapes, also those that were made meanwhile."""
        self._load()

    # ---- inside ----

    def _create(self) -> None:
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._changes} ("
            " seq INTEGER PRIMARY KEY AUTOINCREMENT, shape INTEGER NOT NULL, op TEXT NOT NULL,"
            " ts INTEGER NOT NULL, old_rowid INTEGER, new_rowid INTEGER, old TEXT, new TEXT)"
        )
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._shapes} (id INTEGER PRIMARY KEY, tbl TEXT NOT NULL,"
            " definition TEXT NOT NULL, current INTEGER NOT NULL)"
        )
        self._db.execute(
            f"INSERT OR IGNORE INTO {self._shapes} VALUES (0, ?, ?, 0)",
            (secrets.token_hex(8), self._owner),
        )

    def _load(self) -> None:
        rows = self._db.execute(f"SELECT * FROM {self._shapes} WHERE id > 0").fetchall()
        self.shapes = {
            id_: Shape(id_, msgspec.json.decode(definition, type=Table), bool(current))
            for id_, _, definition, current in rows
        }

    def _differs(self) -> bool:
        current = {one.table for one in self.shapes.values() if one.current}
        return current != set(self._wanted()) or self._triggers() != self._expected()

    def _wanted(self) -> list[Table]:
        return [one for one in list_tables(self._db) if self._wants(one.name)]

    def _triggers(self) -> set[str]:
        found = self._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB ?",
            (f"{self._changes}_[0-9]*_[cud]",),
        )
        return {name for (name,) in found}

    def _expected(self) -> set[str]:
        current = [one.id for one in self.shapes.values() if one.current]
        return {f"{self._changes}_{id_}_{op}" for id_ in current for op in "cud"}

    def _bring_up(self, *, with_rows: bool) -> None:
        there = self._triggers()
        wanted = {one.name: one for one in self._wanted()}
        kept: set[str] = set()
        for shape in [one for one in self.shapes.values() if one.current]:
            names = {f"{self._changes}_{shape.id}_{op}" for op in "cud"}
            table = wanted.get(shape.table.name)
            if table == shape.table and names <= there:
                kept.add(table.name)
                continue
            for name in names & there:
                self._db.execute(f"DROP TRIGGER {quoted(name)}")
            self._db.execute(f"UPDATE {self._shapes} SET current = 0 WHERE id = ?", (shape.id,))
            if table is None:
                self._note(shape.id, None)
            elif names <= there:
                kept.add(table.name)
                self._add(table, tell=True, rows=self._unseen(shape.table, table))
        for name, table in wanted.items():
            if name not in kept:
                self._add(table, tell=with_rows, rows="true" if with_rows else None)

    def _unseen(self, before: Table, after: Table) -> str | None:
        """Which rows have something in columns that triggers of before did not know."""
        known = {name for name, _ in before.columns}
        renamed = len(before.columns) >= len(after.columns)
        added = [] if renamed else [name for name, _ in after.columns if name not in known]
        defaults = dict(
            self._db.execute(
                "SELECT name, coalesce(dflt_value, 'NULL') FROM pragma_table_xinfo(?)"
                " WHERE hidden = 0", (after.name,),
            )
        )  # fmt: skip
        return (
            " OR ".join(
                f"{quoted(name)} IS NOT ({defaults[name]})" for name in added if name in defaults
            )
            or None
        )

    def _add(self, table: Table, *, tell: bool, rows: str | None) -> None:
        """A new shape of a table, with its triggers; and its rows of which `rows` is true."""
        (id_,) = self._db.execute(f"SELECT max(id) + 1 FROM {self._shapes}").fetchone()
        definition = msgspec.json.encode(table).decode()
        self._db.execute(
            f"INSERT INTO {self._shapes} VALUES (?, ?, ?, 1)", (id_, table.name, definition)
        )
        if tell:
            self._note(id_, definition)
        rowid = table.rowid
        numbered = {"NEW.": f"NEW.{rowid}" if rowid else "NULL"}
        numbered["OLD."] = f"OLD.{rowid}" if rowid else "NULL"
        new, old = row_sql(table, "NEW."), row_sql(table, "OLD.")
        for op, event, values in (
            ("c", "INSERT", f"NULL, {numbered['NEW.']}, NULL, {new}"),
            ("u", "UPDATE", f"{numbered['OLD.']}, {numbered['NEW.']}, {old}, {new}"),
            ("d", "DELETE", f"{numbered['OLD.']}, NULL, {old}, NULL"),
        ):
            self._db.execute(
                f"CREATE TRIGGER {quoted(f'{self._changes}_{id_}_{op}')} AFTER {event} ON"
                f" {quoted(table.name)} BEGIN INSERT INTO {self._into}"
                f" VALUES ({id_}, '{op}', {NOW_MS}, {values}); END"
            )
        if rows is not None:
            self._db.execute(
                f"INSERT INTO {self._into} SELECT {id_}, 'r', {NOW_MS}, NULL, {rowid or 'NULL'},"
                f" NULL, {row_sql(table, '')} FROM {quoted(table.name)} WHERE {rows}"
            )

    def _note(self, shape: int, definition: str | None) -> None:
        """Write down that the columns of a table changed; None: it is gone."""
        self._db.execute(
            f"INSERT INTO {self._into} VALUES (?, 's', {NOW_MS}, NULL, NULL, NULL, ?)",
            (shape, definition),
        )

    @property
    def _into(self) -> str:
        return f"{self._changes} (shape, op, ts, old_rowid, new_rowid, old, new)"
