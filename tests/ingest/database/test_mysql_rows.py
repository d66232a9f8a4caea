"""Row images of the binary log, statements and places, without a server."""

from __future__ import annotations

import struct
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.ingest.database.mysql.charsets import Charset
from summit.ingest.database.mysql.place import LogPlace, Seam, Snapshot, place_of
from summit.ingest.database.mysql.rows import BadRow, ColumnType, RowDecoder, shortest_float
from summit.ingest.database.mysql.settings import MysqlOptions, default_server_id
from summit.ingest.database.mysql.statements import parse

ALL = b"\xff\xff"


def image(*values: bytes | None) -> bytes:
    """A row image: the bitmap of NULLs, then the values."""
    nulls = sum(1 << i for i, value in enumerate(values) if value is None)
    return nulls.to_bytes((len(values) + 7) // 8, "little") + b"".join(
        value for value in values if value is not None
    )


def decode(columns: list[ColumnType], data: bytes, **options: Any) -> list[Any]:
    return list(RowDecoder(columns, **options).rows(data, 0, len(data), [ALL]))


def text(value: str) -> bytes:
    raw = value.encode()
    return bytes([len(raw)]) + raw


@pytest.mark.parametrize(
    ("column", "raw", "expected"),
    [
        (ColumnType("c", 1), b"\xfb", -5),
        (ColumnType("c", 1, unsigned=True), b"\xfb", 251),
        (ColumnType("c", 9), b"\xff\xff\xff", -1),
        (ColumnType("c", 9, unsigned=True), b"\xff\xff\xff", 16_777_215),
        (ColumnType("c", 8, unsigned=True), b"\xff" * 8, 2**64 - 1),
        (ColumnType("c", 4), struct.pack("<f", 1.1), 1.1),
        (ColumnType("c", 5), struct.pack("<d", 2.5e300), 2.5e300),
        (ColumnType("c", 13), b"\x00", 0),
        (ColumnType("c", 13), b"\x63", 1999),
        (ColumnType("c", 10), b"\x00\x00\x00", "0000-00-00"),
        # -00:00:00.5 and -12:34:56.000001, as servers write them
        (ColumnType("c", 19, 1), b"\x7f\xff\xff\xce", "-00:00:00.5"),
        (ColumnType("c", 19, 6), b"\x7f\x37\x47\xff\xff\xff", "-12:34:56.000001"),
        (ColumnType("c", 17, 3), struct.pack(">I", 1_714_979_289) + b"\x13\x88", None),
        (ColumnType("c", 16, 2), b"\x00\x05", 5),
        (ColumnType("c", 247, 1, members=("x", "y")), b"\x02", "y"),
        (ColumnType("c", 247, 1, members=("x", "y")), b"\x00", ""),
        (ColumnType("c", 248, 1, members=("p", "q", "r")), b"\x05", ["p", "r"]),
        (ColumnType("c", 248, 1, members=("p", "q", "r")), b"\x00", []),
        (ColumnType("c", 254, 1, 4), b"\x01\x01", "AQAAAA=="),
        (ColumnType("c", 15, 2, charset=Charset("utf-8")), b"\x02\x00\xc3\xa9", "é"),
        (ColumnType("c", 15, 1, charset=Charset("cp1252")), b"\x01\xff", "ÿ"),
        (ColumnType("c", 245, 4), b"\x07\x00\x00\x00\x05\x2a\x00", None),
    ],
)
def test_values(column: ColumnType, raw: bytes, expected: Any) -> None:
    if column.code == 245:  # a JSON document that is the number 42
        raw, expected = b"\x03\x00\x00\x00\x05\x2a\x00", 42
    if column.code == 17:
        expected = "2024-05-06T07:08:09.500Z"
    assert decode([column], image(raw)) == [({"c": expected},)]


def packed_decimal(value: Decimal, precision: int, scale: int) -> bytes:
    """DECIMAL as MySQL stores it, written from its manual: nine digits in four bytes."""
    sizes = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    digits = str(abs(int(value.scaleb(scale, Context(prec=99))))).rjust(precision, "0")
    whole, fraction = digits[: precision - scale], digits[precision - scale :]
    first = len(whole) % 9
    groups = [whole[:first]] + [whole[i : i + 9] for i in range(first, len(whole), 9)]
    groups += [fraction[i : i + 9] for i in range(0, len(fraction), 9)]
    raw = bytearray(
        b"".join(int(one or 0).to_bytes(sizes[len(one)], "big") for one in groups if one)
    )
    if value.is_signed() and value != 0:
        raw = bytearray(byte ^ 0xFF for byte in raw)
    raw[0] ^= 0x80
    return bytes(raw)


@given(st.data())
def test_decimals(data: st.DataObject) -> None:
    precision = data.draw(st.integers(1, 65))
    scale = data.draw(st.integers(0, min(precision, 30)))
    number = data.draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    sign = "-" if number < 0 else ""
    digits = f"{abs(number):0{scale + 1}d}"
    expected = sign + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
    column = ColumnType("c", 246, precision, scale)
    raw = packed_decimal(Decimal(expected), precision, scale)
    assert decode([column], image(raw)) == [({"c": expected},)]
    assert decode([column], image(raw), exact=False) == [({"c": float(expected)},)]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_are_short_and_the_same(value: float) -> None:
    short = shortest_float(value)
    assert struct.pack("<f", short) == struct.pack("<f", value)
    assert len(repr(short)) <= len(repr(value))


def test_a_bad_row_stands_alone() -> None:
    columns = [
        ColumnType("a", 3),
        ColumnType("t", 15, 1, charset=Charset("utf-8")),
        ColumnType("n", 1),
    ]
    rows = [
        image(struct.pack("<i", 1), text("ä"), None),
        image(struct.pack("<i", 2), b"\x02\xff\xfe", b"\x07"),
        image(struct.pack("<i", 3), text(""), b"\x08"),
    ]
    good, bad, last = decode(columns, b"".join(rows))
    assert good == ({"a": 1, "t": "ä", "n": None},)
    assert isinstance(bad, BadRow)
    assert bad.raw == rows[1]
    assert "utf-8" in bad.reason
    assert last == ({"a": 3, "t": "", "n": 8},)


def test_a_row_that_is_cut_off_is_the_last() -> None:
    columns = [ColumnType("t", 15, 1, charset=Charset("utf-8"))]
    found = decode(columns, image(text("x")) + image(b"\x7fabc"))
    assert found[0] == ({"t": "x"},)
    assert [type(one) for one in found[1:]] == [BadRow]


def test_types_that_nobody_knows_are_refused() -> None:
    with pytest.raises(Invalid, match="140"):
        RowDecoder([ColumnType("c", 140)])


@pytest.mark.parametrize(
    ("text", "verb", "tables"),
    [
        ("TRUNCATE t", "truncate", ["d.t"]),
        ("truncate table `a``b`.`c d`", "truncate", ["a`b.c d"]),
        ("/* x */ -- y\nALTER TABLE t ADD COLUMN z INT, RENAME COLUMN a TO b", "alter", ["d.t"]),
        ("alter table t rename to x.u", "alter", ["d.t", "x.u"]),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS a.b (x int)", "create", ["a.b"]),
        ("DROP TABLE IF EXISTS `t`,`u` /* generated by server */", "drop", ["d.t", "d.u"]),
        ("drop database if exists shop", "drop database", ["shop.*"]),
        ("update t set a = 1", "rows", []),
        ("SAVEPOINT s", "", []),
        ("GRANT SELECT ON *.* TO cdc", "", []),
        ("create index i on t (a)", "", []),
        ("", "", []),
    ],
)
def test_statements(text: str, verb: str, tables: list[str]) -> None:
    found = parse(text, "d")
    assert (found.verb, [".".join(one) for one in found.tables]) == (verb, tables)


def test_places_go_through_json_and_back() -> None:
    place = LogPlace(
        "b.000001", 99, "0-1-7", 3, 1, Snapshot(("a.b",), "a.c", ("=1", "0xff"), 12),
        {"a.c": [Seam("b.000002", 4, (5,)), Seam("b.000003", 4)]}, "b.000001:4",
    )  # fmt: skip
    assert place_of(place.position()) == place


def test_options() -> None:
    assert MysqlOptions.from_dict({"startAt": "bin.000042:328"}).start() == {
        "file": "bin.000042", "offset": 328, "gtid": ""
    }  # fmt: skip
    assert MysqlOptions.from_dict({"startAt": "0-1-270"}).start() == {
        "file": "", "offset": 4, "gtid": "0-1-270"
    }  # fmt: skip
    for bad in ({"startAt": "now"}, {"serverId": 0}, {"caFile": "x"}):
        with pytest.raises(Invalid):
            MysqlOptions.from_dict(bad)
    assert 1_000_000_000 <= default_server_id("shop") < 2**31
