"""Putting cleaned segments in the place of what they were made of, so that a crash cannot mix them.

The cleaned files are written beside the others and synced:

    <base>.log.cleaned  <base>.index.cleaned  <base>.timeindex.cleaned  [<base>.txnindex.cleaned]

Then the marker `<base>.swap` appears atomically: `<base> <end> <crc32c>\\n`. From here on the
cleaned files are what holds for the offsets from base to end, half-open, and whoever finds the
marker completes the swap: removes the segments that start between base and end, renames the cleaned
files, the `.log` last. The marker stays until the next checkpoint has noted that offsets below
`end` may be missing. Cleaned files without a marker are of a cleaning that was cut short: removed.
"""

from __future__ import annotations

import crc32c

from summit.base.files import Files
from summit.log.faults import sync_dir
from summit.log.layout import (
    CLEANED,
    INDEX,
    LOG,
    SWAP,
    TIME_INDEX,
    TRANSACTION_INDEX,
    join,
    offset_name,
    parse_offset_name,
)

# The order of renaming: a `.log` that is still to be renamed says that the swap is not complete.
SUFFIXES = (TRANSACTION_INDEX, INDEX, TIME_INDEX, LOG)


def write_marker(files: Files, directory: str, base: int, end: int) -> str:
    """Commit a swap. Returns: the marker's path. Raises OSError: it may be there all the same."""
    path = join(directory, offset_name(base, SWAP))
    body = f"{base} {end} ".encode()
    files.write_atomic(path, body + f"{crc32c.crc32c(body):08x}\n".encode())
    return path


def read_marker(data: bytes) -> tuple[int, int] | None:
    """Base and end of a swap, or None when the file is damaged."""
    body, blank, crc = data.rpartition(b" ")
    if not blank or crc.strip() != f"{crc32c.crc32c(body + blank):08x}".encode():
        return None
    base, _, end = body.decode().partition(" ")
    return int(base), int(end)


def remove_replaced(files: Files, directory: str, base: int, end: int) -> None:
    """Remove the files of the segments that start after `base` and before `end`."""
    for name in files.list_dir(directory):
        for suffix in SUFFIXES:
            offset = parse_offset_name(name, suffix)
            if offset is not None and base < offset < end:
                files.remove(join(directory, name))


def rename_cleaned(files: Files, directory: str, base: int) -> None:
    """Give the cleaned files that are still there their names."""
    for suffix in SUFFIXES:
        path = join(directory, offset_name(base, suffix))
        if files.exists(path + CLEANED):
            files.rename(path + CLEANED, path)


def remove_cleaned(files: Files, directory: str, base: int) -> None:
    """Remove the files of a cleaning that is not to be.

    A marker may be there although writing it failed, in its last step. It goes first, and durably:
    it would make the next opening remove what the cleaned files no longer replace.

    Raises: OSError; Corrupt("disk.sync_failed").
    """
    marker = join(directory, offset_name(base, SWAP))
    if files.exists(marker):
        files.remove(marker)
        sync_dir(files, directory)
    for suffix in reversed(SUFFIXES):
        path = join(directory, offset_name(base, suffix)) + CLEANED
        if files.exists(path):
            files.remove(path)


def complete_swaps(files: Files, directory: str) -> tuple[int, list[str]]:
    """At opening: complete what was begun, remove what was not.

    Returns: The offset below which offsets may be missing (0 without a marker), and the markers'
        paths, to be removed after the next checkpoint.
    """
    stop = 0
    markers: list[str] = []
    for name in files.list_dir(directory):
        if parse_offset_name(name, SWAP) is None:
            continue
        path = join(directory, name)
        found = read_marker(files.read_bytes(path))
        if found is None:  # it appears atomically, so it was never acted upon
            files.remove(path)
            continue
        base, end = found
        remove_replaced(files, directory, base, end)
        rename_cleaned(files, directory, base)
        stop = max(stop, end)
        markers.append(path)
    for name in files.list_dir(directory):
        if name.endswith(CLEANED):
            files.remove(join(directory, name))
    if markers:
        files.sync_dir(directory)
    return stop, markers
