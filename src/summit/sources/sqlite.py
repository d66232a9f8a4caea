"""Rows of a table in an SQLite database: asked per key, or, by network, kept in memory."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from summit.base import limits
from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.enrich.tables import MISS, Lookup, by_domain, by_text, compile_table, find_rows
from summit.events.values import as_text
from summit.sources.files import Reloaded

_KEYS_AT_ONCE: Final = 500


class SqliteSource:
    """Reads a database that others may write meanwhile; see `Source`. Give the key an index.

    Raises: Invalid("enrichment.table") for what is no database, or has no such table and column.
    """

    cache: AnswerCache | None = None

    def __init__(self, plan: TablePlan, clock: Clock) -> None:
        self._path = plan.sqlite or ""
        self._is_domain = plan.match == "domain"
        table, self._column = _name(plan.sql_table), plan.key_column or ""
        self._all = f"SELECT * FROM {table}"  # noqa: S608 - a quoted name, no values
        self._some = f"{self._all} WHERE {_name(self._column)} IN "
        self._kept: Reloaded[Lookup] | None = None
        try:
            with closing(self._open()) as database:
                found = database.execute(f"{self._all} LIMIT 0").description
            if self._column not in [column[0] for column in found]:  # else it would be a text
                raise Invalid(
                    "enrichment.table", reason=f"{self._path}: no column '{self._column}'"
                )
            if plan.match == "cidr":
                self._kept = Reloaded(self._path, self._load, clock)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        if self._kept is not None:
            return find_rows(await self._kept.now(), keys)
        try:
            return await asyncio.to_thread(self._look_up, keys)
        except sqlite3.Error as error:
            return [Found("error", reason=f"{self._path}: {error}")] * len(keys)

    async def close(self) -> None:
        """See `Source`."""
        if self._kept is not None:
            await self._kept.close()

    def _look_up(self, keys: Sequence[Any]) -> list[Found]:
        names = list(dict.fromkeys(name for key in keys for name in self._names(key)))
        rows: dict[str, dict[str, Any]] = {}
        with closing(self._open()) as database:
            for at in range(0, len(names), _KEYS_AT_ONCE):
                some = names[at : at + _KEYS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                for row in database.execute(f"{self._some} ({marks})", some):
                    rows[as_text(row[self._column]) or ""] = _plain(row)
        get = lambda name: rows.get(name, MISS)  # noqa: E731
        return find_rows((by_domain if self._is_domain else by_text)(get), keys)

    def _names(self, key: Any) -> Iterable[str]:
        text = as_text(key)
        if text is None:
            return
        if not self._is_domain:
            yield text
            return
        name = text.strip().lower().rstrip(".")
        while name and len(text) <= 255:
            yield name
            name = name.partition(".")[2]

    def _load(self) -> Lookup:
        try:
            with closing(self._open()) as database:
                return compile_table(self._rows(database), "cidr")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _rows(self, database: sqlite3.Connection) -> Iterator[tuple[str, Any]]:
        for number, row in enumerate(database.execute(self._all)):
            if number >= limits.LOOKUP_ROWS_MAX:
                reason = f"{self._path}: more than {limits.LOOKUP_ROWS_MAX:,} rows"
                raise Invalid("enrichment.table", reason=reason)
            yield str(row[self._column]), _plain(row)

    def _open(self) -> sqlite3.Connection:
        path = Path(self._path).resolve().as_uri()
        database = sqlite3.connect(f"{path}?mode=ro", uri=True, timeout=1.0)
        database.row_factory = sqlite3.Row
        return database

    def _unusable(self, error: Exception) -> Invalid:
        return Invalid("enrichment.table", reason=f"{self._path}: {error}")


def _name(text: str | None) -> str:
    """A name of the database, quoted."""
    return '"' + (text or "").replace('"', '""') + '"'


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in zip(row.keys(), tuple(row), strict=True)
    }
