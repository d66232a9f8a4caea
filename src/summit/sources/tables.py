"""Rows of a table in memory: inline, or of a file that is read again when it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from summit.base.clock import Clock
from summit.documents.enrichment_sources import TablePlan
from summit.enrich.cache import AnswerCache
from summit.enrich.enriching import Found
from summit.enrich.table_files import read_table
from summit.enrich.tables import Lookup, compile_table, find_rows
from summit.sources.files import Reloaded


class InlineSource:
    """The rows that stand in the definition; see `Source`.

    Raises: Invalid("network.invalid", "enrichment.table").
    """

    cache: AnswerCache | None = None

    def __init__(self, plan: TablePlan) -> None:
        self._lookup = compile_table((plan.table or {}).items(), plan.match)

    def find_now(self, keys: Sequence[Any]) -> list[Found]:
        """What there is for each key."""
        return find_rows(self._lookup, keys)

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        return self.find_now(keys)

    async def close(self) -> None:
        """See `Source`."""


class FileSource:
    """The rows of a file; see `Source`.

    Raises: Invalid("network.invalid", "enrichment.table").
    """

    cache: AnswerCache | None = None

    def __init__(self, plan: TablePlan, clock: Clock) -> None:
        file = plan.file or ""

        def load() -> Lookup:
            return compile_table(read_table(file, plan.key_column), plan.match)

        self._rows = Reloaded(file, load, clock)

    def find_now(self, keys: Sequence[Any]) -> list[Found]:
        """What there is for each key, without a look whether the file has changed."""
        return find_rows(self._rows.made, keys)

    async def find(self, keys: Sequence[Any]) -> list[Found]:
        """See `Source`."""
        return find_rows(await self._rows.now(), keys)

    async def close(self) -> None:
        """See `Source`."""
        await self._rows.close()
