"""pgoutput's messages, values and seams, without a server."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt
from summit.ingest.database.postgresql import pgoutput, seams
from summit.ingest.database.postgresql.pgoutput import UNCHANGED, decode
from summit.ingest.database.postgresql.values import Values, parse_array, parse_copy_line

CELLS = st.lists(st.one_of(st.none(), st.just(UNCHANGED), st.binary(max_size=40)), max_size=8)


def tuple_bytes(cells: list[object]) -> bytes:
    out = struct.pack(">H", len(cells))
    for cell in cells:
        if isinstance(cell, bytes):
            out += b"t" + struct.pack(">I", len(cell)) + cell
        else:
            out += b"n" if cell is None else b"u"
    return out


@given(CELLS, CELLS, st.sampled_from(["", "K", "O"]))
def test_rows(old: list[object], new: list[object], kind: str) -> None:
    oid = struct.pack(">I", 77)
    insert = decode(b"I" + oid + b"N" + tuple_bytes(new))
    assert insert == pgoutput.Rows("I", 77, "", None, new)
    first = b"" if not kind else kind.encode() + tuple_bytes(old)
    update = decode(b"U" + oid + first + b"N" + tuple_bytes(new))
    assert update == pgoutput.Rows("U", 77, kind, old if kind else None, new)
    delete = decode(b"D" + oid + b"K" + tuple_bytes(old))
    assert delete == pgoutput.Rows("D", 77, "K", old, None)


def test_the_other_messages() -> None:
    begin = decode(b"B" + struct.pack(">QqI", 1 << 40, 1_500_000, 9))
    assert begin == pgoutput.Begin(1 << 40, pgoutput.EPOCH_MS + 1_500, 9)
    commit = decode(b"C" + struct.pack(">BQQq", 0, 5, 8, 0))
    assert commit == pgoutput.Commit(5, 8)
    columns = b"\x01id\0" + struct.pack(">Ii", 23, -1) + b"\0note\0" + struct.pack(">Ii", 25, 7)
    relation = decode(b"R" + struct.pack(">I", 3) + b"public\0one\0d\0\x02" + columns)
    assert isinstance(relation, pgoutput.Relation)
    assert (relation.table, relation.identity) == ("public.one", "d")
    assert relation.columns[0] == pgoutput.Column("id", 23, is_identity=True, modifier=-1)
    assert relation.columns[1] == pgoutput.Column("note", 25, is_identity=False, modifier=7)
    assert decode(b"T" + struct.pack(">IBII", 2, 0, 3, 4)) == pgoutput.Truncate((3, 4))
    assert decode(b"M" + bytes(20)) is None


@given(st.binary(min_size=1, max_size=60), st.sampled_from(b"IUDBCRTMOYx"))
def test_garbage_is_an_error_and_nothing_else(data: bytes, kind: int) -> None:
    with contextlib.suppress(Corrupt):
        decode(bytes([kind]) + data)


def copy_field(field: bytes | None) -> bytes:
    if field is None:
        return b"\\N"
    for mark, text in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r")):
        field = field.replace(mark, text)
    return field


@given(st.lists(st.one_of(st.none(), st.binary()), min_size=1, max_size=5))
def test_lines_of_copy(fields: list[bytes | None]) -> None:
    assert parse_copy_line(b"\t".join(copy_field(one) for one in fields) + b"\n") == fields


@given(st.lists(st.one_of(st.none(), st.text(max_size=6), st.lists(st.text(), min_size=1))))
def test_arrays(items: list[str | list[str] | None]) -> None:
    def text(item: str | list[str] | None) -> str:
        if item is None:
            return "NULL"
        if isinstance(item, list):
            return "{" + ",".join(text(one) for one in item) + "}"
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'

    raw = "{" + ",".join(text(one) for one in items) + "}"
    assert parse_array(raw.encode(), bytes.decode) == items
    assert parse_array(b"[0:1]=" + raw.encode(), bytes.decode) == items


@pytest.mark.parametrize("raw", [b"", b"{", b"{1", b"{1,", b'{"a', b"{1}x", b"1}", b'{"a"b}'])
def test_no_arrays(raw: bytes) -> None:
    with pytest.raises(ValueError, match="array"):
        parse_array(raw, bytes.decode)


@pytest.mark.parametrize(
    ("oid", "raw", "value"),
    [
        (1700, b"1.50", 1.5), (1700, b"12", 12), (1700, b"NaN", "NaN"), (16, b"f", False),
        (701, b"-Infinity", "-Infinity"), (1184, b"infinity", "infinity"),
        (1184, b"2026-01-01 00:00:00+00", "2026-01-01T00:00:00Z"),
        (1231, b"{1,2.5}", [1, 2.5]), (17, b"\\x", ""), (50_000, b"{t,f}", [True, False]),
        (50_001, b"7", 7), (50_002, b"x", "x"),
    ],
)  # fmt: skip
def test_values(oid: int, raw: bytes, value: object) -> None:
    kinds = {50_000: ("array", 16), 50_001: ("domain", 23), 50_002: ("other", 0)}
    assert Values("number", kinds.__getitem__).decoder(oid)(raw) == value


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 60), st.integers(0, 80),
)  # fmt: skip
def test_seams(chunks: list[tuple[int, bool]], row: int, committed_at: int) -> None:
    """Against the obvious: who read the row, and when."""
    segments: seams.Segments = []
    read_at, lsn, first = None, 0, -1
    bounds = sorted({last for last, _ in chunks})
    for place, last in enumerate(bounds):
        lsn += 10 if chunks[place][1] or not lsn else 0  # a new snapshot, or the same
        segments = seams.add_chunk(segments, [str(last)], lsn)
        if first < row <= last:
            read_at = lsn
        first = last
    segments = seams.add_chunk(segments, None, lsn)
    if row > first:
        read_at = lsn
    assert seams.is_done(segments)
    assert read_at is not None
    counts = seams.counts(
        segments, [str(row)], committed_at, lambda key, last: int(key[0]) <= int(last[0])
    )
    assert counts == (committed_at >= read_at)


def test_without_the_extra() -> None:
    program = (
        "import sys; sys.modules['psycopg2'] = None\n"
        "from summit.ingest import make_collector\n"
        "from summit.ingest.database.kinds import make_source\n"
        "from summit.base.clock import SystemClock\n"
        "one = make_collector({'name': 'a', 'type': 'database', 'topic': 't',"
        " 'database': {'url': 'postgresql://h/d'}})\n"
        "try:\n    make_source(one.config, SystemClock())\n"
        "except Exception as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'summit-streams[postgresql]'" in done.stdout
