"""Which files there are: glob patterns, without those excluded, each file once."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Sequence

from summit.ingest.files.source import Place, place_of


def find_files(patterns: Sequence[str], exclude: Sequence[str]) -> dict[Place, str]:
    """The regular files that match, by device and inode, in the order of the patterns.

    A pattern without wildcards, or one that is the name of a file, is a path; `**` reaches into
    directories. Two paths that lead to the same file count once.
    """
    found: dict[Place, str] = {}
    for pattern in patterns:
        if glob.has_magic(pattern) and not os.path.exists(pattern):
            paths = sorted(glob.glob(pattern, recursive=True))
        else:
            paths = [pattern]
        for path in paths:
            if any(_matches(path, one) for one in exclude):
                continue
            place = place_of(path)
            if place is not None:
                found.setdefault(place, path)
    return found


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(os.path.basename(path), pattern)
