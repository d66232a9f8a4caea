"""Opening a store: from what a close or a crash left on the disk to open partition logs.

After a clean close indexes, snapshots and recovery points are taken as they are. After a crash:

1. Each log is read from its newest usable producer snapshot on. Every batch's CRC, length and
   offset is checked; the file is cut at the first that does not hold, what follows is dropped.
2. The write-ahead log is played back. It holds all that was acknowledged since the checkpoint, so
   it wins over what stands in the segments behind the recovery point: step 1 reads only up to the
   first offset that the write-ahead log has, and the rest is written anew from there. Of a log that
   it does not name nothing counts behind the recovery point: segments are written first, so that
   would be part of a group whose other parts may be missing. Groups are whole or not there.
3. All of it is synced, a checkpoint is written, and only then is the write-ahead log removed: a
   crash during recovery starts recovery again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from summit.base.errors import Unavailable
from summit.base.files import Files
from summit.log.checkpoint import Checkpoint, PartitionKey, RecoveryPoint, read_checkpoint
from summit.log.layout import (
    CLEAN_SHUTDOWN,
    DELETED_DIRECTORY,
    PARTITION_METADATA,
    WAL,
    join,
    offset_name,
    parse_partition_metadata,
    parse_partition_name,
)
from summit.log.opening import PartitionOpener
from summit.log.wal import wal_numbers
from summit.log.wal_format import SUFFIX, WalEntry, decode_file_header, decode_records

if TYPE_CHECKING:
    from summit.log.store import StoreCore


@dataclass(slots=True)
class RecoveryReport:
    """What opening a store found and did."""

    was_clean: bool = True
    partition_count: int = 0
    scanned_bytes: int = 0
    cut: dict[str, int] = field(default_factory=dict)  # `topic-partition` → bytes cut off
    replayed_batch_bytes: int = 0
    unknown_entries: int = 0  # of topics that were deleted
    gaps: dict[str, tuple[int, int]] = field(default_factory=dict)  # offsets lost: first, stop
    next_wal_number: int = 1


def recover(core: StoreCore, now_ms: int) -> RecoveryReport:
    """Fill `core` with the partition logs of its directories.

    Raises: Corrupt("disk.file_damaged" | "disk.sync_failed" | "disk.write_failed");
        Unavailable("disk.full"); OSError.
    """
    files = core.files
    report = RecoveryReport()
    marker = join(core.data_dir, CLEAN_SHUTDOWN)
    saved = read_checkpoint(files, core.data_dir)
    wal_dir = join(core.data_dir, WAL)
    numbers = wal_numbers(files, wal_dir)
    report.next_wal_number = numbers[-1] + 1 if numbers else 1
    openers = _find_partitions(core, saved.points)
    entries, has_wal = _read_wal(files, wal_dir, numbers)
    has_marker = files.exists(marker)
    report.was_clean = (has_marker and not entries) or not (openers or entries)
    report.partition_count = len(openers)
    core.epoch = saved.epoch if report.was_clean else saved.epoch + 1
    stops = _first_offsets(openers, entries)
    if has_wal:
        stops = {key: point.recovery_point for key, point in saved.points.items()} | stops
    for key, opener in openers.items():
        log = opener.open(core, now_ms, is_clean=report.was_clean, stop_offset=stops.get(key))
        core.topics.setdefault(log.topic, {})[log.index] = log
        log.is_new = key not in saved.points
        report.scanned_bytes += opener.scanned_bytes
        if opener.cut_bytes:
            report.cut[opener.name] = opener.cut_bytes
    _replay(openers, entries, now_ms, report)
    for opener in openers.values():
        opener.finish(core)
        if opener.gap is not None:
            report.gaps[opener.name] = opener.gap
    if not report.was_clean:
        Checkpoint(core).run()
        if core.leftover is not None:
            raise Unavailable("disk.full", path=core.data_dir)
    if has_marker:
        files.remove(marker)
        files.sync_dir(core.data_dir)
    for number in numbers:
        files.remove(join(wal_dir, offset_name(number, SUFFIX)))
    if numbers:
        files.sync_dir(wal_dir)
    return report


def _find_partitions(
    core: StoreCore, points: dict[PartitionKey, RecoveryPoint]
) -> dict[PartitionKey, PartitionOpener]:
    files = core.files
    found: dict[PartitionKey, PartitionOpener] = {}
    for log_dir in core.log_dirs:
        for name in files.list_dir(log_dir):
            directory = join(log_dir, name)
            if name.endswith(DELETED_DIRECTORY) and files.is_dir(directory):
                files.remove_tree(directory)
                continue
            parsed = parse_partition_name(name)
            if parsed is None or not files.is_dir(directory):
                continue
            metadata = join(directory, PARTITION_METADATA)
            topic_id = None
            if files.exists(metadata):
                topic_id = parse_partition_metadata(files.read_bytes(metadata))
            if topic_id is None:
                # A crash came while the partition was made; nobody was told that it exists.
                files.remove_tree(directory)
                continue
            point = points.get((topic_id, parsed[1]), RecoveryPoint(0, 0))
            found[(topic_id, parsed[1])] = PartitionOpener(
                files, log_dir, (*parsed, topic_id), point
            )
    return found


def _read_wal(files: Files, directory: str, numbers: list[int]) -> tuple[list[WalEntry], bool]:
    """All entries of the write-ahead log in order, and whether there is one at all.

    Old files may lie before the ones that count: their removal was on its way. Their entries are
    below the recovery points. If the disk has lost records in between, offsets are missing, and
    playing back reports that.
    """
    entries: list[WalEntry] = []
    is_there = False
    for number in numbers:
        data = files.read_bytes(join(directory, offset_name(number, SUFFIX)))
        seed = decode_file_header(data, number)
        if seed is None:
            continue
        is_there = True
        for record in decode_records(data, seed, None):
            entries += record.entries
    return entries, is_there


def _first_offsets(
    openers: dict[PartitionKey, PartitionOpener], entries: list[WalEntry]
) -> dict[PartitionKey, int]:
    """Per partition the first offset that the write-ahead log has and the checkpoint has not."""
    first: dict[PartitionKey, int] = {}
    for key, opener in openers.items():
        opener.wal_key = (key[0].bytes, key[1])
    by_wal_key = {opener.wal_key: key for key, opener in openers.items()}
    for entry in entries:
        key_found = by_wal_key.get((entry.topic_id, entry.partition))
        if key_found is None or key_found in first:
            continue
        if entry.base_offset >= openers[key_found].point.recovery_point:
            first[key_found] = entry.base_offset
    return first


def _replay(
    openers: dict[PartitionKey, PartitionOpener],
    entries: list[WalEntry],
    now_ms: int,
    report: RecoveryReport,
) -> None:
    by_wal_key = {opener.wal_key: opener for opener in openers.values()}
    for entry in entries:
        opener = by_wal_key.get((entry.topic_id, entry.partition))
        if opener is None:
            report.unknown_entries += 1
        elif entry.base_offset >= opener.point.recovery_point:
            opener.replay(entry, now_ms)
            report.replayed_batch_bytes += len(entry.data)
