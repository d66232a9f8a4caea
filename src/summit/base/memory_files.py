"""A disk in memory: `Files` that never touch a real one.

For brokers that live as long as a test. It keeps the promises of `Files` except those that outlive
the process: a sync does nothing, and a lock keeps out only those who hold the same `MemoryFiles`.
Its size is bounded; beyond it writes fail as on a full disk. Safe for several threads.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from summit.base.errors import Conflict
from summit.base.files import Buffer, T
from summit.base.limits import MEMORY_FILES_BYTES_MAX


class _Content:
    """The bytes of a file, for as long as it has a name or somebody has it open."""

    __slots__ = ("data", "holders")

    def __init__(self) -> None:
        self.data = bytearray()
        self.holders = 1  # its name, and every open file


_Directory = dict[str, "_Content | _Directory"]


class MemoryFile:
    """One open file of a `MemoryFiles`."""

    __slots__ = ("_content", "_files", "_path")

    def __init__(self, files: MemoryFiles, path: str, content: _Content) -> None:
        self._files = files
        self._path = path
        self._content: _Content | None = content

    @property
    def path(self) -> str:
        return self._path

    def pread(self, size: int, position: int) -> bytes:
        with self._files.changing, memoryview(self._opened().data) as held:
            return bytes(held[position : position + size])

    def pwrite(self, data: Buffer, position: int) -> int:
        size = len(data)
        with self._files.changing:
            held = self._opened().data
            if not size:
                return 0
            self._files.grow(held, position, self._path)
            self._files.reserve(position + size - len(held), self._path)
            held[position : position + size] = data
        return size

    def pwritev(self, buffers: Sequence[Buffer], position: int) -> int:
        return self.pwrite(b"".join(buffers), position)

    def size(self) -> int:
        return len(self._opened().data)

    def truncate(self, size: int) -> None:
        with self._files.changing:
            held = self._opened().data
            if size < len(held):
                self._files.used_bytes -= len(held) - size
                del held[size:]
            else:
                self._files.grow(held, size, self._path)

    def preallocate(self, size: int) -> None:
        with self._files.changing:
            self._files.grow(self._opened().data, size, self._path)

    def datasync(self) -> None:
        self._opened()

    def close(self) -> None:
        with self._files.changing:
            content, self._content = self._content, None
            if content is not None:
                self._files.let_go(content)

    def _opened(self) -> _Content:
        if self._content is None:
            raise _error(OSError, errno.EBADF, self._path)
        return self._content


class MemoryLock:
    """A lock held in a `MemoryFiles`."""

    def __init__(self, files: MemoryFiles, path: str) -> None:
        self._files = files
        self._path = path

    def release(self) -> None:
        self._files.locked.discard(self._path)


class MemoryFiles:
    """A disk in memory, empty at first; gone with the object.

    Args:
        capacity_bytes: Bytes of all files together; a write beyond raises OSError (ENOSPC).
    """

    def __init__(self, capacity_bytes: int = MEMORY_FILES_BYTES_MAX) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.changing = threading.RLock()
        self.locked: set[str] = set()
        self._root: _Directory = {}

    # ---- Files ----

    def open(self, path: str, *, create: bool = False) -> MemoryFile:
        with self.changing:
            directory, name = self._place(path)
            node = directory.get(name)
            if isinstance(node, dict):
                raise _error(IsADirectoryError, errno.EISDIR, path)
            if node is None:
                if not create:
                    raise _error(FileNotFoundError, errno.ENOENT, path)
                node = directory[name] = _Content()
            node.holders += 1
            return MemoryFile(self, path, node)

    def exists(self, path: str) -> bool:
        return self._find(path) is not None

    def is_dir(self, path: str) -> bool:
        return isinstance(self._find(path), dict)

    def list_dir(self, path: str) -> list[str]:
        with self.changing:
            return sorted(self._directory(path))

    def make_dirs(self, path: str) -> None:
        with self.changing:
            node = self._root
            parts = _parts(path)
            for number, part in enumerate(parts, 1):
                child = node.setdefault(part, {})
                if not isinstance(child, dict):
                    if number < len(parts):
                        raise _error(NotADirectoryError, errno.ENOTDIR, path)
                    raise _error(FileExistsError, errno.EEXIST, path)
                node = child

    def rename(self, source: str, target: str) -> None:
        with self.changing:
            old, old_name = self._place(source)
            new, new_name = self._place(target)
            node, replaced = old.get(old_name), new.get(new_name)
            if node is None:
                raise _error(FileNotFoundError, errno.ENOENT, source)
            if node is replaced:
                return
            if isinstance(node, dict):
                parts = _parts(source)
                if _parts(target)[: len(parts)] == parts:
                    raise _error(OSError, errno.EINVAL, target)  # into itself
                if replaced is not None and not isinstance(replaced, dict):
                    raise _error(NotADirectoryError, errno.ENOTDIR, target)
                if replaced:
                    raise _error(OSError, errno.ENOTEMPTY, target)
            elif isinstance(replaced, dict):
                raise _error(IsADirectoryError, errno.EISDIR, target)
            new[new_name] = node
            del old[old_name]
            if isinstance(replaced, _Content):
                self.let_go(replaced)

    def remove(self, path: str) -> None:
        with self.changing:
            directory, name = self._place(path)
            node = directory.get(name)
            if node is None:
                raise _error(FileNotFoundError, errno.ENOENT, path)
            if isinstance(node, dict):
                raise _error(IsADirectoryError, errno.EISDIR, path)
            del directory[name]
            self.let_go(node)

    def remove_tree(self, path: str) -> None:
        with self.changing:
            contents = list(_contents(self._directory(path)))
            directory, name = self._place(path)
            del directory[name]
            for content in contents:
                self.let_go(content)

    def sync_dir(self, path: str) -> None:
        with self.changing:
            self._directory(path)

    def read_bytes(self, path: str) -> bytes:
        file = self.open(path)
        try:
            return file.pread(file.size(), 0)
        finally:
            file.close()

    def write_atomic(self, path: str, data: bytes) -> None:
        with self.changing:
            draft = f"{path}.tmp"
            file = self.open(draft, create=True)
            try:
                file.truncate(0)
                file.pwrite(data, 0)
            finally:
                file.close()
            self.rename(draft, path)

    def side_by_side(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        return [job() for job in jobs]

    def free_bytes(self, path: str) -> int:
        return self.volume_bytes(path)[1]

    def volume_bytes(self, path: str) -> tuple[int, int]:
        if not self.exists(path):
            raise _error(FileNotFoundError, errno.ENOENT, path)
        return self.capacity_bytes, self.capacity_bytes - self.used_bytes

    def lock(self, path: str) -> MemoryLock:
        with self.changing:
            if path in self.locked:
                raise Conflict("disk.locked", path=path, pid=str(os.getpid()))
            file = self.open(path, create=True)
            file.truncate(0)
            file.pwrite(f"{os.getpid()}\n".encode(), 0)
            file.close()
            self.locked.add(path)
        return MemoryLock(self, path)

    # ---- what open files call, holding `changing` ----

    def grow(self, data: bytearray, size: int, path: str) -> None:
        """Make `data` at least `size` long, with zeros; OSError where that is too much."""
        missing = size - len(data)
        if missing > 0:
            self.reserve(missing, path)
            data.extend(bytes(missing))

    def reserve(self, size: int, path: str) -> None:
        """Count `size` bytes more, if it is more; OSError where that is too much."""
        if size <= 0:
            return
        if self.used_bytes + size > self.capacity_bytes:
            raise _error(OSError, errno.ENOSPC, path)
        self.used_bytes += size

    def let_go(self, content: _Content) -> None:
        """One holder less; the last one frees the bytes."""
        content.holders -= 1
        if not content.holders:
            self.used_bytes -= len(content.data)

    # ---- finding ----

    def _find(self, path: str) -> _Content | _Directory | None:
        try:
            return self._walk(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _walk(self, path: str) -> _Content | _Directory:
        with self.changing:
            node: _Content | _Directory = self._root
            for part in _parts(path):
                if not isinstance(node, dict):
                    raise _error(NotADirectoryError, errno.ENOTDIR, path)
                if part not in node:
                    raise _error(FileNotFoundError, errno.ENOENT, path)
                node = node[part]
            return node

    def _directory(self, path: str) -> _Directory:
        node = self._walk(path)
        if not isinstance(node, dict):
            raise _error(NotADirectoryError, errno.ENOTDIR, path)
        return node

    def _place(self, path: str) -> tuple[_Directory, str]:
        """The directory that holds `path`, and its name in there."""
        *parents, name = _parts(path) or [""]
        return self._directory("/".join(parents)), name


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _contents(directory: _Directory) -> Iterator[_Content]:
    for node in directory.values():
        if isinstance(node, dict):
            yield from _contents(node)
        else:
            yield node


def _error(kind: type[OSError], code: int, path: str) -> OSError:
    return kind(code, os.strerror(code), path)
