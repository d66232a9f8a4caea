"""The store: every partition log under a data directory, and their common commit.

Threads: one loop thread owns the store and its logs. `Group.persist` runs on a second, one call at
a time; `Checkpoint.run` on a third (or the second, between groups). Two locks keep the disk work of
the two apart from that of creating and deleting partitions; the loop's own calls never wait for a
sync.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable
from functools import partial
from uuid import UUID

from summit.base.clock import Clock
from summit.base.errors import Conflict, SummitError
from summit.base.files import Files, Lock
from summit.base.limits import OPEN_SEGMENTS_MAX
from summit.base.rand import Rand
from summit.log.checkpoint import Checkpoint
from summit.log.choosing import choose
from summit.log.cleaning import Cleaning
from summit.log.cutting import Cut
from summit.log.faults import disk_errors, do_all, make_durable_dirs, sync, sync_dir
from summit.log.group import Group
from summit.log.layout import (
    CLEAN_SHUTDOWN,
    DELETED_DIRECTORY,
    LOCK,
    PARTITION_METADATA,
    WAL,
    encode_partition_metadata,
    encode_topic_id,
    join,
    partition_name,
)
from summit.log.partition import PartitionLog
from summit.log.recovery import RecoveryReport, recover
from summit.log.segment import Segment
from summit.log.settings import LogConfig, StoreSettings
from summit.log.wal import WriteAheadLog
from summit.log.write import Write


class StoreCore:
    """What store, groups and checkpoints share. Not for callers outside this room."""

    def __init__(
        self, files: Files, data_dir: str, log_dirs: list[str], settings: StoreSettings
    ) -> None:
        self.files = files
        self.data_dir = data_dir
        self.log_dirs = log_dirs
        self.settings = settings
        self.topics: dict[str, dict[int, PartitionLog]] = {}
        self.open_writes: list[Write] = []  # of the group that is open now
        self.wal: WriteAheadLog | None = None
        self.epoch = 0
        self.writing = threading.Lock()  # held while a group is persisted
        self.maintaining = threading.Lock()  # held while a checkpoint runs
        self.failure: SummitError | None = None  # for good
        self.held_back: SummitError | None = None  # until roll_back
        self.dirty: deque[PartitionLog] = deque()  # published since the last checkpoint
        self.unsynced_bytes = 0
        self.published_wal_number = 0
        self.sealed_count = 0  # groups sealed since the start
        self.settled_count = 0
        self.leftover: Checkpoint | None = None  # met a full disk
        self.doomed_files: list[Segment] = []
        self.doomed_trees: list[str] = []
        # To be closed when nobody can be using them: with the number of groups sealed by then.
        self.graveyard: list[tuple[int, Segment]] = []
        self.saved_checkpoint = b""
        self.live_checkpoints: set[Checkpoint] = set()  # begun and not yet done
        self.holds = 0  # cuts that are being copied: no file is removed meanwhile

    def logs(self) -> Iterable[PartitionLog]:
        for partitions in list(self.topics.values()):
            yield from list(partitions.values())

    def check_usable(self, *, persisting: bool = True) -> None:
        """Raise what stands in the way of disk work."""
        if self.failure is not None:
            raise self.failure
        if persisting and self.held_back is not None:
            raise self.held_back

    def fail(self, error: SummitError) -> None:
        """Stop for good: no group is persisted any more."""
        if self.failure is None:
            self.failure = error

    def settled(self, group: Group) -> None:
        self.settled_count += 1
        self.unsynced_bytes += group.size_bytes
        if group.wal_file_number:
            self.published_wal_number = group.wal_file_number

    def mark_dirty(self, log: PartitionLog) -> None:
        """Give the next checkpoint something to do for a log."""
        if not log.is_dirty:
            log.is_dirty = True
            self.dirty.append(log)

    def bury(self, segments: list[Segment]) -> None:
        """Let go of the files of deleted segments as soon as no group can be writing them."""
        self.graveyard += [(self.sealed_count, segment) for segment in segments]

    def close_idle_files(self) -> None:
        """Close what is deleted, and full segments beyond those kept open for reading.

        On the loop's thread, which is the one that reads; not while a checkpoint syncs files.
        """
        if not self.maintaining.acquire(blocking=False):
            return
        try:
            for sealed_by_then, segment in self.graveyard:
                if sealed_by_then <= self.settled_count:
                    segment.close()
            self.graveyard = [grave for grave in self.graveyard if grave[0] > self.settled_count]
            full = [
                segment
                for log in self.logs()
                for segment in log.segments[:-1]
                if segment.is_open and not segment.is_dirty
            ]
            if self.leftover is None:
                for segment in full[: max(len(full) - OPEN_SEGMENTS_MAX, 0)]:
                    segment.close()
        finally:
            self.maintaining.release()


class LogStore:
    """All partition logs of one data directory. `LogStore.open` makes it.

    A batch's way: `partition(…).stage(batch)` → `seal()` → `group.persist()` on another thread →
    `group.publish()`; see `group.py`. `maintenance_due` says when a checkpoint should follow.
    """

    def __init__(self, core: StoreCore, locks: list[Lock], report: RecoveryReport) -> None:
        self._core = core
        self._locks = locks
        self.report = report

    @classmethod
    def open(
        cls,
        files: Files,
        data_dir: str,
        log_dirs: list[str] | None = None,
        *,
        settings: StoreSettings | None = None,
        clock: Clock,
        rand: Rand | None = None,
    ) -> LogStore:
        """Open or make the store under `data_dir` and recover what it holds.

        After a clean close this reads little. After a crash it checks every batch since the last
        checkpoint, cuts each log at the first bad one, then plays back the write-ahead log; the
        outcome is in `report`. What was acknowledged under `fsync` is all there.

        Args:
            log_dirs: Where partitions are put, the emptiest first; default `<data_dir>/topics`.
        Raises: Conflict("disk.locked"); Unavailable("disk.full"); Corrupt("disk.file_damaged" |
            "disk.sync_failed" | "disk.write_failed").
        """
        settings = settings or StoreSettings()
        core = StoreCore(files, data_dir, log_dirs or [join(data_dir, "topics")], settings)
        with contextlib.ExitStack() as on_failure, disk_errors(data_dir):
            for path in (data_dir, *core.log_dirs, join(data_dir, WAL)):
                make_durable_dirs(files, path)
            locks: list[Lock] = []
            on_failure.callback(_release, locks)
            for path in dict.fromkeys((data_dir, *core.log_dirs)):
                locks.append(files.lock(join(path, LOCK)))
            report = recover(core, clock.now_ms())
            if settings.durability == "fsync":
                core.wal = WriteAheadLog(
                    files, join(data_dir, WAL), file_bytes=settings.wal_file_bytes,
                    number=report.next_wal_number, rand=rand or Rand(),
                )  # fmt: skip
            on_failure.pop_all()
        return cls(core, locks, report)

    # ---- partitions ----

    def create_partition(
        self, topic: str, topic_id: UUID, index: int, config: LogConfig | None = None
    ) -> PartitionLog:
        """Make one empty partition; see `create_partitions`."""
        return self.create_partitions(topic, topic_id, [index], config)[0]

    def create_partitions(
        self,
        topic: str,
        topic_id: UUID,
        indexes: Iterable[int],
        config: LogConfig | None = None,
    ) -> list[PartitionLog]:
        """Make empty partitions of a topic. They survive a crash from here on (under `fsync`).

        May be called on any thread, one call at a time: the logs appear when their files are there.

        Raises: Conflict("log.partition_exists"); Unavailable("disk.full"); Corrupt. What was made
            before the error is made again by the next try.
        Cost: Five small files each; under `fsync` one sync each and one for all.
        """
        core = self._core
        made: list[PartitionLog] = []
        parents: dict[str, None] = {}
        with disk_errors(core.data_dir):
            for index in indexes:
                if index in core.topics.get(topic, ()):
                    raise Conflict("log.partition_exists", topic=topic, partition=index)
                log_dir = self._emptiest(made)
                parents[log_dir] = None
                made.append(self._make_partition(log_dir, (topic, index, topic_id), config))
            if core.settings.durability == "fsync":
                do_all(core.files, [partial(_sync_partition, core.files, log) for log in made])
                for parent in parents:
                    sync_dir(core.files, parent)
        partitions = core.topics.setdefault(topic, {})
        for log in made:
            log.is_new = core.settings.durability != "fsync"
            log.segments[0].is_named = not log.is_new
            partitions[log.index] = log
            core.mark_dirty(log)
        return made

    def delete_topic(self, topic: str) -> bool:
        """Forget a topic's partitions; their files are removed by the next checkpoint.

        On the loop's thread. What is staged for them is taken back: answer it with the error of an
        unknown topic. Returns: whether there was such a topic.
        """
        core = self._core
        partitions = core.topics.pop(topic, None)
        if partitions is None:
            return False
        parents: dict[str, None] = {}
        for log in partitions.values():
            core.bury(log.mark_deleted())
            target = join(
                log.log_dir,
                f"{partition_name(topic, log.index)}.{encode_topic_id(log.topic_id)}"
                f"{DELETED_DIRECTORY}",
            )
            with disk_errors(core.data_dir):
                core.files.rename(log.directory, target)
            core.doomed_trees.append(target)
            parents[log.log_dir] = None
        if core.settings.durability == "fsync":
            for parent in parents:
                sync_dir(core.files, parent)
        return True

    def partition(self, topic: str, index: int) -> PartitionLog | None:
        """The log of a partition, or None."""
        partitions = self._core.topics.get(topic)
        return partitions.get(index) if partitions is not None else None

    def partitions(self, topic: str | None = None) -> list[PartitionLog]:
        """The logs of one topic in order, or all of them."""
        if topic is None:
            return list(self._core.logs())
        partitions = self._core.topics.get(topic, {})
        return [partitions[index] for index in sorted(partitions)]

    def volume_bytes(self, log_dir: str) -> tuple[int, int]:
        """The size of the volume that a log directory is on, and what is free of it. Raises Corrupt
        or Unavailable when the directory cannot be asked."""
        with disk_errors(log_dir):
            return self._core.files.volume_bytes(log_dir)

    def _emptiest(self, made: list[PartitionLog]) -> str:
        counts = dict.fromkeys(self._core.log_dirs, 0)
        if len(counts) == 1:
            return self._core.log_dirs[0]
        for log in [*self._core.logs(), *made]:
            counts[log.log_dir] += 1
        return min(counts, key=lambda path: counts[path])

    def _make_partition(
        self, log_dir: str, name: tuple[str, int, UUID], config: LogConfig | None
    ) -> PartitionLog:
        core = self._core
        files = core.files
        directory = join(log_dir, partition_name(name[0], name[1]))
        files.make_dirs(directory)
        segment = Segment(files, directory, 0)
        segment.create_empty()
        path = join(directory, PARTITION_METADATA)
        file = files.open(path, create=True)
        file.pwrite(encode_partition_metadata(name[2]), 0)
        file.close()
        log = PartitionLog(
            files, directory, name=name, config=config or core.settings.defaults,
            segments=[segment], open_writes=core.open_writes,
        )  # fmt: skip
        log.log_dir = log_dir
        log.leader_epoch = core.epoch
        return log

    # ---- commit ----

    def seal(self) -> Group | None:
        """Close the open group: all that was staged since the last call, None if that is nothing.

        On the loop's thread; cheap.
        """
        core = self._core
        if not core.open_writes:
            return None
        writes = core.open_writes[:]
        core.open_writes.clear()
        for write in writes:
            if not write.is_dropped:
                write.log.seal()
        core.sealed_count += 1
        return Group(core, writes)

    # ---- maintenance ----

    @property
    def maintenance_due(self) -> bool:
        """Whether a checkpoint should be begun: for what was written, or for the next WAL file."""
        core = self._core
        if core.unsynced_bytes >= core.settings.checkpoint_bytes:
            return True
        return core.wal is not None and core.wal.wants_next_file

    def is_flush_due(self, now_ms: int) -> bool:
        """Whether a log has waited for its sync as long as its `flush.ms` lets it.

        On the loop's thread. Never under `fsync`: there all that is published is synced.
        """
        core = self._core
        return core.wal is None and any(
            log.config.flush_ms <= now_ms - log.dirty_since_ms for log in core.dirty
        )

    def begin_checkpoint(self) -> Checkpoint:
        """Note what a checkpoint has to do. On the loop's thread; `run` it on another one."""
        self._core.close_idle_files()
        return Checkpoint(self._core)

    def checkpoint(self) -> None:
        """Sync segments, record recovery points, trim the write-ahead log. Blocks.

        Only where the loop's thread may block; else `begin_checkpoint`.
        """
        self.begin_checkpoint().run()

    flush = checkpoint

    def apply_retention(self, now_ms: int) -> int:
        """Hide segments that retention does not keep; the next checkpoint removes their files.

        On the loop's thread. Also forgets producers that have been silent for long.
        Returns: The number of segments.
        """
        core = self._core
        count = 0
        for log in core.logs():
            log.producers.expire(now_ms - core.settings.producer_expiry_ms)
            gone = log.expire(now_ms)
            core.doomed_files += gone
            core.bury(gone)
            count += len(gone)
        return count

    def roll(self, log: PartitionLog) -> None:
        """Close a log's last segment, so that after the next checkpoint it can be cleaned.

        On the loop's thread; nothing happens while something is staged.
        """
        log.roll()
        self._core.mark_dirty(log)

    def begin_cleaning(
        self, now_ms: int, logs: Iterable[PartitionLog] | None = None
    ) -> Cleaning | None:
        """Begin to clean the compacted log that needs it most (choosing.py), if one does.

        On the loop's thread. One cleaning runs at a time. None also while a checkpoint runs: ask
        again later.

        Args:
            logs: Which ones are looked at; all by default.
        """
        core = self._core
        if core.live_checkpoints or core.leftover is not None or core.failure is not None:
            return None
        found = choose(core.logs() if logs is None else logs, now_ms)
        return Cleaning(core, found, now_ms) if found is not None else None

    def cut(self) -> Cut:
        """What a copy of the store as it is now has to hold. On the loop's thread; `release` it.

        No cleaning may be under way, nor begin before the release.
        """
        self._core.check_usable()
        return Cut(self._core)

    def close(self) -> None:
        """Publish nothing more, make everything durable, mark the close as clean. Blocks.

        Every group must be settled. After a failure nothing is marked: the next open recovers.
        """
        core = self._core
        with disk_errors(core.data_dir), contextlib.ExitStack() as at_end:
            at_end.callback(self._let_go)
            if core.failure is None and core.held_back is None:
                assert core.settled_count == core.sealed_count, "a group is not settled"
                self._close_cleanly()
            elif core.wal is not None:
                core.wal.abandon()

    def _let_go(self) -> None:
        """Close files and locks."""
        for log in self._core.logs():
            for segment in log.segments:
                segment.close()
        for _, segment in self._core.graveyard:
            segment.close()
        _release(self._locks)

    def _close_cleanly(self) -> None:
        core = self._core
        for log in core.logs():
            log.roll_back()  # staged and never sealed: nobody was told
            if log.has_unsnapshot_state:
                log.segments[-1].finish_time_index()
                core.mark_dirty(log)
        last = Checkpoint(core, deep=True)
        last.run()
        if core.wal is not None:
            if core.leftover is not None:
                core.wal.abandon()  # the disk is full: recovery needs the write-ahead log
                return
            core.wal.close()
        if core.leftover is None:
            core.files.write_atomic(join(core.data_dir, CLEAN_SHUTDOWN), b"1\n")


def _sync_partition(files: Files, log: PartitionLog) -> None:
    """Make a new partition's directory durable, after all of its topic are made.

    One commit of the file system's journal then covers them all; one by one costs ten times more.
    """
    file = files.open(join(log.directory, PARTITION_METADATA))
    sync(file)
    file.close()
    sync_dir(files, log.directory)


def _release(locks: list[Lock]) -> None:
    for lock in locks:
        lock.release()
    locks.clear()
