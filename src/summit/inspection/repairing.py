"""Making anew what follows from the batches: indexes, epochs, producers' snapshots.

A broker that was stopped in order believes these files at its next start. Where they do not agree
with the batches, readers of committed data may be given aborted records, searches may miss.
Batches are never changed: a partition whose own are damaged is left as it is, for its end would be
cut behind the first bad one, and what can still be read there would be lost.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from typing import NamedTuple

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.files import Files
from summit.inspection.finding import kind_of, partition_directories
from summit.inspection.verifying import verify
from summit.log.faults import disk_errors, sync_dir
from summit.log.layout import EPOCHS, INDEX, META, SNAPSHOT, TIME_INDEX, TRANSACTION_INDEX, join
from summit.log.store import LogStore

# In this order: without a snapshot the next opening reads the batches, whatever else is there.
_DERIVED = (SNAPSHOT, EPOCHS, INDEX, TIME_INDEX, TRANSACTION_INDEX)


class Repaired(NamedTuple):
    """What became of one partition that was not sound.

    Attributes:
        removed: Files that were taken away, and made anew from the batches where they are needed.
        damage: Why nothing was done, or what is still wrong; empty for one that is sound now.
    """

    directory: str
    removed: list[str]
    damage: list[str]


def repair(files: Files, data_dir: str, log_dirs: list[str], clock: Clock) -> list[Repaired]:
    """Repair what can be under the data directory of a broker that does not run. Blocks.

    It is opened as by a start first: after a crash it is recovered.

    Args:
        log_dirs: Where partitions are; none: below the data directory.
    Returns: The partitions that were not sound.
    Raises: Conflict("disk.locked"); Invalid("backup.no_data"); Corrupt; Unavailable("disk.full").
    """
    if not files.exists(join(data_dir, META)):
        raise Invalid("backup.no_data", path=data_dir)
    was_clean = _open_and_close(files, data_dir, log_dirs, clock, is_after_crash=False)
    done: list[Repaired] = []
    directories: list[str] = []
    with disk_errors(data_dir):
        for place in log_dirs or [join(data_dir, "topics")]:
            with suppress(Invalid):  # none is there
                directories += partition_directories(files, place)
        for directory in directories:
            if damage := _problems(files, directory):
                removed = [] if _is_lost(damage) else _remove_derived(files, directory)
                done.append(Repaired(directory, removed, [text for _, text in damage]))
    if any(each.removed for each in done):
        _open_and_close(files, data_dir, log_dirs, clock, is_after_crash=not was_clean)
    return [
        each._replace(damage=[text for _, text in _problems(files, each.directory)])
        if each.removed
        else each
        for each in done
    ]


def _open_and_close(
    files: Files, data_dir: str, log_dirs: list[str], clock: Clock, *, is_after_crash: bool
) -> bool:
    """Returns: whether it was closed in order before; it is left as that says."""
    store = LogStore.open(files, data_dir, log_dirs or None, clock=clock)
    was_clean = store.report.was_clean and not is_after_crash
    store.close(marks_clean=was_clean)
    return was_clean


def _problems(files: Files, directory: str) -> list[tuple[str, str]]:
    """Path and text of each."""
    return [
        (found.file, f"{posixpath.basename(found.file)}: {found.text}")
        for found in verify(files, directory)
        if found.what == "problem"
    ]


def _is_lost(problems: list[tuple[str, str]]) -> bool:
    """Whether something is wrong that does not follow from the batches."""
    return any(kind_of(path) not in _DERIVED for path, _ in problems)


def _remove_derived(files: Files, directory: str) -> list[str]:
    removed: list[str] = []
    for kind in _DERIVED:
        for name in files.list_dir(directory):
            if kind_of(name) == kind:
                files.remove(join(directory, name))
                removed.append(name)
        if kind == SNAPSHOT:
            sync_dir(files, directory)
    sync_dir(files, directory)
    return removed
