"""Opening one partition: its segments, its indexes, what producers had written.

See `recovery.py` for the order of things. `PartitionOpener` lives only while a store is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from summit.base.files import Buffer, Files
from summit.log.checkpoint import RecoveryPoint
from summit.log.epochs import LeaderEpochs
from summit.log.layout import (
    EPOCHS,
    INDEX,
    LOG,
    SNAPSHOT,
    TIME_INDEX,
    TRANSACTION_INDEX,
    join,
    offset_name,
    parse_offset_name,
    partition_name,
)
from summit.log.partition import PartitionLog
from summit.log.producers import ProducedBatch
from summit.log.segment import Segment
from summit.log.snapshots import decode_snapshot
from summit.log.swapping import complete_swaps
from summit.log.transactions import AbortedTransaction
from summit.log.wal_format import WalEntry
from summit.records.batch import HEADER_BYTES, MAGIC, BatchHeader, check_crc, parse_header
from summit.records.marker import read_marker

if TYPE_CHECKING:
    from summit.log.store import StoreCore

_READ_BYTES = 1 << 20


class PartitionOpener:
    """Opens one partition directory and plays entries of the write-ahead log back into it."""

    def __init__(
        self, files: Files, log_dir: str, name: tuple[str, int, UUID], point: RecoveryPoint
    ) -> None:
        self._files = files
        self._log_dir = log_dir
        self._id = name
        self.name = partition_name(name[0], name[1])
        self.directory = join(log_dir, self.name)
        self.point = point
        self.wal_key = (name[2].bytes, name[1])
        self.scanned_bytes = 0
        self.cut_bytes = 0
        self.gap: tuple[int, int] | None = None  # offsets that are lost: first, stop
        self._end_offset = 0
        self._thinned_offset = 0  # before it offsets may be missing: compaction took them out
        self._unindexed_bytes = 0
        self._was_clean = False
        self._log: PartitionLog

    def open(
        self, core: StoreCore, now_ms: int, *, is_clean: bool, stop_offset: int | None
    ) -> PartitionLog:
        """Make the log of what the directory holds, up to `stop_offset`, where the WAL goes on."""
        self._thinned_offset, markers = complete_swaps(self._files, self.directory)
        self._thinned_offset = max(self._thinned_offset, self.point.thinned_offset)
        snapshots, segments = self._list()
        while len(segments) > 1 and segments[1].base_offset <= self.point.start_offset:
            self._remove(segments.pop(0))  # retention had let go of it
        for segment in segments:
            segment.size = segment.file.size()
        if not segments:
            segments = [Segment(self._files, self.directory, self.point.recovery_point)]
            segments[0].create_empty()
            segments[0].is_dirty = True
        log = self._log = PartitionLog(
            self._files, self.directory, name=self._id, config=core.settings.defaults,
            segments=segments, open_writes=core.open_writes,
        )  # fmt: skip
        log.log_dir = self._log_dir
        log.recovery_point = self.point.recovery_point
        log.cleaned_offset = self.point.cleaned_offset
        log.thinned_offset = self._thinned_offset
        log.swap_markers.update(markers)
        log.has_rolled = segments[0].is_dirty
        log.leader_epoch = core.epoch
        self._load_epochs(log.epochs)
        if is_clean:
            start = self.point.recovery_point
        else:
            start = self._load_snapshot(snapshots, self.point.recovery_point)
        if is_clean and not self._load_clean(snapshots):
            start = self._load_snapshot(snapshots, self.point.recovery_point)
            is_clean = False
        self._was_clean = is_clean
        if not is_clean:
            self._scan(start, now_ms, stop_offset)
        return log

    def finish(self, core: StoreCore) -> None:
        """After all was played back: set the tail and mark what has to be synced."""
        log = self._log
        recovery_point, start_offset = self.point[:2]
        if self._end_offset < recovery_point:
            # What was there is gone; its offsets were given to consumers and are not used again.
            self._note_gap(recovery_point)
            self._roll(recovery_point).create_empty()
            self._end_offset = recovery_point
        log.epochs.truncate(self._end_offset)
        log.producers.forget_from(self._end_offset)
        log.set_tail(self._end_offset, self._unindexed_bytes)
        log.start_offset = min(max(start_offset, log.segments[0].base_offset), self._end_offset)
        if log.is_new or any(segment.is_dirty for segment in log.segments):
            core.mark_dirty(log)
        for segment in log.segments:
            # After a crash a file that is younger than the last checkpoint, or was cut since, may
            # have been made by a run that did not come to sync its name.
            is_old = segment.base_offset < recovery_point and not segment.is_dirty
            segment.is_named = self._was_clean or is_old
            if not segment.is_dirty:
                segment.close()

    # ---- files ----

    def _list(self) -> tuple[list[int], list[Segment]]:
        """Snapshot offsets and segments in order; drops what other names are left over."""
        snapshots: list[int] = []
        bases: list[int] = []
        for name in self._files.list_dir(self.directory):
            if (base := parse_offset_name(name, LOG)) is not None:
                bases.append(base)
            elif (offset := parse_offset_name(name, SNAPSHOT)) is not None:
                snapshots.append(offset)
            elif name.endswith(".tmp"):
                self._files.remove(join(self.directory, name))
        segments: list[Segment] = []
        for base in sorted(bases):
            segment = Segment(self._files, self.directory, base)
            segment.is_on_disk = True
            segment.defer_indexes()
            segments.append(segment)
        return sorted(snapshots), segments

    def _load_epochs(self, epochs: LeaderEpochs) -> None:
        path = join(self.directory, EPOCHS)
        if self._files.exists(path):
            epochs.load(self._files.read_bytes(path))

    def _load_snapshot(self, snapshots: list[int], limit: int) -> int:
        """Load the newest producer snapshot not beyond `limit`; drop the others.

        Returns: Its offset; the start of the log when there is none.
        """
        log = self._log
        chosen = -1
        for offset in reversed(snapshots):
            path = join(self.directory, offset_name(offset, SNAPSHOT))
            usable = chosen < 0 and log.segments[0].base_offset <= offset <= limit
            if usable and (entries := decode_snapshot(self._files.read_bytes(path))) is not None:
                chosen = offset
                for producer_id, entry in entries.items():
                    log.producers.restore(producer_id, entry)
            elif not usable or chosen < 0:
                self._files.remove(path)
        log.snapshot_offset = chosen
        return chosen if chosen >= 0 else log.segments[0].base_offset

    def _load_clean(self, snapshots: list[int]) -> bool:
        """Take a cleanly closed log as it is. Returns: whether it is what the checkpoint says."""
        log = self._log
        last = log.segments[-1]
        end_offset = self.point.recovery_point
        last.load_indexes(end_offset, last.size)
        if self._walk_to(last, end_offset) != last.size or self._end_offset != end_offset:
            return False
        self._load_snapshot(snapshots, end_offset)
        return True

    # ---- scanning ----

    def _scan(self, start: int, now_ms: int, stop_offset: int | None) -> None:
        """Check every batch from offset `start` on; cut where one does not hold.

        What lies at or after `stop_offset` is cut too: the write-ahead log has it, or nobody was
        answered.
        """
        segments = self._log.segments
        first = max((n for n, s in enumerate(segments) if s.base_offset <= start), default=0)
        for number in range(first, len(segments)):
            segment = segments[number]
            position = 0
            if number == first:
                segment.load_indexes(start, segment.size)
                position = self._walk_to(segment, start)
            elif not self._follows(segment.base_offset):
                self._cut(number - 1, segments[number - 1].size, is_loss=True)
                return
            else:
                segment.load_indexes(segment.base_offset, 0)
                self._end_offset = segment.base_offset
                self._unindexed_bytes = 0
            end = self._scan_segment(segment, position, now_ms, stop_offset)
            reached_stop = stop_offset is not None and self._end_offset >= stop_offset
            is_last = number + 1 == len(segments)
            if end < segment.size or (reached_stop and not is_last):
                self._cut(number, end, is_loss=not reached_stop)
                return

    def _follows(self, base_offset: int) -> bool:
        """Whether a segment belongs behind what was taken so far.

        Behind a hole it does only where all had been synced: there the disk has lost something.
        Later the hole and what follows were on their way together, and nobody was answered.
        """
        if self._end_offset < base_offset <= self.point.recovery_point:
            self._note_gap(base_offset)
            return True
        return base_offset == self._end_offset

    def _note_gap(self, stop: int) -> None:
        """Offsets up to `stop` are missing; below the log's start nobody misses them."""
        first = max(self._end_offset, self.point.start_offset, self._thinned_offset)
        if first < stop:
            self.gap = (first if self.gap is None else self.gap[0], stop)

    def _walk_to(self, segment: Segment, stop_offset: int) -> int:
        """Go from the last index entry to the end of the batches before `stop_offset`.

        Returns: The position there; `_end_offset` is set to the offset there.
        """
        position = end = segment.offset_index.floor(2**32 - 1)
        self._end_offset = segment.base_offset
        for place in segment.places(position, segment.size):
            if not self._end_offset <= place.base_offset < stop_offset:
                break  # behind it, or a sector of it never came
            if place.position + place.size > segment.size:
                break
            end = place.position + place.size
            self._end_offset = place.last_offset + 1
            timestamp = segment.header_fields(place.position)[8]
            if timestamp > segment.max_timestamp:
                segment.max_timestamp = timestamp
                segment.max_timestamp_offset = place.last_offset
        self._unindexed_bytes = end - position
        return end

    def _scan_segment(
        self, segment: Segment, position: int, now_ms: int, stop_offset: int | None
    ) -> int:
        """Take the batches from `position` on. Returns: where the last good one ends."""
        for header, batch in _batches(segment, position):
            if header.base_offset < self._end_offset:
                return position
            if stop_offset is not None and header.base_offset >= stop_offset:
                return position
            if not check_crc(batch, 0, len(batch)):
                return position
            self._take(segment, position, header, batch, now_ms)
            position += len(batch)
        return position

    def _take(
        self, segment: Segment, position: int, header: BatchHeader, body: Buffer, now_ms: int
    ) -> None:
        """Note one good batch that stands at `position`."""
        log = self._log
        size = header.size
        last = header.last_offset
        if header.is_control:
            self._take_marker(segment, header, body, now_ms)
        elif header.producer_id >= 0:
            batch = ProducedBatch(
                header.base_sequence, header.last_sequence, header.base_offset, last
            )
            log.producers.put(
                header.producer_id,
                header.producer_epoch,
                batch,
                now_ms,
                is_transactional=header.is_transactional,
            )
        log.epochs.note(header.leader_epoch, header.base_offset)
        if header.max_timestamp > segment.max_timestamp:
            segment.max_timestamp = header.max_timestamp
            segment.max_timestamp_offset = last
        if self._unindexed_bytes > log.config.index_interval_bytes:
            segment.add_entry(last, position)
            self._unindexed_bytes = 0
        self._unindexed_bytes += size
        self._end_offset = last + 1
        self.scanned_bytes += size
        log.unsnapshot_bytes += size
        segment.is_dirty = True
        if segment.opened_ms == 0:
            segment.opened_ms = min(max(header.max_timestamp, 0), now_ms) or now_ms

    def _take_marker(
        self, segment: Segment, header: BatchHeader, body: Buffer, now_ms: int
    ) -> None:
        """End the producer's transaction; an aborted one goes to the segment's index."""
        marker = read_marker(body)
        if marker.is_commit is None:
            return
        producers, producer_id = self._log.producers, header.producer_id
        old = producers.end_transaction(
            producer_id, header.producer_epoch, marker.coordinator_epoch, now_ms
        )
        if marker.is_commit or old is None or old.open_offset < 0:
            return
        offset = header.base_offset
        others = (e.open_offset for e in producers.entries().values() if e.open_offset >= 0)
        stable = min(others, default=offset + 1)
        segment.aborted.append(AbortedTransaction(producer_id, old.open_offset, offset, stable))

    def _cut(self, number: int, position: int, *, is_loss: bool) -> None:
        """End the log at `position` of segment `number`."""
        segments = self._log.segments
        segment = segments[number]
        if is_loss:
            self.cut_bytes += sum(other.size for other in segments[number:]) - position
        if position < segment.size:
            segment.truncate(position)
            segment.size = position
        segment.is_dirty = True
        for other in segments[number + 1 :]:
            self._remove(other)
        del segments[number + 1 :]
        self._log.has_rolled = True

    def _remove(self, segment: Segment) -> None:
        segment.close()
        for suffix in (LOG, INDEX, TIME_INDEX, TRANSACTION_INDEX):
            if self._files.exists(segment.path(suffix)):
                self._files.remove(segment.path(suffix))

    # ---- playing back ----

    def replay(self, entry: WalEntry, now_ms: int) -> None:
        """Write the batches of one entry at the end of the log."""
        log = self._log
        data = entry.data
        if entry.base_offset > self._end_offset:
            self._note_gap(entry.base_offset)
            self._roll(entry.base_offset)
        segment = log.segments[-1]
        position = start = 0  # from `start` to `position`: taken and not yet written
        while position + HEADER_BYTES <= len(data):
            header = parse_header(data, position)
            size = header.size
            if header.base_offset < self._end_offset:
                start = position + size
            else:
                at = segment.size + position - start
                if at and at + size > log.config.segment_bytes:
                    _append(segment, data[start:position])
                    segment = self._roll(header.base_offset)
                    start, at = position, 0
                self._take(segment, at, header, data[position : position + size], now_ms)
            position += size
        _append(segment, data[start:position])

    def _roll(self, base_offset: int) -> Segment:
        log = self._log
        if log.segments[-1].size == 0:
            self._remove(log.segments.pop())
        segment = Segment(self._files, self.directory, base_offset)
        log.segments.append(segment)
        log.has_rolled = True
        self._unindexed_bytes = 0
        return segment


def _append(segment: Segment, data: Buffer) -> None:
    if data:
        segment.write([data], segment.size)
        segment.size += len(data)


def _batches(segment: Segment, position: int) -> Iterator[tuple[BatchHeader, Buffer]]:
    """The batches from `position` on as long as their headers make sense and they are whole."""
    stop = segment.size
    block = memoryview(b"")
    block_position = position
    while position + HEADER_BYTES <= stop:
        at = position - block_position
        if at + HEADER_BYTES > len(block):
            block = memoryview(segment.read(position, min(_READ_BYTES, stop - position)))
            block_position, at = position, 0
            if len(block) < HEADER_BYTES:
                return
        header = parse_header(block, at)
        size = header.size
        if header.magic != MAGIC or size < HEADER_BYTES or position + size > stop:
            return
        if header.last_offset_delta < 0 or header.base_offset < segment.base_offset:
            return
        if at + size > len(block):
            block = memoryview(segment.read(position, max(size, min(_READ_BYTES, stop - position))))
            block_position, at = position, 0
            if len(block) < size:
                return
        yield header, block[at : at + size]
        position += size
