"""Which files a path means: one file, a partition's directory, or all of a data directory.

Deleted partitions and files that wait for their removal are left out: nobody reads them any more.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from summit.base.errors import Invalid
from summit.base.files import Files
from summit.log.layout import (
    EPOCHS,
    INDEX,
    LOG,
    PARTITION_METADATA,
    SNAPSHOT,
    TIME_INDEX,
    TRANSACTION_INDEX,
    join,
    parse_offset_name,
    parse_partition_name,
)

KINDS = (LOG, INDEX, TIME_INDEX, TRANSACTION_INDEX, SNAPSHOT)
_PLAIN = (EPOCHS, PARTITION_METADATA)


def kind_of(path: str) -> str | None:
    """The suffix of a file of a partition, or the whole name of one that has none."""
    name = posixpath.basename(path)
    if name in _PLAIN:
        return name
    return next((kind for kind in KINDS if parse_offset_name(name, kind) is not None), None)


def offset_of(path: str) -> int:
    """The offset in the name of a partition's file."""
    return int(posixpath.basename(path)[:20])


def partition_directories(files: Files, path: str) -> Iterator[str]:
    """The directories of partitions at or under `path`, sorted.

    Raises: Invalid("inspection.nothing_there") when there is none.
    """
    path = path.rstrip("/") or "/"
    if not files.is_dir(path):
        raise Invalid("inspection.nothing_there", path=path)
    names = files.list_dir(path)
    if any(kind_of(name) is not None for name in names):
        yield path
        return
    is_empty = True
    if "topics" in names and not any(parse_partition_name(name) for name in names):
        path = join(path, "topics")  # of a data directory
        names = files.list_dir(path)
    for name in names:
        inner = join(path, name)
        if parse_partition_name(name) is None:
            continue
        if files.is_dir(inner):
            is_empty = False
            yield inner
    if is_empty:
        raise Invalid("inspection.nothing_there", path=path)


def files_to_inspect(files: Files, path: str) -> Iterator[str]:
    """The files of partitions that `path` means, in the order of their names.

    Args:
        path: A file, the directory of a partition, or a data directory.
    Raises: Invalid("inspection.nothing_there").
    """
    if files.exists(path) and not files.is_dir(path):
        if kind_of(path) is None:
            raise Invalid("inspection.nothing_there", path=path)
        yield path
        return
    for directory in partition_directories(files, path):
        for name in files.list_dir(directory):
            if kind_of(name) is not None:
                yield join(directory, name)
