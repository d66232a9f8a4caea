"""The files to read: opened once to see that they can be, and what their lines look like."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from summit.base.errors import Invalid

STANDARD_INPUT = "-"
_SNIFF_BYTES = 16 * 1024
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Input(NamedTuple):
    """One file.

    Attributes:
        path: Its absolute path, or `-`.
        form: How its lines become events.
    """

    path: str
    form: str


def open_inputs(names: Sequence[str], form: str, directory: Path) -> list[Input]:
    """The inputs of these names; a file that is named twice is read once.

    Args:
        directory: Where a pipe on standard input is kept, so that evidence can name places in it.
    Raises: Invalid("file.unreadable").
    """
    found: dict[tuple[int, int], Input] = {}
    for name in names:
        try:
            head, place = _standard_input(directory) if name == STANDARD_INPUT else _file(name)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Invalid("file.unreadable", path=name, reason=reason) from error
        path = name if name == STANDARD_INPUT else os.path.abspath(name)
        found.setdefault(place, Input(path, sniff(head, name) if form == "auto" else form))
    return [*found.values()]


def _file(name: str) -> tuple[bytes, tuple[int, int]]:
    with Path(name).open("rb") as file:
        status = os.fstat(file.fileno())
        return file.read(_SNIFF_BYTES), (status.st_dev, status.st_ino)


def _standard_input(directory: Path) -> tuple[bytes, tuple[int, int]]:
    status = os.fstat(0)
    if not stat.S_ISREG(status.st_mode):
        with (directory / "standard-input").open("w+b") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            os.dup2(copy.fileno(), 0)  # from here on it is a file like any other
        status = os.fstat(0)
    return os.pread(0, _SNIFF_BYTES, 0), (status.st_dev, status.st_ino)


def sniff(head: bytes, name: str) -> str:
    """The format of a file by its beginning: JSON lines, or log lines of any kind.

    Raises: Invalid("file.unreadable") for compressed files.

    >>> sniff(b'{"eventType": "a"}', "x"), sniff(b"Dec 10 09:00:01 h CRON[1]: x", "x")
    ('jsonl', 'sshd')
    """
    for magic, kind in _COMPRESSED.items():
        if head.startswith(magic):
            reason = f"it is compressed by {kind}; unpack it and pipe it in as -"
            raise Invalid("file.unreadable", path=name, reason=reason)
    # sshd lines are syslog lines that are understood better; all others come out the same.
    return "jsonl" if head.lstrip().startswith(b"{") else "sshd"
