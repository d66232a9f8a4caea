"""The messages of pgoutput, protocol 1, as bytes; and places in PostgreSQL's log.

    B  begin     commit LSN int64 · time int64 (µs since 2000) · xid int32
    C  commit    flags int8 · commit LSN int64 · end LSN int64 · time int64
    R  relation  oid int32 · schema 0 · name 0 · identity char · n int16 · n columns
                 column: flags int8 (1 = of the identity) · name 0 · type oid int32 · typmod int32
    I  insert    oid int32 · 'N' tuple
    U  update    oid int32 · ['K' tuple | 'O' tuple] · 'N' tuple
    D  delete    oid int32 · 'K' tuple | 'O' tuple
    T  truncate  n int32 · options int8 · n oids int32
    tuple: n int16 · n of ('n' null | 'u' unchanged TOAST | 't' int32 length, text)

Other messages (origin, type, logical message) say nothing of rows and are left out.
Source: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from summit.base.errors import Corrupt

EPOCH_MS: Final = 946_684_800_000  # 2000-01-01 in ms since 1970 UTC

_BEGIN: Final = struct.Struct(">QqI")
_COMMIT: Final = struct.Struct(">BQQq")
_LENGTH: Final = struct.Struct(">I")
_COUNT: Final = struct.Struct(">H")
_COLUMN: Final = struct.Struct(">Ii")
_NULL, _UNCHANGED, _TEXT = b"nut"

UNCHANGED: Final = object()  # a TOAST value that the update did not touch and that is not sent

Cells = list[bytes | object | None]  # text as bytes, None for null, or UNCHANGED


class Begin(NamedTuple):
    """A transaction begins; `lsn` is where it was committed."""

    lsn: int
    time_ms: int
    xid: int


class Commit(NamedTuple):
    """A transaction ends; `end_lsn` is behind its commit."""

    lsn: int
    end_lsn: int


class Column(NamedTuple):
    """A column of a relation."""

    name: str
    type_oid: int
    is_identity: bool
    modifier: int


class Relation(NamedTuple):
    """What the following rows of a table look like; `identity` is d, n, f or i."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]

    @property
    def table(self) -> str:
        """The qualified name."""
        return f"{self.schema}.{self.name}"

    @property
    def version(self) -> str:
        """Eight digits that change when columns do."""
        return columns_version([(one.name, one.type_oid, one.modifier) for one in self.columns])


class Rows(NamedTuple):
    """A change of one row: `kind` is I, U or D; `old_kind` K, O or nothing."""

    kind: str
    oid: int
    old_kind: str
    old: Cells | None
    new: Cells | None


class Truncate(NamedTuple):
    """Tables were emptied."""

    oids: tuple[int, ...]


Message = Begin | Commit | Relation | Rows | Truncate


def decode(data: bytes, to_utf8: Callable[[bytes], bytes] | None = None) -> Message | None:
    """One message; None for those that say nothing of rows.

    Args:
        to_utf8: Turns its texts, where the server has them in another encoding.
    Raises: Corrupt("database.protocol") for what is none.
    """
    try:
        if to_utf8 is None:
            return _decode(data)
        if data[0] == 82:  # R
            return _relation(data, to_utf8)
        message = _decode(data)
        if not isinstance(message, Rows):
            return message
        old, new = _turned(message.old, to_utf8), _turned(message.new, to_utf8)
        return message._replace(old=old, new=new)
    except (struct.error, IndexError, ValueError) as error:
        raise Corrupt("database.protocol", reason=f"{data[:40]!r}: {error}") from error


def _decode(data: bytes) -> Message | None:
    kind = data[0]
    if kind == 73:  # I
        new, _ = _cells(data, 6)
        return Rows("I", _LENGTH.unpack_from(data, 1)[0], "", None, new)
    if kind == 85:  # U
        (oid,) = _LENGTH.unpack_from(data, 1)
        mark, old, at = chr(data[5]), None, 6
        if mark in "KO":
            old, at = _cells(data, 6)
            at += 1
        new, _ = _cells(data, at)
        return Rows("U", oid, "" if old is None else mark, old, new)
    if kind == 68:  # D
        old, _ = _cells(data, 6)
        return Rows("D", _LENGTH.unpack_from(data, 1)[0], chr(data[5]), old, None)
    if kind == 66:  # B
        lsn, time_us, xid = _BEGIN.unpack_from(data, 1)
        return Begin(lsn, EPOCH_MS + time_us // 1000, xid)
    if kind == 67:  # C
        _, lsn, end_lsn, _ = _COMMIT.unpack_from(data, 1)
        return Commit(lsn, end_lsn)
    if kind == 82:  # R
        return _relation(data)
    if kind == 84:  # T
        (count,) = _LENGTH.unpack_from(data, 1)
        return Truncate(struct.unpack_from(f">{count}I", data, 6))
    if kind in b"OYM":
        return None
    raise ValueError("unknown kind of message")


def _cells(data: bytes, at: int) -> tuple[Cells, int]:
    (count,) = _COUNT.unpack_from(data, at)
    at += 2
    cells: Cells = []
    add = cells.append
    for _ in range(count):
        kind = data[at]
        if kind == _TEXT:
            start = at + 5
            at = start + int.from_bytes(data[at + 1 : start], "big")
            if at > len(data):
                raise ValueError("a value ends behind the message")
            add(data[start:at])
        else:
            at += 1
            if kind == _NULL:
                add(None)
            elif kind == _UNCHANGED:
                add(UNCHANGED)
            else:
                raise ValueError(f"a value of kind {kind}")
    return cells, at


def _turned(cells: Cells | None, to_utf8: Callable[[bytes], bytes]) -> Cells | None:
    if cells is None:
        return None
    return [to_utf8(cell) if isinstance(cell, bytes) else cell for cell in cells]


def _relation(data: bytes, to_utf8: Callable[[bytes], bytes] = bytes) -> Relation:
    (oid,) = _LENGTH.unpack_from(data, 1)
    schema, at = _text(data, 5, to_utf8)
    name, at = _text(data, at, to_utf8)
    identity = chr(data[at])
    (count,) = _COUNT.unpack_from(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        flags = data[at]
        column, at = _text(data, at + 1, to_utf8)
        type_oid, modifier = _COLUMN.unpack_from(data, at)
        at += 8
        columns.append(Column(column, type_oid, bool(flags & 1), modifier))
    return Relation(oid, schema or "pg_catalog", name, identity, tuple(columns))


def _text(data: bytes, at: int, to_utf8: Callable[[bytes], bytes]) -> tuple[str, int]:
    end = data.index(0, at)
    return to_utf8(data[at:end]).decode(), end + 1


def columns_version(columns: list[tuple[str, int, int]]) -> str:
    """Eight digits that stand for names, types and modifiers of columns."""
    return f"{zlib.crc32(repr(columns).encode()):08x}"


def lsn_text(lsn: int) -> str:
    """A place as PostgreSQL writes it.

    >>> lsn_text(0x16B374D848), lsn_number("16/B374D848") == 0x16B374D848
    ('16/B374D848', True)
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """A place of PostgreSQL's log as a number."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)
