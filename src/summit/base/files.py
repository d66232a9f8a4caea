"""Disk as an argument: the only place that opens files of the data directory.

`Files` is what the log and the broker know of a disk; `OsFiles` is the real one. Tests put a
disk that forgets or fails in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from summit.base.errors import Conflict

if sys.platform == "win32":  # pragma: no cover - other system
    import msvcrt
else:
    import fcntl

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")


class File(Protocol):
    """One open file. Positions and sizes are bytes. Not safe for two writers."""

    @property
    def path(self) -> str: ...

    def pread(self, size: int, position: int) -> bytes:
        """Up to `size` bytes from `position`; fewer only at the end of the file."""
        ...

    def pwrite(self, data: Buffer, position: int) -> int:
        """Write all of `data` at `position`; return the bytes written. Raises OSError."""
        ...

    def pwritev(self, buffers: Sequence[Buffer], position: int) -> int:
        """Write all `buffers` one after the other from `position`. Raises OSError."""
        ...

    def size(self) -> int: ...

    def truncate(self, size: int) -> None: ...

    def preallocate(self, size: int) -> None:
        """Make the file `size` bytes long and reserve its blocks; new bytes are zero."""
        ...

    def datasync(self) -> None:
        """Return when what was written is on the disk. Raises OSError; never retry it."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """A lock file that is held until `release` or the end of the process."""

    def release(self) -> None: ...


class Files(Protocol):
    """A disk. Paths are plain text."""

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; FileNotFoundError unless it exists or `create`."""
        ...

    def exists(self, path: str) -> bool: ...

    def is_dir(self, path: str) -> bool: ...

    def list_dir(self, path: str) -> list[str]:
        """Names in the directory, sorted."""
        ...

    def make_dirs(self, path: str) -> None: ...

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically; durable after `sync_dir`."""
        ...

    def remove(self, path: str) -> None: ...

    def remove_tree(self, path: str) -> None: ...

    def sync_dir(self, path: str) -> None:
        """Make creations, renames and removals in the directory durable."""
        ...

    def read_bytes(self, path: str) -> bytes: ...

    def write_atomic(self, path: str, data: bytes) -> None:
        """Replace the file's content so that a crash leaves the old or the new, durably."""
        ...

    def side_by_side(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Do jobs that call this disk, in any order, several at once where it gains by that.

        Syncs do: those that wait at the same time share one commit of the file system's journal.

        Returns: What each gave. Raises: An error of one of them, when no job runs any more.
        """
        ...

    def free_bytes(self, path: str) -> int: ...

    def volume_bytes(self, path: str) -> tuple[int, int]:
        """The size of the volume that `path` is on, and what is free of it."""
        ...

    def lock(self, path: str) -> Lock:
        """Take the lock file or raise Conflict('disk.locked')."""
        ...


# Linux takes at most this many buffers in one vectored write.
_IOV_MAX = 1024

_JOBS_AT_ONCE = 16
_JOBS_FEW = 4  # not worth a thread each


class OsFile:
    """A file of the operating system."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    @property
    def path(self) -> str:
        return self._path

    def pread(self, size: int, position: int) -> bytes:
        return os.pread(self._fd, size, position)

    def pwrite(self, data: Buffer, position: int) -> int:
        size = len(data)
        written = os.pwrite(self._fd, data, position)
        while written < size:  # a short write: the disk is nearly full or a signal came
            more = os.pwrite(self._fd, memoryview(data)[written:], position + written)
            if more == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
            written += more
        return size

    def pwritev(self, buffers: Sequence[Buffer], position: int) -> int:
        if len(buffers) == 1:
            return self.pwrite(buffers[0], position)
        if not hasattr(os, "pwritev") or len(buffers) > _IOV_MAX:
            return self.pwrite(b"".join(buffers), position)
        size = sum(map(len, buffers))
        written = os.pwritev(self._fd, buffers, position)
        if written < size:
            rest = memoryview(b"".join(buffers))[written:]
            self.pwrite(rest, position + written)
        return size

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def preallocate(self, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._fd, 0, size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
            else:
                return
        if os.fstat(self._fd).st_size < size:
            os.ftruncate(self._fd, size)

    def datasync(self) -> None:
        if sys.platform == "darwin":  # pragma: no cover - other system
            # F_FULLFSYNC: fsync alone leaves data in the drive's cache there.
            fcntl.fcntl(self._fd, fcntl.F_FULLFSYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(self._fd)
        else:  # pragma: no cover - other system
            os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _do(job: Callable[[], T]) -> T:
    return job()


class OsLock:
    """A lock held on an open file of the operating system."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OsFiles:
    """The machine's own disks."""

    def open(self, path: str, *, create: bool = False) -> OsFile:
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        if create:
            flags |= os.O_CREAT
        return OsFile(os.open(path, flags, 0o640), path)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(path)

    def list_dir(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def make_dirs(self, path: str) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_tree(self, path: str) -> None:
        shutil.rmtree(path)

    def sync_dir(self, path: str) -> None:
        if sys.platform == "win32":  # pragma: no cover - directories cannot be synced there
            return
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read_bytes(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def write_atomic(self, path: str, data: bytes) -> None:
        draft = f"{path}.tmp"
        file = self.open(draft, create=True)
        try:
            file.truncate(0)
            file.pwrite(data, 0)
            file.datasync()
        finally:
            file.close()
        os.replace(draft, path)
        self.sync_dir(os.path.dirname(path) or ".")

    def side_by_side(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        if len(jobs) < _JOBS_FEW:
            return [job() for job in jobs]
        with ThreadPoolExecutor(_JOBS_AT_ONCE, "summit-files") as pool:
            return list(pool.map(_do, jobs))

    def free_bytes(self, path: str) -> int:
        return shutil.disk_usage(path).free

    def volume_bytes(self, path: str) -> tuple[int, int]:
        usage = shutil.disk_usage(path)
        return usage.total, usage.free

    def lock(self, path: str) -> OsLock:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o640)
        try:
            if sys.platform == "win32":  # pragma: no cover - other system
                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = "unknown"
            with contextlib.suppress(OSError):
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise Conflict("disk.locked", path=path, pid=holder) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return OsLock(fd)


class ReadOnlyFiles(OsFiles):
    """The machine's disks for whoever only looks: a file is opened for reading or not at all."""

    def open(self, path: str, *, create: bool = False) -> OsFile:
        if create:
            raise PermissionError(errno.EROFS, os.strerror(errno.EROFS), path)
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return OsFile(os.open(path, flags), path)
