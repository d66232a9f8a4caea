"""One open file of a source: reading at positions, its whereabouts, its first bytes.

The only file of this room that opens files. It opens them for reading and never writes.
"""

from __future__ import annotations

import io
import os
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.base.secrets import is_kept_secret, reserved_file

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class Place(NamedTuple):
    """What makes two paths the same file."""

    device: int
    inode: int


class SourceFile:
    """An open regular file.

    Args:
        path: Where it is.
        fd: A descriptor that is open already; it is closed by `close`.
    Raises: Invalid("collector.file_unreadable").
    """

    def __init__(self, path: str, fd: int | None = None) -> None:
        self.path = path
        if fd is None:
            refuse(path)
        try:
            self._fd = os.open(path, _FLAGS) if fd is None else fd
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        found = os.fstat(self._fd)
        if not is_regular(found):
            os.close(self._fd)
            raise _unreadable(path, "it is not a regular file")
        self.place = Place(found.st_dev, found.st_ino)

    def size_bytes(self) -> int:
        """Its size now."""
        return os.fstat(self._fd).st_size

    def stamp(self) -> tuple[int, int]:
        """Its size and the time of its last change; differs after any write."""
        found = os.fstat(self._fd)
        return found.st_size, found.st_mtime_ns

    def read(self, position: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` bytes from `position`; fewer only at its end."""
        try:
            return os.pread(self._fd, size_bytes, position)
        except OSError as error:
            raise _unreadable(self.path, error.strerror or str(error)) from error

    def head(self, size_bytes: int) -> bytes:
        """Its first bytes as they stand on the disk."""
        return SourceFile.read(self, 0, size_bytes)

    def is_shorter(self, position: int) -> bool:
        """Whether it ends before a position that was in it once."""
        return self.size_bytes() < position

    def bytes_at(self, position: int) -> int:
        """How many bytes of it lie before a position, for telling people."""
        return position

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read: a last line without newline is one."""
        return False

    @property
    def fault(self) -> Invalid | None:
        """Why what is there cannot be all of it."""
        return None

    def begin(self) -> None:
        """It is read from its beginning, perhaps with new content."""

    def stream(self) -> io.RawIOBase:
        """A stream over it, from its beginning, with a position of its own."""
        return _Raw(self)

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Raw(io.RawIOBase):
    """A stream that reads at its own position, whatever others read."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._file.size_bytes())[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = SourceFile.read(self._file, self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def place_of(path: str) -> Place | None:
    """The place of the regular file at `path`, None when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Place(found.st_dev, found.st_ino) if is_regular(found) else None


def size_of(path: str) -> int:
    """The size of the file at `path` in bytes, 0 when there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def refuse(path: str) -> None:
    """Refuse a file that no collector reads though its process could. Raises Invalid."""
    if reason := reserved_file(path) or ("it is a secret" if is_kept_secret(path) else ""):
        raise _unreadable(path, reason)


def is_regular(found: os.stat_result) -> bool:
    """Whether it is a file with positions, and no pipe, terminal or directory."""
    return found.st_mode & 0o170000 == 0o100000


def _unreadable(path: str, reason: str) -> Invalid:
    return Invalid("collector.file_unreadable", path=path, reason=reason, pointer="/path")
