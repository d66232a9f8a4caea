"""What the errors of several disk jobs come to."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from summit.base.errors import Corrupt
from summit.base.files import OsFiles
from summit.base.memory_files import MemoryFiles
from summit.log.faults import do_all


def failing(error: Exception) -> Callable[[], None]:
    def job() -> None:
        raise error

    return job


@pytest.mark.parametrize("files", [OsFiles(), MemoryFiles()])
@pytest.mark.parametrize("spare", [0, 20])
def test_a_failed_sync_is_never_taken_for_a_full_disk(files: OsFiles, spare: int) -> None:
    full = OSError(errno.ENOSPC, "full")
    failed = Corrupt("disk.sync_failed", path="x", reason="gone")
    done: list[int] = []
    others = [lambda: done.append(1)] * spare
    with pytest.raises(Corrupt):
        do_all(files, [failing(full), *others, failing(failed), *others])
    assert len(done) == 2 * spare, "the others were done all the same"
    with pytest.raises(OSError, match="full"):
        do_all(files, [*others, failing(full)])


def test_an_error_of_ours_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        do_all(OsFiles(), [failing(ZeroDivisionError())] * 9)
