"""A disk in memory that forgets and fails: `Files` for tests of what survives a crash.

What was written and not synced lives only in the page cache. `crash()` gives the disk as it may
look after a power cut: of each file's unsynced writes any subset of 512-byte sectors has arrived,
of each directory's unsynced entries any prefix, drawn from the seed. Calls are counted; at a chosen
one the disk can be full, can fail, or the machine can stop in the middle of a write.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

from summit.base.errors import Conflict
from summit.base.files import Buffer, T

SECTOR = 512


class PowerCut(BaseException):
    """The machine stopped; every later call on this disk raises it again."""


class Inode:
    """A file's content: what programs see, and what is on the platter."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.durable = bytearray()
        # ("write", position, data) or ("size", size, b"")
        self.pending: list[tuple[str, int, bytes]] = []

    def apply(self, op: tuple[str, int, bytes]) -> None:
        _apply(self.seen, op)
        self.pending.append(op)

    def sync(self) -> None:
        for op in self.pending:
            _apply(self.durable, op)
        self.pending.clear()

    def fail_sync(self, chance: random.Random) -> None:
        """A sync that fails, as with Linux: any part was written, the pages count as clean.

        No later sync writes them again. Programs see what they wrote until memory gets scarce, then
        what is on the disk.
        """
        for op in _survivors(self.pending, chance, "subset"):
            _apply(self.durable, op)
        self.pending.clear()
        if chance.random() < 0.3:
            self.seen = bytearray(self.durable)

    def survive(self, chance: random.Random, keep: str) -> Inode:
        """This file after a power cut."""
        data = bytearray(self.durable)
        for op in _survivors(self.pending, chance, keep):
            _apply(data, op)
        after = Inode()
        after.seen, after.durable = bytearray(data), data
        return after


def _apply(data: bytearray, op: tuple[str, int, bytes]) -> None:
    kind, position, written = op
    if kind == "size":
        if position < len(data):
            del data[position:]
        else:
            data.extend(bytes(position - len(data)))
        return
    if position > len(data):
        data.extend(bytes(position - len(data)))
    data[position : position + len(written)] = written


def _survivors(
    pending: list[tuple[str, int, bytes]], chance: random.Random, keep: str
) -> list[tuple[str, int, bytes]]:
    if keep == "none":
        return []
    if keep == "all":
        return pending
    if keep == "prefix":
        return pending[: chance.randint(0, len(pending))]
    share = chance.random()
    kept: list[tuple[str, int, bytes]] = []
    for kind, position, data in pending:
        if kind == "size":
            if chance.random() < share:
                kept.append((kind, position, data))
            continue
        start = 0
        while start < len(data):  # sectors reach the platter in any order, or do not
            stop = min(len(data), (position + start) // SECTOR * SECTOR + SECTOR - position)
            if chance.random() < share:
                kept.append((kind, position + start, data[start:stop]))
            start = stop
    return kept


class Directory:
    """Names and what they stand for, seen and on the platter."""

    def __init__(self) -> None:
        self.seen: dict[str, Inode | Directory] = {}
        self.durable: dict[str, Inode | Directory] = {}
        self.pending: list[dict[str, Inode | Directory]] = []  # states after each change

    def changed(self) -> None:
        self.pending.append(dict(self.seen))

    def sync(self) -> None:
        self.durable = dict(self.seen)
        self.pending.clear()

    def survive(self, chance: random.Random, keep: str, done: dict[int, Any]) -> Directory:
        states = [self.durable, *self.pending]
        if keep == "none":
            chosen = states[0]
        elif keep == "all":
            chosen = states[-1]
        else:
            chosen = states[chance.randint(0, len(states) - 1)]
        after = Directory()
        for name, node in chosen.items():
            if id(node) not in done:
                done[id(node)] = (
                    node.survive(chance, keep)
                    if isinstance(node, Inode)
                    else node.survive(chance, keep, done)
                )
            after.seen[name] = done[id(node)]
        after.durable = dict(after.seen)
        return after


class FaultyFile:
    """One open file of a `FaultyFiles`."""

    def __init__(self, files: FaultyFiles, path: str, inode: Inode) -> None:
        self._files = files
        self.path = path
        self._inode = inode
        self.is_closed = False

    def pread(self, size: int, position: int) -> bytes:
        assert not self.is_closed, f"read of closed {self.path}"
        return bytes(self._inode.seen[position : position + size])

    def pwrite(self, data: Buffer, position: int) -> int:
        assert not self.is_closed, f"write to closed {self.path}"
        whole = bytes(data)
        fitting = self._files.fitting(len(whole), position, len(self._inode.seen))
        fault = self._files.step("pwrite", self.path)
        if fault is not None or fitting < len(whole):
            count = min(fitting, self._files.chance.randint(0, len(whole)))
            if fault != errno.EIO:  # part of it was written before the disk said no
                self._inode.apply(("write", position, whole[:count]))
            if fault == -1:
                self._files.cut_power()
            code = fault or errno.ENOSPC
            raise OSError(code, os.strerror(code), self.path)
        self._inode.apply(("write", position, whole))
        return len(whole)

    def pwritev(self, buffers: Sequence[Buffer], position: int) -> int:
        return self.pwrite(b"".join(buffers), position)

    def size(self) -> int:
        return len(self._inode.seen)

    def truncate(self, size: int) -> None:
        assert not self.is_closed
        self._files.check("truncate", self.path)
        self._inode.apply(("size", size, b""))

    def preallocate(self, size: int) -> None:
        assert not self.is_closed
        self._files.check("preallocate", self.path)
        held = len(self._inode.seen)
        if self._files.fitting(max(size - held, 0), held, held) < size - held:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        if held < size:
            self._inode.apply(("size", size, b""))

    def datasync(self) -> None:
        assert not self.is_closed, f"sync of closed {self.path}"
        try:
            self._files.check("datasync", self.path)
        except OSError:
            self._inode.fail_sync(self._files.chance)
            raise
        self._inode.sync()
        self._files.sync_count += 1

    def close(self) -> None:
        self.is_closed = True


class FaultyLock:
    def __init__(self, files: FaultyFiles, path: str) -> None:
        self._files, self._path = files, path

    def release(self) -> None:
        self._files.locked.discard(self._path)


class FaultyFiles:
    """A disk in memory.

    Attributes:
        calls: Calls so far that touch the disk (writes, syncs, names), for `fault_at`.
        fault_at: Call number → errno to fail with; -1 = the power goes in the middle of the call.
        capacity_bytes: What fits on the disk; None = no limit.
        history: (operation, path) of every counted call.
    """

    def __init__(self, seed: int = 0, root: Directory | None = None) -> None:
        self.chance = random.Random(seed)
        self.root = root or Directory()
        self.locked: set[str] = set()
        self.calls = 0
        self.fault_at: dict[int, int] = {}
        self.capacity_bytes: int | None = None
        self.history: list[tuple[str, str]] = []
        self.sync_count = 0
        self.has_power = True

    # ---- faults ----

    def step(self, operation: str, path: str) -> int | None:
        """Count a call. Returns: the fault it meets, if any."""
        if not self.has_power:
            raise PowerCut
        self.calls += 1
        self.history.append((operation, path))
        return self.fault_at.get(self.calls)

    def check(self, operation: str, path: str) -> None:
        fault = self.step(operation, path)
        if fault == -1:
            self.cut_power()
        if fault is not None:
            raise OSError(fault, os.strerror(fault), path)

    def cut_power(self) -> None:
        self.has_power = False
        raise PowerCut

    def fitting(self, size: int, position: int, held: int) -> int:
        """How many of `size` bytes at `position` of a file that has `held` bytes still fit."""
        if self.capacity_bytes is None:
            return size
        free = max(self.capacity_bytes - self.used_bytes(), 0)
        return min(size, max(held - position, 0) + free)

    def used_bytes(self) -> int:
        def used(node: Inode | Directory) -> int:
            if isinstance(node, Inode):
                return len(node.seen)
            return sum(map(used, node.seen.values()))

        return used(self.root)

    def crash(self, keep: str = "random") -> FaultyFiles:
        """The disk after a power cut.

        Args:
            keep: What was not synced: `none` of it survives, `all`, a `prefix` of each file's
                writes, any `subset` of their sectors, or one of these at `random`.
        """
        if keep == "random":
            keep = self.chance.choice(["none", "all", "prefix", "subset", "subset"])
        after = FaultyFiles(root=self.root.survive(self.chance, keep, {}))
        after.chance = self.chance
        after.capacity_bytes = self.capacity_bytes
        self.has_power = False
        return after

    def kill(self) -> FaultyFiles:
        """The disk after the end of the process alone: the page cache stays, synced or not."""
        after = FaultyFiles(root=self.root)
        after.chance = self.chance
        after.capacity_bytes = self.capacity_bytes
        self.has_power = False
        return after

    # ---- Files ----

    def _split(self, path: str) -> tuple[Directory, str]:
        head, _, name = path.strip("/").rpartition("/")
        return self._directory(head), name

    def _directory(self, path: str) -> Directory:
        node: Inode | Directory | None = self.root
        for part in filter(None, path.split("/")):
            node = node.seen.get(part) if isinstance(node, Directory) else None
        if not isinstance(node, Directory):
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        return node

    def _node(self, path: str) -> Inode | Directory | None:
        try:
            directory, name = self._split(path)
        except FileNotFoundError:
            return None
        return directory.seen.get(name) if name else directory

    def open(self, path: str, *, create: bool = False) -> FaultyFile:
        directory, name = self._split(path)
        node = directory.seen.get(name)
        if node is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            self.check("create", path)
            node = directory.seen[name] = Inode()
            directory.changed()
        assert isinstance(node, Inode)
        return FaultyFile(self, path, node)

    def exists(self, path: str) -> bool:
        return self._node(path) is not None

    def is_dir(self, path: str) -> bool:
        return isinstance(self._node(path), Directory)

    def list_dir(self, path: str) -> list[str]:
        return sorted(self._directory(path).seen)

    def make_dirs(self, path: str) -> None:
        node = self.root
        for part in filter(None, path.split("/")):
            child = node.seen.get(part)
            if child is None:
                self.check("mkdir", path)
                child = node.seen[part] = Directory()
                node.changed()
            assert isinstance(child, Directory)
            node = child

    def rename(self, source: str, target: str) -> None:
        self.check("rename", source)
        old, old_name = self._split(source)
        new, new_name = self._split(target)
        if old_name not in old.seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        new.seen[new_name] = old.seen.pop(old_name)
        old.changed()
        if new is not old:
            new.changed()

    def remove(self, path: str) -> None:
        self.check("remove", path)
        directory, name = self._split(path)
        if name not in directory.seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        del directory.seen[name]
        directory.changed()

    def remove_tree(self, path: str) -> None:
        self.remove(path)

    def sync_dir(self, path: str) -> None:
        directory = self._directory("" if path == "." else path)
        self.check("sync_dir", path)
        directory.sync()

    def read_bytes(self, path: str) -> bytes:
        node = self._node(path)
        if not isinstance(node, Inode):
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return bytes(node.seen)

    def write_atomic(self, path: str, data: bytes) -> None:
        file = self.open(f"{path}.tmp", create=True)
        file.truncate(0)
        file.pwrite(data, 0)
        file.datasync()
        self.rename(f"{path}.tmp", path)
        self.sync_dir(path.rpartition("/")[0])

    def side_by_side(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """One after the other, in an order of the seed's."""
        found: dict[int, T] = {}
        for number in self.chance.sample(range(len(jobs)), len(jobs)):
            found[number] = jobs[number]()
        return [found[number] for number in range(len(jobs))]

    def free_bytes(self, path: str) -> int:
        if self.capacity_bytes is None:
            return 1 << 40
        return max(self.capacity_bytes - self.used_bytes(), 0)

    def volume_bytes(self, path: str) -> tuple[int, int]:
        return 1 << 40, self.free_bytes(path)

    def lock(self, path: str) -> FaultyLock:
        if path in self.locked:
            raise Conflict("disk.locked", path=path, pid="1")
        self.open(path, create=True)
        self.locked.add(path)
        return FaultyLock(self, path)
