"""A commit group: what was staged between two seals, persisted and published as one.

    loop thread     seal()  ─────────────────────────────► publish()   or   roll_back()
    other thread             persist(): segments, then the write-ahead log, one sync

Groups are persisted one at a time, in the order they were sealed; staging goes on meanwhile and the
next group may be sealed before this one is settled. Settled means `publish` after `persist`
returned, or `roll_back` after it raised `Unavailable`.

Segments are written first, through the page cache, and the write-ahead log last. So every failure
that can be waited out comes before the commit point, the sync of the log: the files are truncated
back, and nothing of the group is left. After the commit point nothing can fail. Whatever else fails
before it leaves the disk in an unknown state and stops the store: recovery sorts it out.

Without a write-ahead log a kill may leave the first writes of a group and not the others. They go
in the order of `PartitionLog.write_rank`, so that what follows from another is written after it.

If a group cannot be written, then `roll_back` takes back its partitions: this group's batches and
all that were staged for the same partitions since, in groups sealed or open. Other partitions of
those groups are not touched. Until the loop has called it, no later group is persisted: each raises
the same error, so a hole in the offsets cannot be written even if the caller hurries on.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from summit.base.errors import Corrupt, Unavailable
from summit.log.faults import disk_error, reason, sync, sync_dir
from summit.log.layout import LOG
from summit.log.settings import FOR_EVER
from summit.log.wal_format import WalEntry

# Batches smaller than this on average are joined before they are written: one copy is cheaper
# than a longer vectored write. Larger ones are written from where they are.
_COPY_BYTES = 16 * 1024
_BASE_OFFSET = struct.Struct(">q")

if TYPE_CHECKING:
    from summit.base.files import Files
    from summit.log.partition import PartitionLog
    from summit.log.store import StoreCore
    from summit.log.write import Write


class Group:
    """The writes of one group. Made by `LogStore.seal`."""

    __slots__ = ("_core", "_writes", "size_bytes", "wal_file_number")

    def __init__(self, core: StoreCore, writes: list[Write]) -> None:
        self._core = core
        self._writes = writes
        self.size_bytes = 0
        self.wal_file_number = 0

    def persist(self) -> None:
        """Write the group as durably as the store's setting asks. Blocks; for a thread of its own.

        Raises:
            Unavailable("disk.full" | "disk.too_many_files"): Nothing of it stays on the disk. Call
                `roll_back`.
            Corrupt("disk.sync_failed" | "disk.write_failed"): The store has failed for good;
                nothing may be answered any more. Stop and open it again.
        Cost: One write per partition; in `fsync` one more write and one sync.
        """
        core = self._core
        with core.writing:
            core.check_usable()
            writes = [write for write in self._writes if write.chunks and not write.is_dropped]
            if core.wal is None and len(writes) > 1:
                writes.sort(key=_write_rank)
            done: list[Write] = []
            try:
                for write in writes:
                    done.append(write)
                    _write_segment(write)
                if core.wal is not None and writes:
                    core.wal.append(_wal_entries(writes))
                    self.wal_file_number = core.wal.file_number
                elif core.wal is None:
                    for write in writes:
                        _sync_by_count(core.files, write)
            except OSError as error:
                self._undo(done, error)
            except Corrupt as error:
                core.fail(error)
                raise
            self.size_bytes = sum(write.end_position - write.position for write in writes)

    def publish(self) -> list[PartitionLog]:
        """Let readers see the group. On the loop's thread, after `persist`, in the order of seals.

        Returns: The partitions whose high watermark moved, or whose repeated batches may now be
            answered.
        """
        advanced: list[PartitionLog] = []
        core = self._core
        for write in self._writes:
            if write.is_dropped:
                continue
            log = write.log
            log.publish(write)
            advanced.append(log)
            core.mark_dirty(log)
        core.settled(self)
        return advanced

    def roll_back(self) -> list[PartitionLog]:
        """Take the group back. On the loop's thread, after `persist` raised `Unavailable`.

        Returns: The partitions taken back. Every append to them that is not yet answered has
            failed, whatever group it was staged for, and its offsets are given again.
        """
        failed = [log for log in {write.log: None for write in self._writes} if log.roll_back()]
        for log in failed:
            self._core.mark_dirty(log)
        self._core.settled(self)
        self._core.held_back = None
        return failed

    def _undo(self, writes: list[Write], error: OSError) -> None:
        """Truncate the files back and raise what it means."""
        core = self._core
        failure = disk_error(error, core.data_dir)
        if not isinstance(failure, Unavailable):
            core.fail(failure)
            raise failure from error
        try:
            for write in reversed(writes):
                _remove_write(core.files, write)
        except OSError as second:
            stuck = Corrupt("disk.write_failed", path=core.data_dir, reason=reason(second))
            core.fail(stuck)
            raise stuck from error
        core.held_back = failure
        raise failure from error


def _write_rank(write: Write) -> int:
    return write.log.write_rank


def _write_segment(write: Write) -> None:
    chunks = write.chunks
    if write.is_dropped:  # its topic was deleted since
        return
    size = write.end_position - write.position
    if len(chunks) > 1 and size < len(chunks) * _COPY_BYTES:
        write.chunks = chunks = [b"".join(chunks)]
    try:
        write.segment.write(chunks, write.position)
    except FileNotFoundError:
        if not write.log.is_deleted:  # its directory was renamed a moment ago
            raise


def _sync_by_count(files: Files, write: Write) -> None:
    """Without a write-ahead log: sync a log that has `flush.messages` records not yet synced."""
    log = write.log
    limit = log.config.flush_messages
    if limit == FOR_EVER:
        return
    log.unsynced_records += write.end_offset - write.base_offset
    if log.unsynced_records < limit:
        return
    log.unsynced_records = 0
    for segment in {write.segment, *(s for s in log.segments if s.is_dirty)}:
        sync(segment.file)
    sync_dir(files, log.directory)


def _remove_write(files: Files, write: Write) -> None:
    segment = write.segment
    if write.position:
        segment.truncate(write.position)
    elif segment.is_open:
        segment.truncate(0)
        if segment is not write.log.segments[0]:
            segment.close()
            segment.is_on_disk = segment.is_named = False
            files.remove(segment.path(LOG))


def _wal_entries(writes: list[Write]) -> list[WalEntry]:
    entries: list[WalEntry] = []
    for write in writes:
        topic_id, index = write.log.topic_id.bytes, write.log.index
        for chunk in write.chunks:  # one, or large batches each by itself
            (base_offset,) = _BASE_OFFSET.unpack_from(chunk)
            entries.append(WalEntry(topic_id, index, base_offset, chunk))
    return entries
