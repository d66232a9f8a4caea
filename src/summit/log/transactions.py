"""Open and aborted transactions of a partition: what `read_committed` readers may see.

A transaction opens with a producer's first transactional batch and ends with a marker. Readers of
committed data get nothing from the first offset of the oldest open one on: the last stable offset.
Below it they get everything, with a list of what was aborted, to skip.

`.txnindex` of a segment, 34 bytes an entry, big-endian, in the order of the markers, which stand in
that segment: version i16 = 0, producer id i64, first offset i64, last offset i64 (the marker's),
last stable offset i64 after the marker. No checksum: after a crash it is made anew from the log.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from summit.base.files import Buffer

ABORTED_ENTRY_BYTES = 34
_ENTRY = struct.Struct(">hqqqq")
_VERSION = 0


class AbortedTransaction(NamedTuple):
    """One aborted transaction; offsets are inclusive, `last_offset` is the marker's."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class Ended(NamedTuple):
    """A marker on its way: whose, at which offset, whether it aborts."""

    producer_id: int
    first_offset: int  # -1 when no transaction was open
    marker_offset: int
    is_abort: bool


class Opened(NamedTuple):
    """The first batch of a transaction on its way."""

    producer_id: int
    first_offset: int


class OpenTransactions:
    """The open transactions among what is published. Loop thread only."""

    __slots__ = ("_first_offsets",)

    def __init__(self) -> None:
        self._first_offsets: dict[int, int] = {}  # by producer, oldest first

    def __len__(self) -> int:
        return len(self._first_offsets)

    def items(self) -> list[tuple[int, int]]:
        """(producer id, first offset), oldest first."""
        return list(self._first_offsets.items())

    def set_all(self, open_offsets: dict[int, int]) -> None:
        """Take over what recovery found."""
        by_offset = sorted(open_offsets.items(), key=lambda item: item[1])
        self._first_offsets = dict(by_offset)

    def apply(self, event: Opened | Ended) -> AbortedTransaction | None:
        """Take the next event in the order of the log. Returns: what was aborted by it."""
        if isinstance(event, Opened):
            self._first_offsets.setdefault(event.producer_id, event.first_offset)
            return None
        self._first_offsets.pop(event.producer_id, None)
        if not event.is_abort or event.first_offset < 0:
            return None
        stable = self.first_unstable(event.marker_offset + 1)
        return AbortedTransaction(
            event.producer_id, event.first_offset, event.marker_offset, stable
        )

    def first_unstable(self, end_offset: int) -> int:
        """The first offset of the oldest open transaction, or `end_offset` if that is less."""
        for first in self._first_offsets.values():
            return min(first, end_offset)
        return end_offset


def encode_aborted(entries: list[AbortedTransaction]) -> bytes:
    """The file bytes of some entries."""
    return b"".join(_ENTRY.pack(_VERSION, *entry) for entry in entries)


def decode_aborted(data: Buffer, stop_offset: int) -> list[AbortedTransaction]:
    """The entries of a file as far as they make sense and their markers lie before an offset."""
    entries: list[AbortedTransaction] = []
    last = -1
    whole = len(data) // ABORTED_ENTRY_BYTES * ABORTED_ENTRY_BYTES
    for version, *fields in _ENTRY.iter_unpack(memoryview(data)[:whole]):
        entry = AbortedTransaction(*fields)
        if version != _VERSION or not last < entry.last_offset < stop_offset:
            break
        if not 0 <= entry.first_offset < entry.last_offset:
            break
        entries.append(entry)
        last = entry.last_offset
    return entries
