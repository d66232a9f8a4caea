"""What a backup holds, and what of it is damaged; nothing is written.

Unlike `verify_backup`, which ends at the first damaged file, because nothing is restored then, this
goes through all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from summit.base.errors import Corrupt
from summit.base.files import Files
from summit.log.backup import BackupFile, Manifest, Progress, checked, read_manifest
from summit.log.checkpoint import RecoveryPoint, decode_checkpoint
from summit.log.faults import reason
from summit.log.layout import (
    CHECKPOINT,
    PARTITION_METADATA,
    join,
    parse_partition_metadata,
    parse_partition_name,
)


class TopicHeld(NamedTuple):
    """One topic of a backup.

    `offsets` counts from where partitions begin to where they end: markers are among them, and what
    compaction took out. It is None when damage hides it.
    """

    topic: str
    partitions: int
    offsets: int | None
    size_bytes: int


class BackupReport(NamedTuple):
    """What was found; `problems` is empty for a backup that can be restored."""

    manifest: Manifest
    topics: list[TopicHeld]
    problems: list[str]


def report_backup(files: Files, backup: str, progress: Progress) -> BackupReport:
    """Check every file of a backup against its manifest. Blocks.

    Raises: Corrupt("backup.damaged") when there is no manifest that could be believed.
    """
    manifest = read_manifest(files, backup)
    problems: list[str] = []
    sound: set[str] = set()
    for file in manifest.files:
        problem = _problem(files, backup, file, progress)
        if problem is None:
            sound.add(file.path)
        else:
            problems.append(problem)
    return BackupReport(manifest, _topics(files, backup, manifest, sound), problems)


def _problem(files: Files, backup: str, file: BackupFile, progress: Progress) -> str | None:
    try:
        for piece in checked(files, backup, file):
            progress(len(piece))
    except Corrupt as error:
        return str(error)
    except OSError as error:
        return f"{join(backup, file.path)} cannot be read: {reason(error)}"
    return None


def _topics(
    files: Files, backup: str, manifest: Manifest, sound: set[str]
) -> list[TopicHeld]:  # fmt: skip
    points = {}
    if CHECKPOINT in sound:
        content = decode_checkpoint(files.read_bytes(join(backup, CHECKPOINT)))
        points = {} if content is None else content.points
    sizes: dict[str, int] = {}
    for file in manifest.files:
        directory, _, _ = file.path.rpartition("/")
        sizes[directory] = sizes.get(directory, 0) + file.size
    held: dict[str, TopicHeld] = {}
    for directory, size in sorted(sizes.items()):
        parsed = parse_partition_name(directory.rpartition("/")[2])
        if parsed is None:
            continue
        topic, index = parsed
        metadata = join(directory, PARTITION_METADATA)
        topic_id = None
        if metadata in sound:
            topic_id = parse_partition_metadata(files.read_bytes(join(backup, metadata)))
        point = None if topic_id is None else points.get((topic_id, index))
        known = held.get(topic, TopicHeld(topic, 0, 0, 0))
        held[topic] = TopicHeld(
            topic, known.partitions + 1, _sum(known.offsets, point), known.size_bytes + size
        )
    return list(held.values())


def _sum(offsets: int | None, point: RecoveryPoint | None) -> int | None:
    if offsets is None or point is None:
        return None
    return offsets + point.recovery_point - point.start_offset
