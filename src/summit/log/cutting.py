"""A cut through all partitions at one moment: what a copy of a store that goes on has to hold.

Taken on the loop's thread between two groups, so it is what a crash at that moment would leave:
every group that was answered, whole, and nothing else. The copy is opened as after a crash;
recovery and the transaction coordinator know what to do with what was under way.

Appends go on while the cut is copied: they only add behind it. Retention and deletion go on too,
but no file is removed before `release`; compaction, which replaces files, has to rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from summit.base.files import File
from summit.log.checkpoint import CheckpointFile, RecoveryPoint, encode_checkpoint
from summit.log.layout import (
    CHECKPOINT,
    DELETED_DIRECTORY,
    EPOCHS,
    INDEX,
    LOG,
    PARTITION_METADATA,
    SNAPSHOT,
    TIME_INDEX,
    TRANSACTION_INDEX,
    encode_partition_metadata,
    encode_topic_id,
    join,
    offset_name,
    partition_name,
)
from summit.log.snapshots import encode_snapshot
from summit.log.transactions import encode_aborted

if TYPE_CHECKING:
    from summit.log.partition import PartitionLog
    from summit.log.segment import Segment
    from summit.log.store import StoreCore

_READ_BYTES = 1 << 20


class CutFile(NamedTuple):
    """One file of the copy: its path in a data directory, and its bytes, piece by piece."""

    path: str
    pieces: Iterator[bytes]


class _CutSegment(NamedTuple):
    segment: Segment
    size: int
    offset_count: int  # entries of the indexes that belong to it; -1: the files are complete
    time_count: int
    aborted: bytes


class _CutPartition(NamedTuple):
    log: PartitionLog
    high_watermark: int
    segments: list[_CutSegment]
    small: dict[str, bytes]


class Cut:
    """One cut. Made and released on the loop's thread; `files` is for another one.

    Cost: Making it takes some 20 µs a partition, and the producers of each are written out.
    """

    def __init__(self, core: StoreCore) -> None:
        self._core = core
        core.holds += 1
        self._partitions = [_cut(log) for log in core.logs()]
        points = {
            (log.topic_id, log.index): RecoveryPoint(
                high, log.start_offset, log.cleaned_offset, log.thinned_offset
            )
            for log, high, *_ in self._partitions
        }
        self._checkpoint = encode_checkpoint(CheckpointFile(core.epoch, points))

    @property
    def size_bytes(self) -> int:
        """Bytes of all batches in the cut."""
        return sum(part.size for each in self._partitions for part in each.segments)

    @property
    def end_offsets(self) -> dict[tuple[str, int], int]:
        """Where each partition ends in it: its high watermark."""
        return {(log.topic, log.index): high for log, high, *_ in self._partitions}

    def release(self) -> None:
        """Let files be removed again."""
        self._core.holds -= 1

    def files(self) -> Iterator[CutFile]:
        """Every file of the copy, the checkpoint last. Blocks. Raises OSError."""
        for log, _, segments, small in self._partitions:
            directory = join("topics", partition_name(log.topic, log.index))
            for part in segments:
                yield from self._segment(log, directory, part)
            for name, data in small.items():
                yield CutFile(join(directory, name), iter([data]))
        yield CutFile(CHECKPOINT, iter([self._checkpoint]))

    def _segment(self, log: PartitionLog, directory: str, part: _CutSegment) -> Iterator[CutFile]:
        segment = part.segment
        base = segment.base_offset
        yield CutFile(join(directory, offset_name(base, LOG)), self._copy(log, part, LOG))
        if part.offset_count < 0:
            for suffix in (INDEX, TIME_INDEX, TRANSACTION_INDEX):
                if self._is_there(log, segment, suffix):
                    name = join(directory, offset_name(base, suffix))
                    yield CutFile(name, self._copy(log, part, suffix))
            return
        for suffix, data in (
            (INDEX, segment.offset_index.encode(0, part.offset_count)),
            (TIME_INDEX, segment.time_index.encode(0, part.time_count)),
            (TRANSACTION_INDEX, part.aborted),
        ):
            if data:
                yield CutFile(join(directory, offset_name(base, suffix)), iter([data]))

    def _is_there(self, log: PartitionLog, segment: Segment, suffix: str) -> bool:
        try:
            self._open(log, segment, suffix).close()
        except FileNotFoundError:
            return False
        return True

    def _copy(self, log: PartitionLog, part: _CutSegment, suffix: str) -> Iterator[bytes]:
        if suffix == LOG and part.size == 0:
            return
        file = self._open(log, part.segment, suffix)
        try:
            size = part.size if suffix == LOG else file.size()
            position = 0
            while position < size:
                piece = file.pread(min(_READ_BYTES, size - position), position)
                if not piece:
                    raise OSError(None, "the file is shorter than it was", file.path)
                yield piece
                position += len(piece)
        finally:
            file.close()

    def _open(self, log: PartitionLog, segment: Segment, suffix: str) -> File:
        """Open a file of a partition whose topic may be deleted, and even made anew, meanwhile."""
        files = self._core.files
        if not _is_deleted(log):
            try:
                file = files.open(segment.path(suffix))
            except FileNotFoundError:
                if not _is_deleted(log):
                    raise
            else:
                if not _is_deleted(log):
                    return file
                file.close()  # perhaps of the new topic of that name
        name = f"{partition_name(log.topic, log.index)}.{encode_topic_id(log.topic_id)}"
        directory = join(log.log_dir, name + DELETED_DIRECTORY)
        return files.open(join(directory, offset_name(segment.base_offset, suffix)))


def _is_deleted(log: PartitionLog) -> bool:
    """Whether it is by now: the loop's thread may delete it between two looks."""
    return log.is_deleted


def _cut(log: PartitionLog) -> _CutPartition:
    high = log.high_watermark
    small = {
        PARTITION_METADATA: encode_partition_metadata(log.topic_id),
        EPOCHS: log.epochs.encode(),
        offset_name(high, SNAPSHOT): encode_snapshot(log.published_producers()),
    }
    segments = []
    for segment in log.segments:
        if segment.base_offset > high:
            break  # begun by what is not published
        stop = high - segment.base_offset
        is_loaded = segment.has_indexes
        aborted = [entry for entry in segment.aborted if entry.last_offset < high]
        segments.append(
            _CutSegment(
                segment,
                segment.size,
                segment.offset_index.count_below(stop) if is_loaded else -1,
                segment.time_index.count_below(stop) if is_loaded else -1,
                encode_aborted(aborted) if is_loaded else b"",
            )
        )
    return _CutPartition(log, high, segments, small)
