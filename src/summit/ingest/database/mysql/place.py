"""Places in the binary log, as positions keep them. Pure.

    {"file": "mariadb-bin.000042", "offset": 328, "gtid": "0-1-270", "skip": 0, "server": 1,
     "snapshot": null, "since": {}}

`skip` rows after the place are written already: the place is where a transaction begins, and a
large one is written in pieces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Snapshot(msgspec.Struct, frozen=True):
    """How far a snapshot is.

    Attributes:
        done: Tables that are finished.
        table: The table that is being read; empty between tables.
        after: Its last key that is written, as the database writes it (bytes as `0x…`).
        rows: Rows written so far, of all tables.
    """

    done: tuple[str, ...] = ()
    table: str = ""
    after: tuple[str, ...] = ()
    rows: int = 0


class Seam(NamedTuple):
    """A later moment of a broken-off snapshot, and which rows of a table it read.

    Attributes:
        behind: Those above this key; empty: all. Changes of them before the moment are in it.
    """

    file: str
    offset: int
    behind: tuple[int, ...] = ()


class LogPlace(msgspec.Struct, frozen=True):
    """Where to go on.

    Attributes:
        file: Of the log; empty when only the GTID is known.
        offset: In that file, where a transaction begins.
        gtid: What was executed before it; empty without GTIDs.
        skip: Rows of captured tables from there that are written already.
        server: The server's number.
        snapshot: While there is one under way.
        since: Of tables that a broken-off snapshot came to later than the place: when.
        asked: The `startAt` that it began with.
    """

    file: str = ""
    offset: int = 4
    gtid: str = ""
    skip: int = 0
    server: int = 0
    snapshot: Snapshot | None = None
    since: dict[str, list[Seam]] = {}
    asked: str = ""

    @property
    def text(self) -> str:
        """For people."""
        place = f"{self.file}:{self.offset}" if self.file else ""
        return " ".join(one for one in (place, self.gtid) if one)

    def position(self) -> dict[str, Any]:
        """As the collector keeps it."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def place_of(position: dict[str, Any]) -> LogPlace:
    """The place in a position. Raises msgspec.ValidationError."""
    return msgspec.convert(position, LogPlace)


def is_before(file: str, offset: int, other: tuple[str, int]) -> bool:
    """Whether a place stands before another of the same server.

    >>> is_before("b.999999", 900, ("b.1000000", 4))
    True
    """
    return (_number(file), offset) < (_number(other[0]), other[1])


def advanced(gtid: str, more: str) -> str:
    """A MariaDB GTID state after one more transaction.

    >>> advanced("0-1-5,2-7-9", "0-3-6")
    '0-3-6,2-7-9'
    """
    if not more:
        return gtid
    state = {one.split("-", 1)[0]: one for one in gtid.split(",") if one}
    state[more.split("-", 1)[0]] = more
    return ",".join(state[domain] for domain in sorted(state, key=int))


def _number(file: str) -> int:
    return int(file.rpartition(".")[2] or 0)
