"""One segment: a `.log` file of record batches and its two indexes.

A segment is named after its base offset; each batch in it starts where the one before ends. Only
the last segment of a partition grows. `size` is what readers may see; staged batches may already
stand behind it in the file. The loop's thread reads and appends index entries; one thread at a time
writes the file. Files are opened when they are first needed.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from summit.base.files import Buffer, File, Files
from summit.log.index import OffsetIndex, TimeIndex
from summit.log.layout import INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX, join, offset_name
from summit.log.transactions import ABORTED_ENTRY_BYTES, AbortedTransaction, decode_aborted
from summit.records.batch import HEADER, HEADER_BYTES, LENGTH_END

NO_TIMESTAMP = -1

_HEADS_BYTES = 8 * 1024  # one read covers the batches between two index entries, mostly
OPENING = threading.Lock()
_HEAD = struct.Struct(">qi11xi")  # base offset, batch length, last offset delta


class BatchPlace(NamedTuple):
    """Where a batch stands: position and size in the file, first and last offset (inclusive)."""

    position: int
    size: int
    base_offset: int
    last_offset: int


class Segment:
    """The batches from `base_offset` up to the next segment's."""

    __slots__ = (
        "_file",
        "_files",
        "_indexes_loaded",
        "aborted",
        "aborted_flushed_count",
        "base_offset",
        "directory",
        "is_dirty",
        "is_named",
        "is_on_disk",
        "max_timestamp",
        "max_timestamp_offset",
        "name_end",
        "offset_index",
        "opened_ms",
        "size",
        "time_index",
    )

    def __init__(self, files: Files, directory: str, base_offset: int) -> None:
        self._files = files
        self._file: File | None = None
        self._indexes_loaded = True
        self.directory = directory
        self.name_end = ""  # `.cleaned` as long as its files have that at the end of their names
        self.base_offset = base_offset
        self.size = 0
        self.offset_index = OffsetIndex()
        self.time_index = TimeIndex()
        self.aborted: list[AbortedTransaction] = []  # whose markers are in this segment
        self.aborted_flushed_count = 0  # entries that the file holds; -1: it holds others
        self.max_timestamp = NO_TIMESTAMP
        self.max_timestamp_offset = base_offset
        self.opened_ms = 0  # when its first batch came; rolls by age
        self.is_on_disk = False
        self.is_named = False  # its directory was synced with it in it: a power cut leaves it there
        self.is_dirty = False  # written and published since the last sync

    @property
    def files(self) -> Files:
        return self._files

    def path(self, suffix: str) -> str:
        return join(self.directory, offset_name(self.base_offset, suffix)) + self.name_end

    @property
    def file(self) -> File:
        """The open `.log` file."""
        if self._file is None:
            with OPENING:  # the reading and the writing thread may both be first
                if self._file is None:
                    self._file = self._files.open(self.path(LOG), create=not self.is_on_disk)
                    self.is_on_disk = True
        return self._file

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    # ---- indexes ----

    @property
    def has_indexes(self) -> bool:
        """Whether the indexes are in memory; else the files have all of them."""
        return self._indexes_loaded

    def defer_indexes(self) -> None:
        """Leave the index files unread until somebody asks; only for a full, synced segment."""
        self._indexes_loaded = False

    def load_indexes(self, stop_offset: int, stop_position: int) -> None:
        """Read the index files as far as they lie before `stop_offset` and `stop_position`."""
        self._indexes_loaded = True
        self.offset_index, self.time_index = OffsetIndex(), TimeIndex()
        self.max_timestamp, self.max_timestamp_offset = NO_TIMESTAMP, self.base_offset
        stop_relative = stop_offset - self.base_offset
        if self._files.exists(self.path(INDEX)):
            data = self._files.read_bytes(self.path(INDEX))
            self.offset_index.load(data, stop_relative, stop_position)
        if self._files.exists(self.path(TIME_INDEX)):
            self.time_index.load(self._files.read_bytes(self.path(TIME_INDEX)), stop_relative)
        self.aborted, self.aborted_flushed_count = [], 0
        if self._files.exists(self.path(TRANSACTION_INDEX)):
            data = self._files.read_bytes(self.path(TRANSACTION_INDEX))
            self.aborted = decode_aborted(data, stop_offset)
            self.aborted_flushed_count = len(self.aborted)
            if len(data) != len(self.aborted) * ABORTED_ENTRY_BYTES:
                self.aborted_flushed_count = -1  # what is behind must go
        if self.time_index.timestamps:
            self.max_timestamp = self.time_index.timestamps[-1]
            self.max_timestamp_offset = self.base_offset + self.time_index.offsets[-1]

    def ensure_indexes(self) -> None:
        """Read the index files of a segment that was opened without them."""
        if not self._indexes_loaded:
            self.load_indexes(self.base_offset + 2**32, self.size)

    def add_entry(self, last_offset: int, position: int) -> None:
        """Index the batch at `position`; the timestamps are those noted before."""
        self.offset_index.append(last_offset - self.base_offset, position)
        if self.max_timestamp >= 0:
            relative = self.max_timestamp_offset - self.base_offset
            self.time_index.append(self.max_timestamp, relative)

    def finish_time_index(self) -> None:
        """Add the largest timestamp as last entry, when nothing more will be written."""
        if self.max_timestamp >= 0:
            relative = self.max_timestamp_offset - self.base_offset
            self.time_index.append(self.max_timestamp, relative)

    @property
    def has_unflushed_entries(self) -> bool:
        """Whether there are index entries that the files do not have."""
        return (
            len(self.offset_index) > self.offset_index.flushed_count
            or len(self.time_index) > self.time_index.flushed_count
            or len(self.aborted) != self.aborted_flushed_count
        )

    # ---- finding ----

    def places(self, position: int, stop: int) -> Iterator[BatchPlace]:
        """The batches from `position` to `stop`, from their headers alone."""
        block = b""
        block_position = position
        while position < stop:
            at = position - block_position
            if at + 27 > len(block):
                block_position = position
                block = self.file.pread(min(_HEADS_BYTES, stop - position), position)
                at = 0
                if len(block) < 27:
                    return
            base_offset, length, delta = _HEAD.unpack_from(block, at)
            size = length + LENGTH_END
            if size < HEADER_BYTES:
                return
            yield BatchPlace(position, size, base_offset, base_offset + delta)
            position += size

    def find(self, offset: int, stop: int) -> BatchPlace | None:
        """The first batch before position `stop` that ends at or after `offset`."""
        self.ensure_indexes()
        relative = min(max(offset - self.base_offset, 0), 2**32 - 1)
        for place in self.places(self.offset_index.floor(relative), stop):
            if place.last_offset >= offset:
                return place
        return None

    def cut(self, start: int, max_bytes: int, stop: int) -> BatchPlace | None:
        """The batch at which a read of `max_bytes` from `start` has to end.

        Returns: The first batch, after the one at `start`, that ends beyond `start + max_bytes`;
            None when all up to `stop` fits.
        """
        self.ensure_indexes()
        limit = start + max_bytes
        position = max(self.offset_index.position_floor(limit), start)
        for place in self.places(position, stop):
            if place.position + place.size > limit and place.position > start:
                return place
        return None

    def read(self, position: int, size: int) -> bytes:
        return self.file.pread(size, position)

    def header_fields(self, position: int) -> tuple[int, ...]:
        """All header fields of the batch at `position`."""
        return HEADER.unpack(self.file.pread(HEADER_BYTES, position))

    # ---- writing ----

    def write(self, buffers: Sequence[Buffer], position: int) -> None:
        """Write batches at `position`. Raises OSError; the file may then be longer."""
        self.file.pwritev(buffers, position)

    def truncate(self, position: int) -> None:
        self.file.truncate(position)

    def create_empty(self) -> None:
        """Make the three files, so that the directory looks as Kafka's does."""
        for suffix, index in ((INDEX, self.offset_index), (TIME_INDEX, self.time_index)):
            file = self._files.open(self.path(suffix), create=True)
            index.is_file_true = not file.size()
            file.close()
        _ = self.file
