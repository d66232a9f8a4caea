"""Lines with positions, against splitting the whole content at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.ingest.files import lines as module
from summit.ingest.files.lines import Line, LineReader
from summit.ingest.files.source import SourceFile


def read_all(path: Path, max_line_bytes: int, *, final: bool = True) -> list[Line]:
    file = SourceFile(str(path))
    reader = LineReader(file, 0, max_line_bytes)
    found: list[Line] = []
    while lines := reader.read(final=False) or reader.read(final=final):
        found += lines
    file.close()
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a\nbc\n", [(0, 2, b"a"), (2, 5, b"bc")]),
        (b"a\r\n\nb", [(0, 3, b"a"), (3, 4, b""), (4, 5, b"b")]),
        (b"\n\n", [(0, 1, b""), (1, 2, b"")]),
        (b"x\ry\r\r\n", [(0, 6, b"x\ry\r")]),
        (b"tail\r", [(0, 5, b"tail")]),
    ],
)
def test_lines_and_positions(
    tmp_path: Path, content: bytes, expected: list[tuple[int, int, bytes]]
) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    assert [line[:3] for line in read_all(path, 100)] == expected


def test_a_partial_last_line_is_held_back_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one\ntw")
    reader = LineReader(SourceFile(str(path)), 0, 100)
    assert [line.data for line in reader.read(final=False)] == [b"one"]
    assert reader.read(final=False) == []
    with path.open("ab") as out:
        out.write(b"o\nthree")
    assert reader.read(final=False) == [Line(4, 8, b"two", 3)]
    assert reader.read(final=False) == []
    assert reader.read(final=True) == [Line(8, 13, b"three", 5)]
    assert reader.read(final=True) == []


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_an_over_long_line_keeps_its_beginning_and_its_length(
    tmp_path: Path, ending: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 64)
    monkeypatch.setattr(module, "_SCAN_BYTES", 50)
    monkeypatch.setattr(module, "FILE_DEAD_LETTER_BYTES", 8)
    path = tmp_path / "f"
    path.write_bytes(b"ok\n" + b"x" * 1000 + ending + (b"next\n" if ending else b""))
    found = read_all(path, 40)
    assert found[0] == Line(0, 3, b"ok", 2)
    assert (found[1].offset, found[1].end) == (3, 1003 + len(ending))
    assert found[1].size_bytes in (1000, 1001)
    assert found[1].data == b"x" * 8
    assert [line.data for line in found[2:]] == ([b"next"] if ending else [])


def test_an_over_long_line_without_end_is_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 64)
    path = tmp_path / "f"
    path.write_bytes(b"x" * 500)
    reader = LineReader(SourceFile(str(path)), 0, 40)
    assert reader.read(final=False) == []
    with path.open("ab") as out:
        out.write(b"y" * 100 + b"\nz\n")
    (line,) = reader.read(final=False)
    assert (line.offset, line.end, line.size_bytes) == (0, 601, 600)
    assert reader.read(final=False) == [Line(601, 603, b"z", 1)]


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=90).map(lambda b: b.replace(b"\n", b"")), max_size=12),
    ended=st.booleans(),
    chunk=st.integers(8, 120),
)
def test_any_content_in_any_chunks(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], ended: bool, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "f"
    content = b"\n".join(parts) + (b"\n" if ended else b"")
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", chunk)
        patch.setattr(module, "_SCAN_BYTES", 16)
        found = read_all(path, 60)
    whole = content.split(b"\n")
    if whole[-1] == b"":
        whole.pop()
    assert [content[line.offset : line.end].rstrip(b"\n") for line in found] == whole
    assert all(
        line.size_bytes > 60 or line.data == text.removesuffix(b"\r")
        for line, text in zip(found, whole, strict=True)
    )
    assert sum(line.end - line.offset for line in found) == len(content)
