"""Sparse indexes of a segment: offset → position, and timestamp → offset.

Offset index, 8 bytes an entry: offset minus the segment's base offset (u32), position in the
`.log` file (u32). Time index, 12 bytes: timestamp ms (i64), offset minus base offset (u32). With a
base offset of 50, offset 55 is stored as 5. There is an entry for every 4096 bytes of batches; it
names the last offset of a batch and where that batch starts. Big-endian, no checksums: after a
crash the part that may be wrong is built anew from the batches.

In memory the entries are arrays. Only the loop's thread appends; entries of staged batches may
stand at the end, where a reader, who never asks beyond the high watermark, does not see them.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right

from summit.base.files import Buffer

OFFSET_ENTRY_BYTES = 8
TIME_ENTRY_BYTES = 12
RELATIVE_MAX = 2**31 - 1  # Kafka's readers take both numbers as signed


class OffsetIndex:
    """Last offsets of some batches and where those batches start."""

    __slots__ = ("flushed_count", "is_file_true", "offsets", "positions")

    def __init__(self) -> None:
        self.offsets = array("I")  # relative to the segment's base offset
        self.positions = array("I")
        self.flushed_count = 0  # entries that the file holds
        self.is_file_true = False  # it is there and holds nothing behind them

    @property
    def is_unflushed(self) -> bool:
        """Whether the file has to be written, where one of a segment's has."""
        return not self.is_file_true or len(self) > self.flushed_count

    def __len__(self) -> int:
        return len(self.offsets)

    def append(self, relative: int, position: int) -> None:
        self.offsets.append(relative)
        self.positions.append(position)

    def floor(self, relative: int) -> int:
        """Where to start looking for an offset: a batch that starts at or before it."""
        at = bisect_right(self.offsets, relative)
        return self.positions[at - 1] if at else 0

    def position_floor(self, position: int) -> int:
        """The largest indexed position that is not beyond `position`; 0 if there is none."""
        at = bisect_right(self.positions, position)
        return self.positions[at - 1] if at else 0

    def count_below(self, relative: int) -> int:
        """How many entries have an offset below `relative`."""
        return bisect_left(self.offsets, relative)

    def truncate(self, count: int) -> None:
        """Keep the first `count` entries."""
        del self.offsets[count:]
        del self.positions[count:]
        self.is_file_true = self.is_file_true and count >= self.flushed_count
        self.flushed_count = min(self.flushed_count, count)

    def encode(self, first: int, stop: int) -> bytes:
        """The file bytes of the entries `first` to `stop`, half-open."""
        flat = [0] * (2 * (stop - first))
        flat[0::2] = self.offsets[first:stop]
        flat[1::2] = self.positions[first:stop]
        return struct.pack(f">{len(flat)}I", *flat)

    def load(self, data: Buffer, stop_relative: int, stop_position: int) -> None:
        """Take entries from a file as far as they make sense.

        Entries end at the first that does not grow, or whose offset is not below `stop_relative`,
        or whose position is not below `stop_position`: a crash may have left zeros or old bytes.
        """
        last_relative = last_position = -1
        whole = len(data) // OFFSET_ENTRY_BYTES * OFFSET_ENTRY_BYTES
        for relative, position in struct.iter_unpack(">II", memoryview(data)[:whole]):
            if not last_relative < relative < stop_relative:
                break
            if not last_position < position < stop_position:
                break
            self.append(relative, position)
            last_relative, last_position = relative, position
        self.flushed_count = len(self)
        self.is_file_true = len(data) == len(self) * OFFSET_ENTRY_BYTES


class TimeIndex:
    """The largest timestamps so far and the offsets of the batches that hold them."""

    __slots__ = ("flushed_count", "is_file_true", "offsets", "timestamps")

    def __init__(self) -> None:
        self.timestamps = array("q")
        self.offsets = array("I")
        self.flushed_count = 0
        self.is_file_true = False

    @property
    def is_unflushed(self) -> bool:
        """Whether the file has to be written, where one of a segment's has."""
        return not self.is_file_true or len(self) > self.flushed_count

    def __len__(self) -> int:
        return len(self.timestamps)

    def append(self, timestamp: int, relative: int) -> None:
        """Add an entry unless the timestamp did not grow."""
        if not self.timestamps or timestamp > self.timestamps[-1]:
            self.timestamps.append(timestamp)
            self.offsets.append(relative)

    def floor(self, timestamp: int) -> int:
        """A relative offset up to which every batch before it is older than `timestamp`."""
        at = bisect_right(self.timestamps, timestamp - 1)
        return self.offsets[at - 1] if at else 0

    def count_below(self, relative: int) -> int:
        """How many entries have an offset below `relative`."""
        return bisect_left(self.offsets, relative)

    def truncate(self, count: int) -> None:
        """Keep the first `count` entries."""
        del self.timestamps[count:]
        del self.offsets[count:]
        self.is_file_true = self.is_file_true and count >= self.flushed_count
        self.flushed_count = min(self.flushed_count, count)

    def encode(self, first: int, stop: int) -> bytes:
        """The file bytes of the entries `first` to `stop`, half-open."""
        return b"".join(
            struct.pack(">qI", *entry)
            for entry in zip(self.timestamps[first:stop], self.offsets[first:stop], strict=True)
        )

    def load(self, data: Buffer, stop_relative: int) -> None:
        """Take entries from a file as far as both columns grow and stay below the end."""
        whole = len(data) // TIME_ENTRY_BYTES * TIME_ENTRY_BYTES
        last_timestamp, last_relative = -(2**63), -1
        for timestamp, relative in struct.iter_unpack(">qI", memoryview(data)[:whole]):
            if timestamp <= last_timestamp or not last_relative < relative < stop_relative:
                break
            self.append(timestamp, relative)
            last_timestamp, last_relative = timestamp, relative
        self.flushed_count = len(self)
        self.is_file_true = len(data) == len(self) * TIME_ENTRY_BYTES
