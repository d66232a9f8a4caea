"""Whether partitions are sound: checksums, offsets that only grow, records, indexes that agree.

A batch that is cut off at the end of a partition's last segment is a note, not a problem: a crash
leaves it and the next start removes it, or a running broker is just writing it. So are index
entries behind the last whole batch. All else that is told is a problem. The last index entries may
be missing (a broker writes them at checkpoints), none may be wrong. An aborted transaction that
ended before the newest producer snapshot has to be in its index: without it readers of committed
data are given its records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal, NamedTuple

from summit.base.errors import SummitError
from summit.base.files import Files
from summit.inspection.dumping import index_entries, time_entries
from summit.inspection.finding import kind_of, offset_of, partition_directories
from summit.inspection.walking import BrokenEnd, FoundBatch, walk
from summit.log.layout import (
    EPOCHS,
    INDEX,
    LOG,
    PARTITION_METADATA,
    SNAPSHOT,
    TIME_INDEX,
    TRANSACTION_INDEX,
    join,
    offset_name,
    parse_offset_name,
    parse_partition_metadata,
)
from summit.log.snapshots import decode_snapshot
from summit.log.transactions import ABORTED_ENTRY_BYTES, decode_aborted
from summit.records import iter_records, read_marker


class Found(NamedTuple):
    """One thing that was looked at, or is wrong.

    Attributes:
        position: Byte in the file; -1 where none can be named.
        what: "problem", "note", or "sound" for a partition without problems.
        batches, records, bytes: What of a partition was read; 0 but for "sound".
    """

    file: str
    position: int
    what: str
    text: str
    batches: int = 0
    records: int = 0
    bytes: int = 0


class _Batch(NamedTuple):
    """What the checks of indexes have to know of a batch."""

    position: int
    base_offset: int
    last_offset: int
    largest_timestamp: int  # of all batches of the segment so far
    producer_id: int
    role: Literal["", "data", "commit", "abort"]  # in a transaction


class _Ended(NamedTuple):
    """An abort marker as the index of transactions names it."""

    producer_id: int
    last_offset: int


def verify(files: Files, path: str, *, with_records: bool = True) -> Iterator[Found]:
    """Check all partitions at or under `path`; what is found, as it is found.

    Args:
        with_records: Unpack batches and read the records as well.
    Raises: Invalid("inspection.nothing_there").
    """
    for directory in partition_directories(files, path):
        yield from _Partition(files, directory, with_records=with_records).check()


class _Partition:
    def __init__(self, files: Files, directory: str, *, with_records: bool) -> None:
        self._files = files
        self._directory = directory
        self._with_records = with_records
        self._batches = self._records = self._bytes = 0
        self._last_offset = -1
        self._snapshot_offset = 0  # what ended before it has its index entries
        self._has_problem = False

    def check(self) -> Iterator[Found]:
        for found in self._all():
            self._has_problem |= found.what == "problem"
            yield found
        if not self._has_problem:
            counts = (self._batches, self._records, self._bytes)
            yield Found(self._directory, -1, "sound", "sound", *counts)

    def _all(self) -> Iterator[Found]:
        names = self._files.list_dir(self._directory)
        bases = [base for name in names if (base := parse_offset_name(name, LOG)) is not None]
        # Before the indexes: a broker names the snapshot when they are written.
        snapshots = [offset_of(name) for name in names if kind_of(name) == SNAPSHOT]
        self._snapshot_offset = max(snapshots, default=0)
        for base in bases:
            yield from self._twice(base, is_last=base == bases[-1])
        for name in names:
            path = join(self._directory, name)
            kind = kind_of(name)
            if kind in (INDEX, TIME_INDEX, TRANSACTION_INDEX) and offset_of(name) not in bases:
                yield Found(path, -1, "note", "an index without its segment; it is not read")
            if kind == SNAPSHOT and decode_snapshot(self._read(path)) is None:
                yield _problem(path, 0, "the snapshot's checksum is wrong")
            if kind == PARTITION_METADATA and parse_partition_metadata(self._read(path)) is None:
                yield _problem(path, 0, "no topic id can be read")
            if kind == EPOCHS:
                yield from self._epochs(path)

    def _read(self, path: str) -> bytes:
        try:
            return self._files.read_bytes(path)
        except FileNotFoundError:  # a running broker has removed it
            return b""

    def _twice(self, base: int, *, is_last: bool) -> list[Found]:
        """Look again where something is wrong: a running broker may just have swapped files."""
        before = (self._batches, self._records, self._bytes, self._last_offset)
        found = list(self._segment(base, is_last=is_last))
        if any(each.what == "problem" for each in found):
            self._batches, self._records, self._bytes, self._last_offset = before
            found = list(self._segment(base, is_last=is_last))
        return found

    def _segment(self, base: int, *, is_last: bool) -> Iterator[Found]:
        path = join(self._directory, offset_name(base, LOG))
        if base <= self._last_offset:
            text = f"begins at offset {base}, but the one before ends at {self._last_offset}"
            yield _problem(path, 0, text)
        # Before the batches: a running broker writes an entry after its batch.
        indexes = {
            kind: self._maybe(join(self._directory, offset_name(base, kind)))
            for kind in (INDEX, TIME_INDEX, TRANSACTION_INDEX)
        }
        try:
            file = self._files.open(path)
        except FileNotFoundError:
            yield Found(path, -1, "note", "was removed while this ran")
            return
        self._last_offset = max(self._last_offset, base - 1)
        batches: list[_Batch] = []
        is_whole = True
        largest = -1
        try:
            for found in walk(file):
                if isinstance(found, BrokenEnd):
                    is_whole = False
                    if found.is_torn and is_last:
                        yield Found(path, found.position, "note", f"unfinished: {found.reason}")
                    else:
                        yield _problem(path, found.position, found.reason)
                    break
                yield from self._batch(path, found)
                header = found.header
                largest = max(largest, header.max_timestamp)
                batches.append(
                    _Batch(
                        found.position, header.base_offset, header.last_offset, largest,
                        header.producer_id, _role(found),
                    )
                )  # fmt: skip
        finally:
            file.close()
        yield from self._indexes(base, batches, indexes, is_whole=is_whole)

    def _batch(self, path: str, found: FoundBatch) -> Iterator[Found]:
        header = found.header
        self._batches += 1
        self._records += header.record_count
        self._bytes += header.size
        if not found.is_crc_right:
            yield _problem(path, found.position, "the batch's checksum is wrong")
        if header.base_offset <= self._last_offset or header.last_offset < header.base_offset:
            text = f"offsets {header.base_offset} to {header.last_offset} after {self._last_offset}"
            yield _problem(path, found.position, text)
        self._last_offset = max(self._last_offset, header.last_offset)
        if not (self._with_records and found.is_crc_right):
            return
        before = header.base_offset - 1
        count = 0
        try:
            for record in iter_records(found.data):
                count += 1
                if not before < record.offset <= header.last_offset:
                    text = f"the record of offset {record.offset} does not belong there"
                    yield _problem(path, found.position, text)
                    break
                before = record.offset
        except SummitError as error:
            yield _problem(path, found.position, f"record {count}: {error}")

    def _indexes(
        self, base: int, batches: list[_Batch], indexes: dict[str, bytes], *, is_whole: bool
    ) -> Iterator[Found]:
        starts = [batch.position for batch in batches]
        ends = [batch.last_offset for batch in batches]
        end = ends[-1] if ends else base - 1

        def holding(offset: int) -> _Batch | None:
            at = bisect_left(ends, offset)
            return batches[at] if at < len(batches) else None

        path = join(self._directory, offset_name(base, INDEX))
        for number, (offset, position) in enumerate(index_entries(indexes[INDEX], base)):
            if offset > end:
                yield _beyond(path, number * 8, offset, is_whole=is_whole)
                break
            at = bisect_left(starts, position)
            if at == len(starts) or starts[at] != position or ends[at] != offset:
                text = f"offset {offset} is not that of the batch at {position}"
                yield _problem(path, number * 8, text)
        path = join(self._directory, offset_name(base, TIME_INDEX))
        for number, (timestamp, offset) in enumerate(time_entries(indexes[TIME_INDEX], base)):
            if offset > end:
                yield _beyond(path, number * 12, offset, is_whole=is_whole)
                break
            batch = holding(offset)
            if batch is None or batch.largest_timestamp != timestamp:
                text = f"{timestamp} is not the largest timestamp up to offset {offset}"
                yield _problem(path, number * 12, text)
        yield from self._aborted(base, batches, indexes[TRANSACTION_INDEX], is_whole=is_whole)

    def _aborted(
        self, base: int, batches: list[_Batch], data: bytes, *, is_whole: bool
    ) -> Iterator[Found]:
        path = join(self._directory, offset_name(base, TRANSACTION_INDEX))
        end = batches[-1].last_offset if batches else base - 1
        entries = decode_aborted(data, 2**63 - 1)
        if len(entries) * ABORTED_ENTRY_BYTES != len(data):
            yield _problem(path, len(entries) * ABORTED_ENTRY_BYTES, "no entry can be read here")
        markers = {
            _Ended(batch.producer_id, batch.last_offset)
            for batch in batches
            if batch.role == "abort"
        }
        for number, entry in enumerate(entries):
            position = number * ABORTED_ENTRY_BYTES
            if entry.last_offset > end:
                yield _beyond(path, position, entry.last_offset, is_whole=is_whole)
                return
            if _Ended(entry.producer_id, entry.last_offset) not in markers:
                text = (
                    f"at offset {entry.last_offset} is no abort marker of producer "
                    f"{entry.producer_id}"
                )
                yield _problem(path, position, text)

        listed = {_Ended(entry.producer_id, entry.last_offset) for entry in entries}
        for ended in sorted(self._to_be_listed(batches) - listed):
            text = (
                f"the aborted transaction of producer {ended.producer_id} that ends at offset "
                f"{ended.last_offset} is missing"
            )
            yield _problem(path, len(data), text)

    def _to_be_listed(self, batches: list[_Batch]) -> set[_Ended]:
        """The aborted transactions that have records in a segment and index entries by now."""
        found: set[_Ended] = set()
        begun: set[int] = set()
        for batch in batches:
            if batch.last_offset >= self._snapshot_offset:
                break
            if batch.role == "data":
                begun.add(batch.producer_id)
            elif batch.role == "abort" and batch.producer_id in begun:
                found.add(_Ended(batch.producer_id, batch.last_offset))
            if batch.role in ("commit", "abort"):
                begun.discard(batch.producer_id)
        return found

    def _maybe(self, path: str) -> bytes:
        return self._read(path) if self._files.exists(path) else b""

    def _epochs(self, path: str) -> Iterator[Found]:
        lines = self._read(path).decode("utf-8", "replace").splitlines()
        try:
            rows = [tuple(map(int, line.split())) for line in lines[2:]]
            is_right = int(lines[1]) == len(rows) and all(len(row) == 2 for row in rows)
        except (ValueError, IndexError):
            is_right = False
        if not is_right or rows != sorted(rows):
            yield _problem(path, 0, "the epochs cannot be read")


def _role(found: FoundBatch) -> Literal["", "data", "commit", "abort"]:
    if not found.header.is_transactional or not found.is_crc_right:
        return ""
    if not found.header.is_control:
        return "data"
    try:
        is_commit = read_marker(found.data).is_commit
    except SummitError:
        return ""
    return "" if is_commit is None else "commit" if is_commit else "abort"


def _problem(path: str, position: int, text: str) -> Found:
    return Found(path, position, "problem", text)


def _beyond(path: str, position: int, offset: int, *, is_whole: bool) -> Found:
    """An index entry behind the last batch: of a batch that is not whole, or of none at all."""
    text = f"names offset {offset}, which the segment does not hold"
    return Found(path, position, "problem" if is_whole else "note", text)
