"""Where a collector is in a PostgreSQL database: the slot's log, and the tables that were read.

    {"system": "7312…", "lsn": 23900728, "seq": 4, "end": 23900100, "rows": 120000, "seek": "",
     "slot": "summit_shop",
     "tables": {"public.orders": {"version": "5f0c2a91", "segments": [[null, 23899000]],
                                  "key": [["id", 23, null]]}, …}}

`end`: the log up to here is written whole; `lsn`, `seq`: of the transaction that was committed
there, the changes up to this number. `rows`: rows of snapshots so far.
"""

from __future__ import annotations

from typing import Any, Self

from summit.ingest.database.postgresql import seams
from summit.ingest.database.postgresql.seams import Segments
from summit.ingest.database.source import Position

_WHOLE = 1 << 62  # as a number of a change: all of them


class Place:
    """A position that moves; on the source's thread only. Tables are replaced, never changed."""

    def __init__(self, system: str, end: int) -> None:
        self.system = system
        self.lsn = 0
        self.sequence = _WHOLE
        self.end = end
        self.rows = 0
        self.seek = ""
        self.slot = ""  # that holds the log for it; of an early version not known
        self._tables: dict[str, dict[str, Any]] = {}
        self._settled_lsn = 0

    @classmethod
    def of(cls, position: Position) -> Self:
        """That of a stored position."""
        place = cls(position["system"], position["end"])
        place.lsn = position["lsn"]
        place.sequence = position["seq"]
        place.rows = position["rows"]
        place.seek = position["seek"]
        place.slot = position.get("slot", "")
        place._tables = position["tables"]
        place._settle_up()
        return place

    def position(self) -> Position:
        """What is stored of it."""
        return {
            "system": self.system,
            "lsn": self.lsn,
            "seq": self.sequence,
            "end": self.end,
            "rows": self.rows,
            "seek": self.seek,
            "slot": self.slot,
            "tables": self._tables,
        }

    # ---- the stream ----

    def at_change(self, lsn: int, sequence: int) -> None:
        """A change is handed over."""
        self.lsn = lsn
        self.sequence = sequence

    def at_commit(self, lsn: int, end: int) -> None:
        """A transaction is handed over whole."""
        self.end = max(self.end, end)
        if lsn >= self.lsn:
            self.lsn = lsn
            self.sequence = _WHOLE

    def at_idle(self, end: int) -> None:
        """The log up to here has nothing more for us."""
        self.end = max(end, self.end)

    def seek_to(self, lsn: int, text: str) -> None:
        """Go to a place in the log."""
        self.lsn, self.sequence, self.end, self.seek = 0, _WHOLE, lsn, text

    # ---- tables ----

    @property
    def is_seamed(self) -> bool:
        """Whether tables were read in snapshots that the stream has not passed yet."""
        return self._settled_lsn > 0

    def knows(self, table: str) -> bool:
        """Whether a table was read, or begun."""
        return table in self._tables

    def is_done(self, table: str) -> bool:
        """Whether a table was read to its end."""
        entry = self._tables.get(table)
        return entry is not None and ("segments" not in entry or seams.is_done(entry["segments"]))

    def segments(self, table: str) -> Segments | None:
        """The seams of a table; None where it has none any more."""
        found: Segments | None = self._tables.get(table, {}).get("segments")
        return found

    def key_shape(self, table: str) -> list[list[Any]] | None:
        """By which key a table's segments were read; None where that is not known."""
        found: list[list[Any]] | None = self._tables.get(table, {}).get("key")
        return found

    def set_segments(
        self, table: str, version: str, segments: Segments, key_shape: list[list[Any]]
    ) -> None:
        """A chunk of a table was read, in the order of its key."""
        self._put(table, {"version": version, "segments": segments, "key": key_shape})
        self._settled_lsn = max(self._settled_lsn, seams.highest(segments))

    def follow(self, table: str, version: str) -> None:
        """A table is followed without being read."""
        self._put(table, {"version": version})

    def forget(self, table: str) -> None:
        """A table is to be read again."""
        self._tables = {name: one for name, one in self._tables.items() if name != table}

    def version(self, table: str) -> str | None:
        """The version of a table's columns that was told last."""
        found: str | None = self._tables.get(table, {}).get("version")
        return found

    def note_version(self, table: str, version: str) -> None:
        """A table has other columns now."""
        self._put(table, {**self._tables[table], "version": version})

    def settle(self, lsn: int) -> None:
        """A transaction that was committed here begins: seams before it are forgotten."""
        if self._settled_lsn and lsn >= self._settled_lsn:
            self._settled_lsn = 0
            self._tables = {
                name: {"version": entry["version"]} for name, entry in self._tables.items()
            }

    def _put(self, table: str, entry: dict[str, Any]) -> None:
        self._tables = {**self._tables, table: entry}

    def _settle_up(self) -> None:
        self._settled_lsn = max(
            (seams.highest(entry.get("segments") or []) for entry in self._tables.values()),
            default=0,
        )
