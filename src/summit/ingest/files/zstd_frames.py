"""Where the frames of a zstd file end, told from its bytes as they pass by.

The library's stream does not tell a file that ends in the middle from one that is whole, and what
does tell would unfold without a bound.

    frame      magic (4) · descriptor (1) · window, dictionary, size (0 to 14) · blocks · checksum?
    block      last (1 bit), type (2 bits), size (21 bits), little-endian · content
    skippable  magic (4) · size (4) · content

Source: RFC 8878, sections 3.1.1 and 3.1.2.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

_MAGIC: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50  # and the fifteen after it
_RLE: Final = 1  # a block of one byte, whatever its size says
_CHECKSUM_BYTES: Final = 4

_Steps = Generator[int, bytes, None]


class FrameEnds:
    """A file's bytes, and whether what was read so far ends between two frames.

    Args:
        raw: Where they are read.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._steps = _steps()
        self._wanted = next(self._steps)  # bytes of the next field; below zero: to be passed over
        self._field = b""
        self._is_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether it ends where a frame does."""
        return not self._is_begun

    def read(self, size_bytes: int = -1) -> bytes:
        """As the file's own."""
        data: bytes = self._raw.read(size_bytes)
        self._follow(data)
        return data

    def _follow(self, data: bytes) -> None:
        position, end = 0, len(data)
        while position < end:
            if self._wanted < 0:
                passed = min(-self._wanted, end - position)
                position += passed
                self._wanted += passed
                field = b""
                if self._wanted < 0:
                    return
            else:
                part = data[position : position + self._wanted - len(self._field)]
                position += len(part)
                self._field += part
                self._is_begun = True
                if len(self._field) < self._wanted:
                    return
                field, self._field = self._field, b""
            self._wanted = self._steps.send(field)
            while self._wanted == 0:  # an empty block or frame
                self._wanted = self._steps.send(b"")
            if self._wanted == _BETWEEN:
                self._is_begun = False
                self._wanted = next(self._steps)


_BETWEEN: Final = 1 << 62  # a frame has ended


def _steps() -> _Steps:
    """The fields of frame after frame: asks for so many bytes, or passes them over (below zero)."""
    while True:
        magic = int.from_bytes((yield 4), "little")
        if magic & ~0xF == _SKIPPABLE:
            yield -int.from_bytes((yield 4), "little")
        elif magic == _MAGIC:
            yield from _frame()
        else:
            while True:  # no frame: what unfolds it says so
                yield -_BETWEEN
        yield _BETWEEN


def _frame() -> _Steps:
    (descriptor,) = yield 1
    is_single = descriptor >> 5 & 1
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    size = (is_single, 2, 4, 8)[descriptor >> 6]
    yield -(1 - is_single + dictionary + size)
    is_last = False
    while not is_last:
        block = int.from_bytes((yield 3), "little")
        is_last = bool(block & 1)
        yield -1 if block >> 1 & 3 == _RLE else -(block >> 3)
    if descriptor >> 2 & 1:
        yield -_CHECKSUM_BYTES
