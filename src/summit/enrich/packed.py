"""Rows packed into one stretch of bytes, found by a number: a million cost what they are long."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_WORD: Final = (1 << 64) - 1


class PackedRows:
    """Bytes by number; filled, then sealed, then read. Numbers need not be unique.

    Cost: 24 bytes a row beside its own; a look-up is a binary search.
    """

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._starts = array("Q")
        self._ends = array("Q")
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, row: bytes) -> None:
        """Add a row under a number of up to 64 bits, of which more are left out."""
        self._numbers.append(number & _WORD)
        self._starts.append(len(self._bytes))
        self._bytes += row
        self._ends.append(len(self._bytes))

    def seal(self) -> None:
        """Nothing more comes; from now on rows are found."""
        order = sorted(range(len(self._numbers)), key=self._numbers.__getitem__)
        for name in ("_numbers", "_starts", "_ends"):
            column = getattr(self, name)
            setattr(self, name, array("Q", (column[n] for n in order)))

    def find(self, number: int) -> Iterator[bytes]:
        """The rows under a number."""
        number &= _WORD
        at = bisect_left(self._numbers, number)
        while at < len(self._numbers) and self._numbers[at] == number:
            yield bytes(self._bytes[self._starts[at] : self._ends[at]])
            at += 1

    def get(self, number: int, head: bytes) -> bytes | None:
        """What comes behind `head` in the row under a number that begins so; None without one."""
        number &= _WORD
        numbers = self._numbers
        at, count = bisect_left(numbers, number), len(numbers)
        while at < count and numbers[at] == number:
            start = self._starts[at]
            if self._bytes.startswith(head, start):
                return bytes(self._bytes[start + len(head) : self._ends[at]])
            at += 1
        return None

    def twins(self) -> Iterator[int]:
        """The numbers that are there more than once; of sealed rows."""
        for one, next_one in pairwise(self._numbers):
            if one == next_one:
                yield one
