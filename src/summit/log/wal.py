"""The write-ahead log: one record and one sync per commit group, however many partitions it has.

Only the thread that persists groups appends. Another may meanwhile make the next file ready and
drop old ones; a lock keeps the two apart while files are made. Files already synced once are used
again: writing into blocks that exist costs the disk less than half of what new blocks do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from summit.base.files import File, Files
from summit.base.limits import WAL_FIRST_FILE_BYTES
from summit.base.rand import Rand
from summit.log.faults import sync, sync_dir
from summit.log.layout import join, offset_name, parse_offset_name
from summit.log.wal_format import (
    RECORDS_START,
    SUFFIX,
    WalEntry,
    encode_file_header,
    encode_record,
    record_size,
)

_ZEROS_BYTES = 1 << 20


class _WalFile:
    """One open file: its number and the CRC from which its records start."""

    __slots__ = ("file", "number", "seed_crc", "size")

    def __init__(self, file: File, number: int, seed_crc: int, size: int) -> None:
        self.file = file
        self.number = number
        self.seed_crc = seed_crc
        self.size = size


class WriteAheadLog:
    """The open write-ahead log of a store.

    Args:
        directory: Where the files are; it exists.
        file_bytes: Size of a file; a larger group gets a larger file.
        number: The first file's number, larger than that of any file there.
    """

    def __init__(
        self, files: Files, directory: str, *, file_bytes: int, number: int, rand: Rand
    ) -> None:
        self._files = files
        self._directory = directory
        self._file_bytes = file_bytes
        self._rand = rand
        self._making = threading.Lock()
        self._old: dict[int, _WalFile] = {}
        self._next: _WalFile | None = None
        self._record_number = 1
        self._current = self._make_file(number, min(file_bytes, WAL_FIRST_FILE_BYTES), zeros=True)
        self._position = RECORDS_START
        self._crc = self._current.seed_crc

    @property
    def file_number(self) -> int:
        """The file that the last record went to."""
        return self._current.number

    @property
    def wants_next_file(self) -> bool:
        """Whether `prepare` should be called soon: half of the file is used, no next one there."""
        return self._next is None and self._position > self._current.size // 2

    def append(self, entries: Sequence[WalEntry]) -> None:
        """Write one record and sync it; when this returns, the entries are on the disk.

        Raises:
            OSError: Nothing counts as written; the next record takes the same place.
            Corrupt("disk.sync_failed"): What is on the disk is unknown; never call again.
        """
        size = record_size(entries)
        if self._position + size > self._current.size:
            self._switch(size)
        buffers, crc = encode_record(self._record_number, entries, self._crc)
        file = self._current.file
        file.pwritev(buffers, self._position)
        sync(file)
        self._position += size
        self._crc = crc
        self._record_number += 1

    def prepare(self) -> None:
        """Make the next file ready: blocks written with zeros and synced. Any thread."""
        with self._making:
            if self._next is None:
                self._next = self._make_file(self._current.number + 1, self._file_bytes, zeros=True)

    def trim(self, number: int) -> None:
        """Drop the files before file `number`; one may become the next file. Any thread."""
        with self._making:
            for old in sorted(self._old):
                if old < number:
                    self._recycle(self._old.pop(old))

    def close(self) -> None:
        """Close and remove all files: everything in them is in the segments, synced."""
        for wal_file in [*self._old.values(), self._current, *filter(None, [self._next])]:
            self._remove(wal_file)
        self._old.clear()
        self._files.sync_dir(self._directory)

    def abandon(self) -> None:
        """Close the files and leave them for recovery."""
        for wal_file in [*self._old.values(), self._current, *filter(None, [self._next])]:
            wal_file.file.close()
        self._old.clear()

    def _switch(self, size: int) -> None:
        """Go to a file that has room for `size` bytes. Raises OSError before anything changed."""
        with self._making:
            ready = self._next
            if ready is not None and RECORDS_START + size > ready.size:
                # Too small for this group: keep it back, a larger one takes its number.
                ready.file.preallocate(RECORDS_START + size)
                ready.size = RECORDS_START + size
            if ready is None:
                needed = max(self._file_bytes, RECORDS_START + size)
                ready = self._make_file(self._current.number + 1, needed)
            self._old[self._current.number] = self._current
            self._current = ready
            self._next = None
            self._position = RECORDS_START
            self._crc = ready.seed_crc

    def _path(self, number: int) -> str:
        return join(self._directory, offset_name(number, SUFFIX))

    def _make_file(self, number: int, size: int, *, zeros: bool = False) -> _WalFile:
        path = self._path(number)
        file = self._files.open(path, create=True)
        try:
            file.preallocate(size)
            if zeros:
                block = bytes(min(_ZEROS_BYTES, size))
                for position in range(0, size, len(block)):
                    file.pwrite(block[: size - position], position)
            header, crc = encode_file_header(number, self._rand.bytes(8))
            file.pwrite(header, 0)
        except OSError:
            file.close()
            self._files.remove(path)
            raise
        sync(file)
        sync_dir(self._files, self._directory)
        return _WalFile(file, number, crc, size)

    def _recycle(self, old: _WalFile) -> None:
        if self._next is not None or old.size != self._file_bytes:
            self._remove(old)
            return
        number = self._current.number + 1
        self._files.rename(self._path(old.number), self._path(number))
        header, crc = encode_file_header(number, self._rand.bytes(8))
        old.file.pwrite(header, 0)
        sync(old.file)
        sync_dir(self._files, self._directory)
        self._next = _WalFile(old.file, number, crc, old.size)

    def _remove(self, wal_file: _WalFile) -> None:
        wal_file.file.close()
        self._files.remove(self._path(wal_file.number))


def wal_numbers(files: Files, directory: str) -> list[int]:
    """The numbers of the files in the directory, in order."""
    numbers = (parse_offset_name(name, SUFFIX) for name in files.list_dir(directory))
    return sorted(number for number in numbers if number is not None)
