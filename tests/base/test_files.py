"""The real disk keeps the promises of `Files`."""

import os
import subprocess
import sys

import pytest

from summit.base.errors import Conflict
from summit.base.files import OsFiles


def test_read_and_write_at_positions(tmp_path) -> None:
    files = OsFiles()
    path = str(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        files.open(path)
    file = files.open(path, create=True)
    assert file.pwrite(b"hello", 3) == 5
    assert file.pwritev([b"ab", memoryview(b"cd")], 8) == 4
    assert file.size() == 12
    assert file.pread(100, 3) == b"helloabcd"
    file.truncate(5)
    assert file.pread(100, 0) == b"\0\0\0he"
    file.preallocate(64)
    assert (file.size(), file.pread(64, 5)) == (64, b"\0" * 59)
    file.datasync()
    file.close()
    file.close()


def test_many_buffers_are_all_written(tmp_path) -> None:
    file = OsFiles().open(str(tmp_path / "a"), create=True)
    buffers = [bytes([n % 256]) * 3 for n in range(3000)]
    assert file.pwritev(buffers, 0) == 9000
    assert file.pread(9000, 0) == b"".join(buffers)
    file.close()


def test_write_atomic_replaces_and_leaves_no_draft(tmp_path) -> None:
    files = OsFiles()
    path = str(tmp_path / "a")
    files.write_atomic(path, b"old, and longer")
    files.write_atomic(path, b"new")
    assert files.read_bytes(path) == b"new"
    assert files.list_dir(str(tmp_path)) == ["a"]


def test_the_lock_names_its_holder_and_ends_with_the_process(tmp_path) -> None:
    files = OsFiles()
    path = str(tmp_path / ".lock")
    lock = files.lock(path)
    with pytest.raises(Conflict, match=str(os.getpid())):
        files.lock(path)
    lock.release()
    script = f"from summit.base.files import OsFiles; OsFiles().lock({path!r}); print('held')"
    out = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=30
    )
    assert out.stdout == "held\n"
    files.lock(path).release()


def test_directories(tmp_path) -> None:
    files = OsFiles()
    deep = str(tmp_path / "x" / "y")
    files.make_dirs(deep)
    files.make_dirs(deep)
    assert files.is_dir(deep)
    files.sync_dir(deep)
    assert files.free_bytes(deep) > 0
    files.remove_tree(str(tmp_path / "x"))
    assert not files.exists(deep)
