"""Lines of a file with their positions; a partial last line is held back.

Nothing is kept between calls but a position: what was not a whole line is read again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from summit.base.limits import FILE_DEAD_LETTER_BYTES
from summit.ingest.files.source import SourceFile

CHUNK_BYTES: Final = 256 * 1024
_SCAN_BYTES: Final = 1024 * 1024


class Line(NamedTuple):
    """One line.

    Attributes:
        offset: Byte position of its first byte.
        end: Byte position after its newline.
        data: Its bytes without newline; only the first ones when it is over-long.
        size_bytes: Its true length without newline.
        more: How many further lines were joined to it.
    """

    offset: int
    end: int
    data: bytes
    size_bytes: int
    more: int = 0


class LineReader:
    """Reads the lines of one file, from `position` on.

    Args:
        position: Where to begin: 0 or the beginning of a line.
        max_line_bytes: Longer lines come with their first bytes only.
    """

    def __init__(self, file: SourceFile, position: int, max_line_bytes: int) -> None:
        self.file = file
        self.position = position
        self._max = max_line_bytes
        self._scanned = position

    def read(self, *, final: bool) -> list[Line]:
        """The next whole lines, some at a time; none when there is no whole line now.

        Args:
            final: Nothing will be appended: a last line without newline counts.
        """
        chunk = self.file.read(self.position, CHUNK_BYTES)
        if b"\n" not in chunk and len(chunk) == CHUNK_BYTES and self._max >= CHUNK_BYTES:
            chunk = self.file.read(self.position, self._max + 2)
        lines = self._split(chunk)
        if lines:
            return lines
        if len(chunk) > self._max + 1:
            return self._over_long(chunk, final=final)
        if final and chunk:
            return [self._take(chunk, self.position + len(chunk))]
        return []

    def _split(self, chunk: bytes) -> list[Line]:
        parts = chunk.split(b"\n")
        parts.pop()
        lines: list[Line] = []
        offset = self.position
        keep = FILE_DEAD_LETTER_BYTES
        for part in parts:
            end = offset + len(part) + 1
            data = part[:-1] if part.endswith(b"\r") else part
            size_bytes = len(data)
            if size_bytes > self._max:
                data = data[:keep]
            lines.append(Line(offset, end, data, size_bytes))
            offset = end
        self.position = offset
        return lines

    def _over_long(self, chunk: bytes, *, final: bool) -> list[Line]:
        """Look for the end of a line that is already too long, block by block."""
        position = max(self._scanned, self.position + len(chunk))
        while block := self.file.read(position, _SCAN_BYTES):
            found = block.find(b"\n")
            if found >= 0:
                end = position + found + 1
                return [self._take(chunk, end, end - 1 - self.position)]
            position += len(block)
        self._scanned = position
        return [self._take(chunk, position)] if final else []

    def _take(self, chunk: bytes, end: int, size_bytes: int | None = None) -> Line:
        size = end - self.position if size_bytes is None else size_bytes
        if size <= self._max:
            data = chunk[:-1] if chunk.endswith(b"\r") else chunk
            size = len(data)
        else:
            data = chunk[:FILE_DEAD_LETTER_BYTES]
        line = Line(self.position, end, data, size)
        self.position = self._scanned = end
        return line
