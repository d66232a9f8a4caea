"""The real disk and the one in memory keep the promises of `Files`."""

import errno
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Conflict
from summit.base.files import Files, OsFiles
from summit.base.memory_files import MemoryFiles


class Disk:
    """A disk and a directory on it."""

    def __init__(self, files: Files, root: str) -> None:
        self.files, self.root = files, root

    def path(self, *names: str) -> str:
        return "/".join((self.root, *names))


def a_disk(kind: str, path: Path) -> Disk:
    files: Files = OsFiles() if kind == "os" else MemoryFiles()
    root = str(path) if kind == "os" else "/in/memory"
    files.make_dirs(root)
    return Disk(files, root)


@pytest.fixture(params=["os", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return a_disk(request.param, tmp_path)


def test_read_and_write_at_positions(disk: Disk) -> None:
    path = disk.path("a")
    with pytest.raises(FileNotFoundError):
        disk.files.open(path)
    file = disk.files.open(path, create=True)
    assert file.path == path
    assert file.pwrite(b"hello", 3) == 5
    assert file.pwritev([b"ab", memoryview(b"cd")], 8) == 4
    assert file.size() == 12
    assert file.pread(100, 3) == b"helloabcd"
    assert file.pread(5, 100) == b""
    file.truncate(5)
    assert file.pread(100, 0) == b"\0\0\0he"
    file.preallocate(64)
    assert (file.size(), file.pread(64, 5)) == (64, b"\0" * 59)
    file.preallocate(10)
    file.truncate(70)
    assert (file.size(), file.pread(64, 60)) == (70, b"\0" * 10)
    file.datasync()
    file.close()
    file.close()
    for call in (lambda: file.pread(1, 0), lambda: file.pwrite(b"x", 0), file.datasync, file.size):
        with pytest.raises((OSError, ValueError)):
            call()


def test_many_buffers_are_all_written(disk: Disk) -> None:
    file = disk.files.open(disk.path("a"), create=True)
    buffers = [bytes([n % 256]) * 3 for n in range(3000)]
    assert file.pwritev(buffers, 0) == 9000
    assert file.pread(9000, 0) == b"".join(buffers)
    file.close()


def test_what_is_read_does_not_change_with_the_file(disk: Disk) -> None:
    file = disk.files.open(disk.path("a"), create=True)
    given_data = bytearray(b"before")
    file.pwrite(given_data, 0)
    read = file.pread(6, 0)
    given_data[:] = b"xxxxxx"
    file.pwrite(b"after!", 0)
    assert (read, file.pread(6, 0)) == (b"before", b"after!")
    file.close()


def test_two_handles_see_one_file_and_outlive_its_name(disk: Disk) -> None:
    one = disk.files.open(disk.path("a"), create=True)
    two = disk.files.open(disk.path("a"))
    one.pwrite(b"shared", 0)
    assert two.pread(6, 0) == b"shared"
    disk.files.remove(disk.path("a"))
    two.pwrite(b"S", 0)
    assert one.pread(6, 0) == b"Shared"
    assert not disk.files.exists(disk.path("a"))
    disk.files.open(disk.path("a"), create=True).close()
    assert disk.files.read_bytes(disk.path("a")) == b""
    one.close()
    two.close()


def test_write_atomic_replaces_and_leaves_no_draft(disk: Disk) -> None:
    path = disk.path("a")
    disk.files.write_atomic(path, b"old, and longer")
    disk.files.write_atomic(path, b"new")
    assert disk.files.read_bytes(path) == b"new"
    assert disk.files.list_dir(disk.root) == ["a"]


def test_the_lock_names_its_holder(disk: Disk) -> None:
    path = disk.path(".lock")
    lock = disk.files.lock(path)
    with pytest.raises(Conflict, match=str(os.getpid())):
        disk.files.lock(path)
    lock.release()
    lock.release()
    disk.files.lock(path).release()


def test_the_lock_ends_with_the_process(tmp_path: Path) -> None:
    path = str(tmp_path / ".lock")
    script = f"from summit.base.files import OsFiles; OsFiles().lock({path!r}); print('held')"
    out = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=90
    )
    assert out.stdout == "held\n"
    OsFiles().lock(path).release()


def test_directories(disk: Disk) -> None:
    deep = disk.path("x", "y")
    disk.files.make_dirs(deep)
    disk.files.make_dirs(deep)
    assert disk.files.is_dir(deep)
    disk.files.sync_dir(deep)
    assert disk.files.free_bytes(deep) > 0
    total, free = disk.files.volume_bytes(deep)
    assert total >= free > 0
    disk.files.remove_tree(disk.path("x"))
    assert not disk.files.exists(deep)
    for call in (disk.files.list_dir, disk.files.sync_dir, disk.files.remove_tree):
        with pytest.raises(FileNotFoundError):
            call(deep)


def test_renaming_files_and_directories(disk: Disk) -> None:
    files = disk.files
    files.write_atomic(disk.path("a"), b"1")
    files.write_atomic(disk.path("b"), b"2")
    files.rename(disk.path("a"), disk.path("b"))
    assert (files.list_dir(disk.root), files.read_bytes(disk.path("b"))) == (["b"], b"1")
    files.rename(disk.path("b"), disk.path("b"))
    files.make_dirs(disk.path("x"))
    files.rename(disk.path("b"), disk.path("x", "b"))
    files.rename(disk.path("x"), disk.path("y"))
    assert files.read_bytes(disk.path("y", "b")) == b"1"
    files.make_dirs(disk.path("full", "z"))
    for source, target, kind in (
        ("nothing", "other", FileNotFoundError),
        ("y", "full", OSError),
        ("y/b", "full", IsADirectoryError),
        ("full", "y/b", NotADirectoryError),
        ("full", "full/z/in-itself", OSError),
    ):
        with pytest.raises(kind):
            files.rename(disk.path(source), disk.path(target))


def test_names_that_lead_nowhere(disk: Disk) -> None:
    disk.files.write_atomic(disk.path("file"), b"")
    for call, kind in (
        (lambda: disk.files.open(disk.path("no", "file"), create=True), FileNotFoundError),
        (lambda: disk.files.open(disk.root, create=True), IsADirectoryError),
        (lambda: disk.files.list_dir(disk.path("file")), NotADirectoryError),
        (lambda: disk.files.remove(disk.path("gone")), FileNotFoundError),
        (lambda: disk.files.read_bytes(disk.path("gone")), FileNotFoundError),
        (lambda: disk.files.volume_bytes(disk.path("gone")), FileNotFoundError),
    ):
        with pytest.raises(kind):
            call()
    assert not disk.files.is_dir(disk.path("file"))


def test_a_disk_in_memory_is_full_at_its_size() -> None:
    files = MemoryFiles(capacity_bytes=100)
    file = files.open("a", create=True)
    file.pwrite(bytes(60), 0)
    with pytest.raises(OSError) as caught:
        file.pwrite(bytes(60), 60)
    assert (caught.value.errno, file.size(), files.free_bytes("/")) == (errno.ENOSPC, 60, 40)
    with pytest.raises(OSError):
        file.preallocate(101)
    file.pwrite(bytes(40), 60)
    file.truncate(90)
    assert files.volume_bytes("/") == (100, 10)
    files.remove("a")
    assert files.free_bytes("/") == 10  # it is still open
    file.close()
    assert files.free_bytes("/") == 100


NAMES = st.sampled_from(["a", "b", "d", "d/a", "d/b", "e", "e/a", "d/e"])
STEPS = st.one_of(
    st.tuples(st.just("write"), NAMES, st.integers(0, 50), st.binary(max_size=30)),
    st.tuples(st.just("truncate"), NAMES, st.integers(0, 80)),
    st.tuples(st.just("preallocate"), NAMES, st.integers(1, 80)),
    st.tuples(st.just("atomic"), NAMES, st.binary(max_size=30)),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.sampled_from(["remove", "remove_tree", "make_dirs", "list_dir"]), NAMES),
)


def act(disk: Disk, step: tuple[Any, ...]) -> object:
    """What a step gives, or the kind of error."""
    operation, name, *rest = step
    path = disk.path(name)
    try:
        if operation in ("write", "truncate", "preallocate"):
            file = disk.files.open(path, create=operation == "write")
            try:
                if operation == "write":
                    return file.pwrite(rest[1], rest[0])
                getattr(file, operation)(rest[0])
            finally:
                file.close()
            return None
        if operation == "atomic":
            return disk.files.write_atomic(path, rest[0])
        if operation == "rename":
            return disk.files.rename(path, disk.path(rest[0]))
        return getattr(disk.files, operation)(path)
    except OSError as error:  # why a name is refused, several reasons holding, is the system's
        return "refused" if operation == "rename" else type(error).__name__


def tree(disk: Disk, path: str) -> dict[str, object]:
    return {
        name: tree(disk, f"{path}/{name}")
        if disk.files.is_dir(f"{path}/{name}")
        else disk.files.read_bytes(f"{path}/{name}")
        for name in disk.files.list_dir(path)
    }


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_both_disks_do_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    real = a_disk("os", tmp_path_factory.mktemp("disk"))
    memory = a_disk("memory", Path())
    for step in steps:
        assert act(memory, step) == act(real, step), step
        assert tree(memory, memory.root) == tree(real, real.root), step
    assert isinstance(memory.files, MemoryFiles)
    in_use = sum(len(data) for data in flat(tree(memory, memory.root)))
    assert memory.files.used_bytes == in_use


def flat(found: dict[str, Any]) -> list[bytes]:
    return [
        data
        for value in found.values()
        for data in (flat(value) if isinstance(value, dict) else [value])
    ]


@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_jobs_side_by_side(disk: Disk, count: int) -> None:
    def job(number: int) -> int:
        disk.files.write_atomic(disk.path(str(number)), b"%d" % number)
        return number

    jobs = [functools.partial(job, number) for number in range(count)]
    assert disk.files.side_by_side(jobs) == list(range(count))
    assert [disk.files.read_bytes(disk.path(str(n))) for n in range(count)] == [
        b"%d" % n for n in range(count)
    ]
