"""Compaction of one log: of records with the same key only the last stays.

    offsets   0 ───── cleaned ──────── first dirty ───── dirty ───── stop ───── active
    1. prepare   read the dirty part, remember the last offset of every key in it
    2. copy      rewrite the closed segments before `stop`, a few into one, without what is outdated
    3. replace   on the loop: readers go on in the cleaned segment
    4. settle    the old files go, the cleaned ones get their names (swapping.py)

2 to 4 once per group of segments, oldest first, so that a tombstone never goes before what it
deletes. Only closed segments that a checkpoint has covered and that no open transaction reaches are
touched: neither recovery nor readers of committed data ever see the border move.

`prepare`, `copy` and `settle` block and are for one thread; the others are the loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from summit.base.errors import Corrupt, SummitError, Unavailable
from summit.base.files import Buffer, File
from summit.base.limits import CLEANER_KEYS_MAX
from summit.log.faults import disk_error, sync, sync_dir
from summit.log.index import RELATIVE_MAX
from summit.log.layout import CLEANED, INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX
from summit.log.segment import OPENING, Segment
from summit.log.swapping import remove_cleaned, remove_replaced, rename_cleaned, write_marker
from summit.log.transactions import encode_aborted
from summit.records.batch import HEADER_BYTES, BatchHeader, check_crc, parse_header
from summit.records.thinning import RawRecord, empty_batch, raw_records, thin_batch, unfold

if TYPE_CHECKING:
    from summit.log.choosing import Cleanable
    from summit.log.store import StoreCore

# Called between batches with the bytes gone through since: sleeps to keep to its share of the CPU,
# and raises to end the cleaning when the broker stops.
Breathe = Callable[[int], None]

_READ_BYTES = 1 << 20
_KEY_BYTES_MAX = 24  # longer keys are remembered by their hash


class Cleaning:
    """One run over one log. Made by `LogStore.begin_cleaning`.

    Attributes:
        bytes_before, bytes_after: Of the segments that were copied so far.
        record_count: Records looked at while copying.
    """

    def __init__(self, core: StoreCore, found: Cleanable, now_ms: int) -> None:
        log, sources, stop, _, _ = found
        self._core = core
        self.log = log
        self._config = log.config
        self._now_ms = now_ms
        self._sources = sources
        self._ends = [segment.base_offset for segment in sources[1:]] + [stop]
        self._stop = stop
        self._first_dirty = max(log.cleaned_offset, sources[0].base_offset)
        self._last_offsets = {
            producer_id: entry.batches[-1].last_offset
            for producer_id, entry in log.published_producers().items()
            if entry.batches
        }
        self._aborted: dict[int, list[tuple[int, int]]] = {}
        for segment in log.segments:
            segment.ensure_indexes()
            for aborted in segment.aborted:
                span = (aborted.first_offset, aborted.last_offset)
                self._aborted.setdefault(aborted.producer_id, []).append(span)
        self._latest: dict[bytes, int] = {}
        self._next = 0  # number of the first source that is not copied yet
        self._group: list[Segment] = []
        self._group_end = 0
        self._cleaned: Segment | None = None
        self._marker = ""
        self._is_replaced = False
        self.keys_max = CLEANER_KEYS_MAX
        self.bytes_before = self.bytes_after = self.record_count = 0
        log.is_cleaning = True

    # ---- the thread's side ----

    def prepare(self, breathe: Breathe) -> None:
        """Find the last offset of every key in the dirty part.

        Ends early when `keys_max` keys are known; the rest stays dirty.
        Raises: Corrupt("batch.unreadable") for a batch that cannot be read; the log stays as it is.
        """
        with _failures(self):
            for segment, end in zip(self._sources, self._ends, strict=True):
                if end <= self._first_dirty:
                    continue
                for header, batch in self._batches(segment, breathe):
                    if header.last_offset < self._first_dirty:
                        continue
                    if not header.is_control and not self._is_aborted(header):
                        self._learn(header, batch)
                    if len(self._latest) >= self.keys_max:
                        self._stop = header.last_offset + 1
                        return

    def _learn(self, header: BatchHeader, batch: Buffer) -> None:
        latest = self._latest
        for record in raw_records(unfold(batch, header), header):
            if record.key is not None:
                latest[_name(record.key)] = record.offset

    def copy(self, breathe: Breathe) -> bool:
        """Write the next group's cleaned segment and commit its swap.

        Returns: True when `replace` and `settle` have to follow, False when all is done.
        Raises: Unavailable("disk.full"): nothing of this group is left; Corrupt.
        """
        while self._next < len(self._sources) and self._sources[self._next].base_offset < (
            self._stop
        ):
            self._take_group()
            with _failures(self):
                if self._copy_group(breathe):
                    return True
        return False

    def _take_group(self) -> None:
        """Take the next segments that fit into one."""
        first = self._sources[self._next]
        group, size = [first], first.size
        self._next += 1
        while self._next < len(self._sources):
            segment = self._sources[self._next]
            span = self._ends[self._next] - first.base_offset
            if size + segment.size > self._config.segment_bytes or span > RELATIVE_MAX:
                break
            if segment.base_offset >= self._stop:
                break
            group.append(segment)
            size += segment.size
            self._next += 1
        self._group, self._group_end = group, self._ends[self._next - 1]

    def _copy_group(self, breathe: Breathe) -> bool:
        """Returns: whether there is something to swap."""
        core, base = self._core, self._group[0].base_offset
        cleaned = Segment(core.files, self.log.directory, base)
        cleaned.name_end = CLEANED
        writer = _Writer(cleaned, self._config.index_interval_bytes)
        try:
            is_changed = len(self._group) > 1
            for segment in self._group:
                self.bytes_before += segment.size
                for header, batch in self._batches(segment, breathe):
                    kept = self._thin(header, batch)
                    is_changed = is_changed or kept is not batch
                    if kept is not None:
                        writer.add(kept)
            self.bytes_after += writer.position
            if not is_changed:
                writer.close()
                remove_cleaned(core.files, self.log.directory, base)
                return False
            writer.finish([entry for segment in self._group for entry in segment.aborted])
        finally:
            writer.close()
        sync_dir(core.files, self.log.directory)
        self._is_replaced = False
        self._marker = write_marker(core.files, self.log.directory, base, self._group_end)
        self._cleaned = cleaned
        return True

    def _thin(self, header: BatchHeader, batch: Buffer) -> Buffer | None:
        """What stays of a batch."""
        if header.is_control or header.base_offset >= self._stop:
            return batch
        self.record_count += header.record_count
        kept: Buffer | None = None
        if header.record_count and not self._is_aborted(header):
            kept = thin_batch(
                batch, header, self._keeps, now_ms=self._now_ms,
                tombstone_ms=self._config.delete_retention_ms,
            )  # fmt: skip
        if kept is not None:
            return kept
        if self._last_offsets.get(header.producer_id) != header.last_offset:
            return None
        return batch if header.record_count == 0 else empty_batch(header)

    def _keeps(self, record: RawRecord) -> bool:
        if record.offset >= self._stop:
            return True
        key = record.key
        if key is None:
            return False
        return record.offset >= self._latest.get(_name(key), -1)

    def _is_aborted(self, header: BatchHeader) -> bool:
        if not header.is_transactional:
            return False
        spans = self._aborted.get(header.producer_id, ())
        return any(first <= header.base_offset <= last for first, last in spans)

    def _batches(self, segment: Segment, breathe: Breathe) -> Iterator[tuple[BatchHeader, Buffer]]:
        """The batches of a segment, through a file of the thread's own."""
        file = self._core.files.open(segment.path(LOG))
        try:
            for header, batch in _read_batches(file, segment.size):
                if not check_crc(batch, 0, len(batch)):
                    raise Corrupt("batch.crc_mismatch")
                breathe(len(batch))
                yield header, batch
        finally:
            file.close()

    def settle(self) -> None:
        """After `replace`: remove the old files and give the cleaned ones their names."""
        cleaned = self._cleaned
        if cleaned is None or not self._is_replaced:
            return
        files, directory = self._core.files, self.log.directory
        with _failures(self, is_committed=True):
            remove_replaced(files, directory, cleaned.base_offset, self._group_end)
            with OPENING:
                rename_cleaned(files, directory, cleaned.base_offset)
                cleaned.name_end = ""
            sync_dir(files, directory)
            self.log.swap_markers.add(self._marker)
        self._cleaned = None

    def fail(self, error: OSError | Corrupt, *, is_committed: bool) -> SummitError | None:
        """What an error means; cleans up behind one that can be waited out. None: never mind."""
        if self.log.is_deleted:
            return None
        core = self._core
        failure = disk_error(error, core.data_dir) if isinstance(error, OSError) else error
        if isinstance(failure, Unavailable) and not is_committed:
            try:
                if self._group:
                    remove_cleaned(core.files, self.log.directory, self._group[0].base_offset)
            except FileNotFoundError:  # deleted meanwhile
                return None
            except (OSError, Corrupt) as second:
                failure = Corrupt("disk.write_failed", path=core.data_dir, reason=str(second))
                core.fail(failure)
            return failure
        if failure.code.startswith("batch."):
            self.log.is_cleanable = False
            return failure
        core.fail(failure)
        return failure

    # ---- the loop's side ----

    def replace(self) -> None:
        """Let readers go on in the cleaned segment."""
        if self.log.is_deleted or self._cleaned is None:
            return
        self.log.replace_segments(self._group, self._cleaned)
        self.log.thinned_offset = max(self.log.thinned_offset, self._group_end)
        self._core.bury(self._group)
        self._core.mark_dirty(self.log)
        self._is_replaced = True

    def finish(self, *, is_complete: bool) -> None:
        """End the run; `is_complete`: `copy` has said that all is done."""
        self.log.is_cleaning = False
        if self._cleaned is not None:  # committed and not settled: the next opening completes it
            self.log.is_cleanable = False
        if is_complete and not self.log.is_deleted:
            self.log.cleaned_offset = max(self.log.cleaned_offset, self._stop)
            self._core.mark_dirty(self.log)


class _failures:  # noqa: N801 - reads as a statement
    """Turns errors of the disk into what they mean for a cleaning."""

    def __init__(self, cleaning: Cleaning, *, is_committed: bool = False) -> None:
        self._cleaning = cleaning
        self._is_committed = is_committed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, OSError | Corrupt):
            return False
        failure = self._cleaning.fail(error, is_committed=self._is_committed)
        if failure is None:
            return True
        raise failure from error


class _Writer:
    """Writes one cleaned segment and its indexes."""

    def __init__(self, segment: Segment, index_interval_bytes: int) -> None:
        self._segment = segment
        self._interval_bytes = index_interval_bytes
        self._chunks: list[Buffer] = []
        self._chunk_bytes = 0
        self._unindexed_bytes = 0
        self._written = 0
        self.position = 0
        segment.file.truncate(0)

    def add(self, batch: Buffer) -> None:
        segment = self._segment
        header = parse_header(batch)
        if header.max_timestamp > segment.max_timestamp:
            segment.max_timestamp = header.max_timestamp
            segment.max_timestamp_offset = header.last_offset
        if self._unindexed_bytes > self._interval_bytes:
            segment.add_entry(header.last_offset, self.position)
            self._unindexed_bytes = 0
        size = len(batch)
        self._unindexed_bytes += size
        self._chunks.append(bytes(batch))
        self._chunk_bytes += size
        self.position += size
        if self._chunk_bytes >= _READ_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._chunks:
            self._segment.file.pwrite(b"".join(self._chunks), self._written)
            self._written += self._chunk_bytes
            self._chunks, self._chunk_bytes = [], 0

    def finish(self, aborted: list[tuple[int, int, int, int]]) -> None:
        """Write what is left and the indexes; sync all of it."""
        self._flush()
        segment = self._segment
        segment.finish_time_index()
        segment.size = self.position
        segment.aborted = list(aborted)  # type: ignore[arg-type]
        sync(segment.file)
        offsets, times = segment.offset_index, segment.time_index
        self._write_index(INDEX, offsets.encode(0, len(offsets)))
        self._write_index(TIME_INDEX, times.encode(0, len(times)))
        if segment.aborted:
            self._write_index(TRANSACTION_INDEX, encode_aborted(segment.aborted))
        offsets.flushed_count, times.flushed_count = len(offsets), len(times)
        offsets.is_file_true = times.is_file_true = True
        segment.aborted_flushed_count = len(segment.aborted)

    def _write_index(self, suffix: str, data: bytes) -> None:
        file = self._segment.files.open(self._segment.path(suffix), create=True)
        try:
            file.truncate(0)
            file.pwrite(data, 0)
            sync(file)
        finally:
            file.close()

    def close(self) -> None:
        self._segment.close()


def _read_batches(file: File, stop: int) -> Iterator[tuple[BatchHeader, Buffer]]:
    position = 0
    block = memoryview(b"")
    at = 0
    while position < stop:
        if at + HEADER_BYTES > len(block):
            block, at = memoryview(file.pread(min(_READ_BYTES, stop - position), position)), 0
        size = parse_header(block, at).size if at + HEADER_BYTES <= len(block) else 0
        if size < HEADER_BYTES or position + size > stop:
            raise Corrupt("batch.unreadable", reason=f"a batch at {position} of {file.path}")
        if at + size > len(block):
            length = max(size, min(_READ_BYTES, stop - position))
            block, at = memoryview(file.pread(length, position)), 0
        batch = block[at : at + size]
        yield parse_header(batch), batch
        at += size
        position += size


def _name(key: bytes) -> bytes:
    """What a key is remembered by: itself, or a hash of a length that no short key has."""
    if len(key) <= _KEY_BYTES_MAX:
        return key
    return blake2b(key, digest_size=_KEY_BYTES_MAX + 1).digest()
