"""Row images of the binary log as JSON values. Pure; the formats are those of MySQL's row events.

The package that reads the log can decode rows, too; ours is several times as fast, names the one
row that is bad, and keeps what it loses (zero dates, negative times with a fraction, the zeros at
the end of BINARY, the exact FLOAT).

Values: integers, floats and NULL as such; DECIMAL as text with all its digits; DATETIME as
`2024-01-02T03:04:05.120` without a zone, TIMESTAMP the same in UTC with `Z`, DATE, TIME as text;
zero dates as the database writes them (`0000-00-00`); BIT as an integer; SET as a list; binary
columns as base64; UUID and INET6 as text.
"""

from __future__ import annotations

import base64
import struct
from codecs import charmap_decode
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, NamedTuple
from uuid import UUID

from summit.base.errors import Invalid
from summit.ingest.database.changes import ROW_FAULTS
from summit.ingest.database.mysql.charsets import LENIENT, Charset

Row = dict[str, Any]
_Reader = Callable[[bytes, int], tuple[Any, int]]


class ColumnType(NamedTuple):
    """One column of a table as the binary log describes it.

    Attributes:
        code: MySQL's type code.
        size: Bytes of the length (strings, blobs) or of the value (ENUM, SET, BIT), digits of the
            fraction (times), or digits in all (DECIMAL).
        scale: Digits after the point of a DECIMAL; the length of a BINARY that is padded.
        charset: How text is decoded; None for bytes.
        members: Of an ENUM (from 1) or a SET.
        declared: What the table itself calls the type, where that says more (`uuid`, `inet6`).
    """

    name: str
    code: int
    size: int = 0
    scale: int = 0
    unsigned: bool = False
    charset: Charset | None = None
    members: tuple[str, ...] = ()
    declared: str = ""


class BadRow(NamedTuple):
    """A row that cannot be read.

    Attributes:
        raw: Its bytes in the row event.
        reason: What is wrong with it.
        rows: Its images with every byte of a text for a character; empty where not even that is
            possible: then `raw` holds all that follows in the event, too.
    """

    raw: bytes
    reason: str
    rows: tuple[Row, ...] = ()


class RowDecoder:
    """Reads the row images of one table.

    Args:
        exact: DECIMAL as text with all its digits; else as a number.
    Raises: Invalid("database.row") for a type that is not known.
    """

    def __init__(self, columns: Sequence[ColumnType], *, exact: bool = True) -> None:
        if not exact:
            columns = [
                one._replace(declared="number") if one.code == _DECIMAL else one for one in columns
            ]
        self._strict = [(one.name, _reader(one)) for one in columns]
        self._lenient = [
            (one.name, _reader(one._replace(charset=LENIENT) if one.charset else one))
            for one in columns
        ]

    def rows(
        self, data: bytes, start: int, stop: int, images: Sequence[bytes]
    ) -> Iterator[tuple[Row, ...] | BadRow]:
        """The rows between two places of an event: one dictionary per image.

        Args:
            images: Which columns each image holds, as bitmaps: one, or two for updates.
        """
        strict = [self._present(self._strict, one) for one in images]
        position = start
        while position < stop:
            begin = position
            try:
                found = []
                for readers in strict:
                    row, position = _image(data, position, readers)
                    found.append(row)
                if position > stop:
                    raise IndexError("the row goes beyond its event")
                yield tuple(found)
            except UnicodeDecodeError as error:
                rows, position = self._as_bytes(data, begin, images)
                yield BadRow(data[begin:position], f"text that is none: {error}", rows)
            except ROW_FAULTS as error:
                yield BadRow(data[begin:stop], repr(error)[:1_000])
                return

    def _as_bytes(
        self, data: bytes, position: int, images: Sequence[bytes]
    ) -> tuple[tuple[Row, ...], int]:
        """The images with every byte of a text for a character, and where they end."""
        found = []
        for one in images:
            row, position = _image(data, position, self._present(self._lenient, one))
            found.append(row)
        return tuple(found), position

    @staticmethod
    def _present(readers: list[tuple[str, _Reader]], bitmap: bytes) -> list[tuple[str, _Reader]]:
        return [one for i, one in enumerate(readers) if bitmap[i >> 3] & (1 << (i & 7))]


def shortest_float(value: float) -> float:
    """The shortest decimal that is the same FLOAT (four bytes).

    >>> shortest_float(1.100000023841858)
    1.1
    """
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return float(f"{value:.9g}")


def _image(data: bytes, position: int, readers: list[tuple[str, _Reader]]) -> tuple[Row, int]:
    length = (len(readers) + 7) >> 3
    nulls = int.from_bytes(data[position : position + length], "little")
    position += length
    row: Row = {}
    for name, read in readers:
        if nulls & 1:
            row[name] = None
        else:
            row[name], position = read(data, position)
        nulls >>= 1
    return row, position


# ---- a reader for each type ----


def _reader(column: ColumnType) -> _Reader:
    made = _MAKERS.get(column.code)
    if made is None:
        reason = f"column '{column.name}' has the type {column.code}, which is not known"
        raise Invalid("database.row", reason=reason)
    return made(column)


def _integer(signed: str, unsigned: str) -> Callable[[ColumnType], _Reader]:
    def make(column: ColumnType) -> _Reader:
        form = struct.Struct("<" + (unsigned if column.unsigned else signed))
        unpack, size = form.unpack_from, form.size
        return lambda data, at: (unpack(data, at)[0], at + size)

    return make


def _integer3(column: ColumnType) -> _Reader:
    signed = not column.unsigned
    return lambda data, at: (int.from_bytes(data[at : at + 3], "little", signed=signed), at + 3)


def _float(_: ColumnType) -> _Reader:
    unpack = struct.Struct("<f").unpack_from
    return lambda data, at: (shortest_float(unpack(data, at)[0]), at + 4)


def _double(_: ColumnType) -> _Reader:
    unpack = struct.Struct("<d").unpack_from
    return lambda data, at: (unpack(data, at)[0], at + 8)


def _text(column: ColumnType) -> _Reader:
    width, charset = column.size, column.charset
    if charset is None:
        return _binary(column)
    codec, table = charset
    if table:

        def by_table(data: bytes, at: int) -> tuple[str, int]:
            begin = at + width
            end = begin + int.from_bytes(data[at:begin], "little")
            return charmap_decode(data[begin:end], "strict", table)[0], end

        return by_table
    if width == 1:

        def short(data: bytes, at: int) -> tuple[str, int]:
            end = at + 1 + data[at]
            return data[at + 1 : end].decode(codec), end

        return short

    def read(data: bytes, at: int) -> tuple[str, int]:
        begin = at + width
        end = begin + int.from_bytes(data[at:begin], "little")
        return data[begin:end].decode(codec), end

    return read


def _binary(column: ColumnType) -> _Reader:
    width, pad = column.size, column.scale
    show = _DECLARED.get(column.declared, _base64)

    def read(data: bytes, at: int) -> tuple[str, int]:
        begin = at + width
        end = begin + int.from_bytes(data[at:begin], "little")
        return show(data[begin:end].ljust(pad, b"\0")), end

    return read


def _decimal(column: ColumnType) -> _Reader:
    whole, fraction = divmod(column.size - column.scale, 9), divmod(column.scale, 9)
    groups = (
        *([(_DIGIT_BYTES[whole[1]], whole[1])] if whole[1] else []), *([(4, 9)] * whole[0]),
    )  # fmt: skip
    parts = (
        *([(4, 9)] * fraction[0]),
        *([(_DIGIT_BYTES[fraction[1]], fraction[1])] if fraction[1] else []),
    )  # fmt: skip
    total = sum(size for size, _ in (*groups, *parts))

    def read(data: bytes, at: int) -> tuple[str, int]:
        raw = bytearray(data[at : at + total])
        negative = not raw[0] & 0x80
        raw[0] ^= 0x80
        if negative:
            raw = bytearray(byte ^ 0xFF for byte in raw)
        place, left, right = 0, "", ""
        for size, digits in groups:
            left += f"{int.from_bytes(raw[place : place + size], 'big'):0{digits}d}"
            place += size
        for size, digits in parts:
            right += f"{int.from_bytes(raw[place : place + size], 'big'):0{digits}d}"
            place += size
        text = (left.lstrip("0") or "0") + ("." + right if right else "")
        return ("-" + text if negative else text), at + total

    if column.declared != "number":
        return read

    def read_number(data: bytes, at: int) -> tuple[float, int]:
        text, at = read(data, at)
        return float(text), at

    return read_number


def _json(column: ColumnType) -> _Reader:
    from pymysqlreplication.json_binary import parse_json

    width = column.size

    def read(data: bytes, at: int) -> tuple[Any, int]:
        begin = at + width
        end = begin + int.from_bytes(data[at:begin], "little")
        raw = data[begin:end]
        return (_plain(parse_json(raw[0], raw[1:])) if raw else None), end

    return read


def _plain(value: Any) -> Any:
    """A value of a JSON document with text instead of bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def _year(_: ColumnType) -> _Reader:
    return lambda data, at: (data[at] + 1900 if data[at] else 0, at + 1)


def _date(_: ColumnType) -> _Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        value = int.from_bytes(data[at : at + 3], "little")
        return f"{value >> 9:04d}-{value >> 5 & 15:02d}-{value & 31:02d}", at + 3

    return read


def _datetime(column: ColumnType) -> _Reader:
    digits, extra = column.size, (column.size + 1) >> 1

    def read(data: bytes, at: int) -> tuple[str, int]:
        value = int.from_bytes(data[at : at + 5], "big") & 0x7FFFFFFFFF
        year, month = divmod(value >> 22, 13)
        end = at + 5 + extra
        return (
            f"{year:04d}-{month:02d}-{value >> 17 & 31:02d}T{value >> 12 & 31:02d}:"
            f"{value >> 6 & 63:02d}:{value & 63:02d}{_fraction(data[at + 5 : end], digits)}"
        ), end

    return read


def _timestamp(column: ColumnType) -> _Reader:
    digits, extra = column.size, (column.size + 1) >> 1

    def read(data: bytes, at: int) -> tuple[str, int]:
        end = at + 4 + extra
        return utc_text(
            int.from_bytes(data[at : at + 4], "big"), _fraction(data[at + 4 : end], digits)
        ), end

    return read


def _time(column: ColumnType) -> _Reader:
    digits, extra = column.size, (column.size + 1) >> 1
    zero = 0x800000 << (8 * extra)

    def read(data: bytes, at: int) -> tuple[str, int]:
        end = at + 3 + extra
        value = int.from_bytes(data[at:end], "big") - zero
        sign, value = ("-", -value) if value < 0 else ("", value)
        part = (value & ((1 << 8 * extra) - 1)).to_bytes(extra, "big")
        value >>= 8 * extra
        clock = f"{value >> 12 & 1023:02d}:{value >> 6 & 63:02d}:{value & 63:02d}"
        return f"{sign}{clock}{_fraction(part, digits)}", end

    return read


def _old_datetime(_: ColumnType) -> _Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        text = f"{int.from_bytes(data[at : at + 8], 'little'):014d}"
        day, clock = (
            f"{text[:4]}-{text[4:6]}-{text[6:8]}",
            f"{text[8:10]}:{text[10:12]}:{text[12:]}",
        )
        return f"{day}T{clock}", at + 8

    return read


def _old_timestamp(_: ColumnType) -> _Reader:
    return lambda data, at: (utc_text(int.from_bytes(data[at : at + 4], "little"), ""), at + 4)


def _old_time(_: ColumnType) -> _Reader:
    def read(data: bytes, at: int) -> tuple[str, int]:
        value = int.from_bytes(data[at : at + 3], "little", signed=True)
        sign, value = ("-", -value) if value < 0 else ("", value)
        return f"{sign}{value // 10000:02d}:{value // 100 % 100:02d}:{value % 100:02d}", at + 3

    return read


def _bit(column: ColumnType) -> _Reader:
    size = column.size
    return lambda data, at: (int.from_bytes(data[at : at + size], "big"), at + size)


def _enum(column: ColumnType) -> _Reader:
    size, members = column.size, ("", *column.members)
    return lambda data, at: (members[int.from_bytes(data[at : at + size], "little")], at + size)


def _set(column: ColumnType) -> _Reader:
    size, members = column.size, column.members

    def read(data: bytes, at: int) -> tuple[list[str], int]:
        mask = int.from_bytes(data[at : at + size], "little")
        return [one for i, one in enumerate(members) if mask >> i & 1], at + size

    return read


def _fraction(raw: bytes, digits: int) -> str:
    if not digits:
        return ""
    value = int.from_bytes(raw, "big")
    return f".{value // 10 if digits & 1 else value:0{digits}d}"


def utc_text(seconds: int, fraction: str) -> str:
    """A TIMESTAMP as text; 0 is the zero date.

    >>> utc_text(1714979289, ".5")
    '2024-05-06T07:08:09.5Z'
    """
    if not seconds and not fraction.strip(".0"):
        return f"0000-00-00T00:00:00{fraction}Z"
    days, rest = divmod(seconds, 86_400)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    year += era * 400 + (month <= 2)
    return (
        f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:"
        f"{rest % 60:02d}{fraction}Z"
    )


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _inet6(raw: bytes) -> str:
    address = IPv6Address(raw)
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else str(address)


_DECLARED: Final[dict[str, Callable[[bytes], str]]] = {
    "uuid": lambda raw: str(UUID(bytes=raw)),
    "inet6": _inet6,
    "inet4": lambda raw: str(IPv4Address(raw)),
}
_DECIMAL: Final = 246
_DIGIT_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_MAKERS: Final[dict[int, Callable[[ColumnType], _Reader]]] = {
    1: _integer("b", "B"), 2: _integer("h", "H"), 3: _integer("i", "I"), 8: _integer("q", "Q"),
    4: _float, 5: _double, 7: _old_timestamp, 9: _integer3, 10: _date, 11: _old_time,
    12: _old_datetime, 13: _year, 15: _text, 16: _bit, 17: _timestamp, 18: _datetime, 19: _time,
    _DECIMAL: _decimal, 245: _json, 247: _enum, 248: _set, 252: _text, 254: _text, 255: _binary,
}  # fmt: skip
