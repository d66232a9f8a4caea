"""Checkpoints: from where recovery has to look, and up to where the write-ahead log may be dropped.

A checkpoint syncs what was written to segments, then records per partition the recovery point: all
batches before it are on the disk. The file `checkpoint` in the data directory is text:

    1                                       version
    epoch 3                                 starts after a crash so far; the leader epoch
    partitions 1
    6f1c…32 hex digits…9a 0 1200 0 800 900  topic id, partition, recovery point, log start offset,
                                            and for compacted logs cleaned and thinned offset
    crc32c 1b2c3d4e                         of all lines before

It is keyed by topic id, so a topic deleted and made again starts at 0.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import crc32c

from summit.base.errors import Corrupt, Unavailable
from summit.base.files import Files
from summit.log.faults import disk_error, do_all, sync, sync_dir
from summit.log.index import OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES
from summit.log.layout import (
    CHECKPOINT,
    EPOCHS,
    INDEX,
    LOG,
    PARTITION_METADATA,
    SNAPSHOT,
    TIME_INDEX,
    TRANSACTION_INDEX,
    encode_partition_metadata,
    join,
    offset_name,
)
from summit.log.snapshots import encode_snapshot
from summit.log.transactions import ABORTED_ENTRY_BYTES, encode_aborted

if TYPE_CHECKING:
    from summit.log.partition import PartitionLog
    from summit.log.segment import Segment
    from summit.log.store import StoreCore

# Below it a checkpoint leaves indexes, epochs and producer state to recovery: a scan of this many
# bytes is cheaper than three or four more synced files per partition and checkpoint.
DEEP_BYTES = 4 << 20

PartitionKey = tuple[UUID, int]


class RecoveryPoint(NamedTuple):
    """What the file says of one partition; offsets."""

    recovery_point: int
    start_offset: int
    cleaned_offset: int = 0  # before it every key has one record at most
    thinned_offset: int = 0  # before it offsets may be missing


class CheckpointFile(NamedTuple):
    """The content of the file."""

    epoch: int
    points: dict[PartitionKey, RecoveryPoint]


def encode_checkpoint(content: CheckpointFile) -> bytes:
    lines = ["1", f"epoch {content.epoch}", f"partitions {len(content.points)}"]
    for (topic_id, index), point in content.points.items():
        offsets = point if point.thinned_offset or point.cleaned_offset else point[:2]
        lines.append(f"{topic_id.hex} {index} " + " ".join(map(str, offsets)))
    body = "\n".join([*lines, ""]).encode()
    return body + f"crc32c {crc32c.crc32c(body):08x}\n".encode()


def decode_checkpoint(data: bytes) -> CheckpointFile | None:
    """The content, or None when it is damaged."""
    body, mark, crc = data.rpartition(b"crc32c ")
    if not mark or crc.strip() != f"{crc32c.crc32c(body):08x}".encode():
        return None
    version, epoch, _, *lines = body.decode().splitlines()
    if version != "1":
        return None
    points: dict[PartitionKey, RecoveryPoint] = {}
    for line in lines:
        topic_id, index, *offsets = line.split(" ")
        points[UUID(hex=topic_id), int(index)] = RecoveryPoint(*map(int, offsets))
    return CheckpointFile(int(epoch.removeprefix("epoch ")), points)


def read_checkpoint(files: Files, data_dir: str) -> CheckpointFile:
    """The checkpoint of a data directory; empty when there is none.

    Raises: Corrupt("disk.file_damaged"): it is replaced atomically, so this is not a crash's work.
    """
    path = join(data_dir, CHECKPOINT)
    if not files.exists(path):
        return CheckpointFile(0, {})
    content = decode_checkpoint(files.read_bytes(path))
    if content is None:
        raise Corrupt("disk.file_damaged", path=path)
    return content


class _IndexPart(NamedTuple):
    """Index entries of a segment that are to be written at the end of a file."""

    segment: Segment
    suffix: str
    position: int
    data: bytes

    def joined(self, later: _IndexPart) -> _IndexPart:
        """This part and a later one of the same file as one."""
        kept = self.data[: max(later.position - self.position, 0)]
        return self._replace(position=min(self.position, later.position), data=kept + later.data)


class Checkpoint:
    """One checkpoint. Made on the loop's thread, run on another one, finished with its run.

    Making it notes what is published now: the dirty segments, index entries, producer states and
    the file of the write-ahead log that holds the last published group. Publishing may go on while
    it runs; what comes later belongs to the next checkpoint.
    """

    def __init__(self, core: StoreCore, *, deep: bool = False) -> None:
        self._core = core
        self._segments: list[Segment] = []
        self._directories: dict[str, None] = {}  # with new segments or partitions
        self._new: list[PartitionLog] = []
        # One job a file: those of two would run side by side, and the earlier may end the later.
        self._indexes: dict[tuple[Segment, str], _IndexPart] = {}
        self._small_files: dict[str, tuple[PartitionLog, bytes]] = {}  # by path
        self._old_snapshots: list[tuple[PartitionLog, int]] = []
        self._wal_number = core.published_wal_number
        self._doomed_files: list[Segment] = []
        self._doomed_trees: list[str] = []
        if not core.holds:  # else somebody is copying them
            self._doomed_files, core.doomed_files = core.doomed_files, []
            self._doomed_trees, core.doomed_trees = core.doomed_trees, []
        if core.leftover is not None:
            self._take_over(core.leftover)
            core.leftover = None
        while core.dirty:  # another thread may be adding a new partition
            log = core.dirty.popleft()
            log.is_dirty = False
            if not log.is_deleted:
                self._note(log, deep=deep)
        core.unsynced_bytes = 0
        self._covered = [(log, log.high_watermark) for log in core.logs()]
        # `sorted` takes a copy at one go: a cleaning on its thread may be adding one.
        self._swap_markers = [
            (log, path) for log, _ in self._covered for path in sorted(log.swap_markers)
        ]
        points = {
            (log.topic_id, log.index): RecoveryPoint(
                log.high_watermark, log.start_offset, log.cleaned_offset, log.thinned_offset
            )
            for log, _ in self._covered
        }
        core.live_checkpoints.add(self)
        self._content = encode_checkpoint(CheckpointFile(core.epoch, points))

    def run(self) -> None:
        """Do the work. Blocks; for a thread other than the loop's and the one that persists.

        Raises: Corrupt("disk.sync_failed" | "disk.write_failed"): the store has failed for good.
            A full disk is no error: recovery only gets longer.
        """
        try:
            self._run()
        finally:
            self._core.live_checkpoints.discard(self)

    def _run(self) -> None:
        core = self._core
        with core.maintaining:
            core.check_usable(persisting=False)
            try:
                self._write_all()
                if self._content != core.saved_checkpoint:
                    core.files.write_atomic(join(core.data_dir, CHECKPOINT), self._content)
                    core.saved_checkpoint = self._content
                for log, offset in self._covered:
                    log.recovery_point = max(log.recovery_point, offset)
                self._remove_old()
                if core.wal is not None:
                    core.wal.trim(self._wal_number)
                    if core.wal.wants_next_file:
                        core.wal.prepare()
            except OSError as error:
                failure = disk_error(error, core.data_dir)
                if isinstance(failure, Unavailable):
                    core.leftover = self  # the next one does this one's work too
                    return
                core.fail(failure)
                raise failure from error
            except Corrupt as error:
                core.fail(error)
                raise

    def _take_over(self, other: Checkpoint) -> None:
        """Begin with the work of one that met a full disk; doing part of it again does no harm.

        Before anything is noted: what is noted of the same file is newer.
        """
        self._segments += other._segments
        self._directories |= other._directories
        self._new += other._new
        self._indexes |= other._indexes
        self._small_files |= other._small_files
        self._old_snapshots += other._old_snapshots
        self._doomed_files += other._doomed_files
        self._doomed_trees += other._doomed_trees

    def _note(self, log: PartitionLog, *, deep: bool) -> None:
        dirty = [segment for segment in log.segments if segment.is_dirty]
        self._segments += dirty
        for segment in dirty:
            segment.is_dirty = False
            if not segment.is_named:
                segment.is_named = True
                self._directories[log.directory] = None
        if log.is_new:
            log.is_new = False
            self._new.append(log)
            self._directories[log.directory] = self._directories[log.log_dir] = None
        if not (deep or log.has_rolled or log.unsnapshot_bytes >= DEEP_BYTES):
            return
        if log.epochs.is_dirty:
            log.epochs.is_dirty = False
            self._small_files[join(log.directory, EPOCHS)] = log, log.epochs.encode()
        if log.has_rolled:
            log.has_rolled = False
            self._directories[log.directory] = None
        log.unsnapshot_bytes = 0
        for segment in log.segments:
            if segment.has_unflushed_entries:
                self._note_indexes(log, segment)
        offset = log.high_watermark
        # Nobody has written to a log that ends at 0: there is no state to keep, and thousands of
        # such files would make the end of a broker with as many empty partitions a long one.
        if log.snapshot_offset != offset and (offset or log.snapshot_offset >= 0):
            data = encode_snapshot(log.published_producers())
            name = join(log.directory, offset_name(offset, SNAPSHOT))
            self._small_files[name] = log, data
            if log.snapshot_offset >= 0:
                self._old_snapshots.append((log, log.snapshot_offset))
            log.snapshot_offset = offset

    def _note_indexes(self, log: PartitionLog, segment: Segment) -> None:
        """Copy the published entries that the index files do not have."""
        offsets, times = segment.offset_index, segment.time_index
        stop = log.high_watermark - segment.base_offset
        if offsets.is_unflushed:
            first, count = offsets.flushed_count, offsets.count_below(stop)
            data = offsets.encode(first, count)
            self._note_part(_IndexPart(segment, INDEX, first * OFFSET_ENTRY_BYTES, data))
            offsets.flushed_count, offsets.is_file_true = count, True
        if times.is_unflushed:
            first, count = times.flushed_count, times.count_below(stop)
            data = times.encode(first, count)
            self._note_part(_IndexPart(segment, TIME_INDEX, first * TIME_ENTRY_BYTES, data))
            times.flushed_count, times.is_file_true = count, True
        if segment.aborted_flushed_count != len(segment.aborted):
            first = max(segment.aborted_flushed_count, 0)
            data = encode_aborted(segment.aborted[first:])
            position = first * ABORTED_ENTRY_BYTES
            self._note_part(_IndexPart(segment, TRANSACTION_INDEX, position, data))
            segment.aborted_flushed_count = len(segment.aborted)

    def _note_part(self, part: _IndexPart) -> None:
        key = part.segment, part.suffix
        earlier = self._indexes.get(key)
        self._indexes[key] = part if earlier is None else earlier.joined(part)

    def _write_all(self) -> None:
        """Write and sync everything. A small file is replaced when the segments are durable."""
        files = self._core.files
        do_all(files, [
            *(partial(_sync_metadata, files, log) for log in self._new),
            *(partial(_sync_segment, segment) for segment in self._segments),
            *(partial(_write_index, files, part) for part in self._indexes.values()),
            *(
                partial(_write_draft, files, log, path, data)
                for path, (log, data) in self._small_files.items()
            ),
        ])  # fmt: skip
        directories = dict(self._directories)
        for path, (log, _) in self._small_files.items():
            with _unless_deleted(log):
                files.rename(f"{path}.tmp", path)
                directories[log.directory] = None
        do_all(files, [partial(sync_dir, files, directory) for directory in directories])

    def _remove_old(self) -> None:
        files = self._core.files
        for log, path in self._swap_markers:
            if files.exists(path):
                files.remove(path)
                sync_dir(files, log.directory)
            log.swap_markers.discard(path)
        paths = [segment.path(LOG) for segment in self._doomed_files]
        paths += [segment.path(INDEX) for segment in self._doomed_files]
        paths += [segment.path(TIME_INDEX) for segment in self._doomed_files]
        paths += [segment.path(TRANSACTION_INDEX) for segment in self._doomed_files]
        for log, offset in self._old_snapshots:
            paths.append(join(log.directory, offset_name(offset, SNAPSHOT)))
        for path in paths:
            if files.exists(path):
                files.remove(path)
        for path in self._doomed_trees:
            if files.is_dir(path):
                files.remove_tree(path)


def _sync_metadata(files: Files, log: PartitionLog) -> None:
    """Write it once more first: after a sync that failed it may be in the page cache alone, and
    be taken there for written."""
    with _unless_deleted(log):
        file = files.open(join(log.directory, PARTITION_METADATA))
        try:
            file.pwrite(encode_partition_metadata(log.topic_id), 0)
            sync(file)
        finally:
            file.close()


def _sync_segment(segment: Segment) -> None:
    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
        sync(segment.file)


def _write_index(files: Files, part: _IndexPart) -> None:
    try:
        file = files.open(part.segment.path(part.suffix), create=True)
    except FileNotFoundError:  # deleted meanwhile
        return
    try:
        file.truncate(part.position)
        file.pwrite(part.data, part.position)
        sync(file)
    finally:
        file.close()


def _write_draft(files: Files, log: PartitionLog, path: str, data: bytes) -> None:
    """Write what becomes the file at `path` when it is renamed."""
    with _unless_deleted(log):
        file = files.open(f"{path}.tmp", create=True)
        try:
            file.truncate(0)
            file.pwrite(data, 0)
            sync(file)
        finally:
            file.close()


@contextlib.contextmanager
def _unless_deleted(log: PartitionLog) -> Iterator[None]:
    """Pass over a file that is not there because its topic was deleted."""
    try:
        yield
    except FileNotFoundError:
        if not log.is_deleted:
            raise
