"""What a failing disk means: full is waited for, a failed sync stops the store."""

from __future__ import annotations

import contextlib
import errno
import posixpath
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from summit.base.errors import Corrupt, SummitError, Unavailable
from summit.base.files import File, Files


def sync(file: File) -> None:
    """Sync a file. Raises: Corrupt("disk.sync_failed"): fatal, the page may be gone by now."""
    try:
        file.datasync()
    except OSError as error:
        raise Corrupt("disk.sync_failed", path=file.path, reason=reason(error)) from error


def sync_dir(files: Files, path: str) -> None:
    """Sync a directory. Raises: Corrupt("disk.sync_failed")."""
    try:
        files.sync_dir(path)
    except FileNotFoundError:
        return  # deleted meanwhile: nothing in it has to last
    except OSError as error:
        raise Corrupt("disk.sync_failed", path=path, reason=reason(error)) from error


def do_all(files: Files, jobs: Sequence[Callable[[], None]]) -> None:
    """Do disk jobs side by side.

    Raises: The worst error of any of them, after all have ended: Corrupt before OSError, so that a
        failed sync is never taken for a full disk, after which the work is tried again.
    """

    def tried(job: Callable[[], None]) -> Corrupt | OSError | None:
        try:
            job()
        except (Corrupt, OSError) as error:
            return error
        return None

    errors = files.side_by_side([partial(tried, job) for job in jobs])
    for kind in (Corrupt, OSError):
        for error in errors:
            if isinstance(error, kind):
                raise error


def make_durable_dirs(files: Files, path: str) -> None:
    """Make a directory and its parents so that they survive a crash."""
    missing: list[str] = []
    while path and not files.is_dir(path):
        missing.append(path)
        path = posixpath.dirname(path)
    if missing:
        files.make_dirs(missing[0])
        for made in missing:
            sync_dir(files, posixpath.dirname(made) or ".")


@contextlib.contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Turn errors of the operating system into what they mean for the store under `path`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: str) -> SummitError:
    """What the operating system's error means for the store under `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable("disk.full", path=path, retry_after_ms=1000)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable("disk.too_many_files", retry_after_ms=1000)
    return Corrupt("disk.write_failed", path=path, reason=reason(error))


def reason(error: OSError) -> str:
    """The error in words."""
    return error.strerror or str(error)
