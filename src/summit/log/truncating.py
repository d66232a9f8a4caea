"""Cutting the end off a partition of a store that is closed.

The next opening takes what is left as it takes what a crash left: it checks the batches, rebuilds
indexes and producers. The order makes a crash in between harmless: first the mark of the clean
close goes, then the recovery point is lowered, so that no offset counts as lost; then the files are
cut, the last one first, so that what is left has no hole. The truncation is then done in part.
"""

from __future__ import annotations

from summit.base.errors import Conflict
from summit.base.files import Files
from summit.log.checkpoint import CheckpointFile, RecoveryPoint, encode_checkpoint, read_checkpoint
from summit.log.faults import disk_errors, sync, sync_dir
from summit.log.layout import (
    CHECKPOINT,
    CLEAN_SHUTDOWN,
    INDEX,
    LOCK,
    LOG,
    PARTITION_METADATA,
    TIME_INDEX,
    TRANSACTION_INDEX,
    join,
    parse_offset_name,
    parse_partition_metadata,
)
from summit.log.segment import Segment


def truncate_closed(files: Files, data_dir: str, directory: str, index: int, offset: int) -> int:
    """Remove the batches of a partition from the one that holds `offset` on.

    Args:
        data_dir: Of the store, which was closed cleanly.
        directory, index: Of the partition.
        offset: One that the log holds.
    Returns: Where the log ends now: `offset`, or less where its batch started before it.
    Raises: Conflict("disk.locked") while the store is open; Conflict("disk.not_closed") when it
        was not closed cleanly; Corrupt.
    """
    with disk_errors(data_dir):
        lock = files.lock(join(data_dir, LOCK))
        try:
            return _truncate(files, data_dir, directory, index, offset)
        finally:
            lock.release()


def _truncate(files: Files, data_dir: str, directory: str, index: int, offset: int) -> int:
    marker = join(data_dir, CLEAN_SHUTDOWN)
    if not files.exists(marker):
        raise Conflict("disk.not_closed", path=data_dir)
    segments = _segments(files, directory)
    number = max(n for n, segment in enumerate(segments) if segment.base_offset <= offset)
    segment = segments[number]
    segment.defer_indexes()
    place = segment.find(offset, segment.size)
    end, position = offset, segment.size
    if place is not None:
        end, position = min(place.base_offset, offset), place.position
    files.remove(marker)
    sync_dir(files, data_dir)
    _lower_recovery_point(files, data_dir, directory, index, end)
    for other in reversed(segments[number + 1 :]):
        other.close()
        for suffix in (INDEX, TIME_INDEX, TRANSACTION_INDEX, LOG):
            if files.exists(other.path(suffix)):
                files.remove(other.path(suffix))
        sync_dir(files, directory)
    segment.truncate(position)
    sync(segment.file)
    segment.close()
    return end


def _segments(files: Files, directory: str) -> list[Segment]:
    bases = [parse_offset_name(name, LOG) for name in files.list_dir(directory)]
    found = sorted(base for base in bases if base is not None)
    segments = [Segment(files, directory, base) for base in found]
    for segment in segments:
        segment.is_on_disk = True
        segment.size = segment.file.size()
        segment.close()
    return segments


def _lower_recovery_point(
    files: Files, data_dir: str, directory: str, index: int, end: int
) -> None:
    topic_id = parse_partition_metadata(files.read_bytes(join(directory, PARTITION_METADATA)))
    saved = read_checkpoint(files, data_dir)
    points = dict(saved.points)
    for key, point in saved.points.items():
        if key == (topic_id, index):
            points[key] = RecoveryPoint(*(min(offset, end) for offset in point))
    files.write_atomic(
        join(data_dir, CHECKPOINT), encode_checkpoint(CheckpointFile(saved.epoch, points))
    )
