"""Changes as sources tell them, and the envelope that they travel in.

    {"eventType": "database.update", "timestamp": 1700000000000,
     "source_id": "postgresql:shop", "schema_version": "5f0c2a91", "op_type": "u",
     "ts_source": 1700000000000, "commit_lsn": "0/16B3748", "before": {…}, "after": {…},
     "evidence_id": "database:shop:0/16B3748:3",
     "source": {"table": "public.orders", "sequence": 3, "tx": "771", "key": {"id": 7}, …}}

`op_type`: c(reate), u(pdate), d(elete), r(ow of the snapshot), t(runcate), s(chema change).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import SummitError

EVENT_TYPES: Final = {
    "c": "database.insert",
    "u": "database.update",
    "d": "database.delete",
    "r": "database.snapshot",
    "t": "database.truncate",
    "s": "database.schema",
}

# What one row may raise, whatever it holds: it is a dead letter, and the rest goes on.
ROW_FAULTS: Final = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError,
                     msgspec.MsgspecError, struct.error)  # fmt: skip

_encode: Final = msgspec.json.Encoder().encode

Row = dict[str, Any]  # values that JSON can hold


class Change(NamedTuple):
    """One change of one row, or of a table.

    Attributes:
        op: c, u, d, r, t or s.
        table: As the database qualifies it.
        key: The primary key's columns, in its order; None where the table has none.
        before: The row before, or what of it the database told; None when it told nothing.
        after: The row afterwards; of a schema change the table's columns.
        lsn: Where the change was committed, in the database's own notation. With `sequence` it is
            the change's coordinate: the same change must get the same one whenever it is read.
        sequence: The change's number there, from 0.
        ts_ms: When it was committed, milliseconds since 1970 UTC; of a snapshot's row: when read.
        schema_version: Changes when the table's columns do.
        source: What else the kind of database tells; members of the envelope's `source`.
        fault: Why it could not be read: then `raw` goes to the dead letters.
    """

    op: str
    table: str
    key: Row | None
    before: Row | None
    after: Row | None
    lsn: str
    sequence: int
    ts_ms: int
    schema_version: str = ""
    source: dict[str, Any] | None = None
    fault: SummitError | None = None
    raw: bytes = b""


def told_values(pairs: Iterable[tuple[str, object]]) -> bytes:
    """What a dead letter shows of a row that cannot be read, where columns of it are hidden.

    >>> told_values([("id", b"7"), ("n", None)])
    b'{"id":"7","n":null}'
    """
    return _encode({name: _told(value) for name, value in pairs})


def _told(value: object) -> str | None:
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else str(value).encode(errors="backslashreplace")
    return raw.decode(errors="backslashreplace")


class Enveloper:
    """Makes events of the changes of one collector.

    Args:
        source_id: The kind and the name of the database.
        collector: The collector's name.
    """

    def __init__(self, source_id: str, collector: str) -> None:
        self._source_id = source_id
        self._prefix = f"database:{collector}:"

    def coordinate(self, change: Change) -> str:
        """What no other change has: it becomes `summit.src`."""
        text = f"{self._prefix}{change.lsn}:{change.sequence}"
        if change.op == "s":  # several tables may be told of at one place
            return f"{text}:s:{change.table}"
        return f"{text}:r" if change.op == "r" else text  # rows count for themselves

    def event(self, change: Change, coordinate: str) -> dict[str, Any]:
        """The event of a change."""
        source: dict[str, Any] = {
            "table": change.table, "sequence": change.sequence, "key": change.key
        }  # fmt: skip
        if change.source is not None:
            source.update(change.source)
        return {
            "eventType": EVENT_TYPES[change.op],
            "timestamp": change.ts_ms,
            "source_id": self._source_id,
            "schema_version": change.schema_version,
            "op_type": change.op,
            "ts_source": change.ts_ms,
            "commit_lsn": change.lsn,
            "before": change.before,
            "after": change.after,
            "evidence_id": coordinate,
            "source": source,
        }


def record_key(table: str, key: Row | None) -> bytes:
    """The record key of a row: `["public.orders",7]`; of what has no key only the table."""
    return _encode([table] if key is None else [table, *key.values()])


def replaced_key(change: Change) -> Row | None:
    """The key under which a row is no more: it was deleted, or has another one now."""
    before, key = change.before, change.key
    if key is None or before is None or change.op not in "ud":
        return None
    old = {name: before.get(name) for name in key}
    return old if change.op == "d" or old != key else None
