"""A backup on the disk: a cut's files and a manifest with the size and SHA-256 of each.

<backup>/manifest.json          written last: a backup without it is not finished
<backup>/meta.properties        identity of the cluster
<backup>/checkpoint             where each partition ends and begins
<backup>/topics/<topic>-<n>/    partitions, in the layout of a data directory (layout.py)

The manifest holds `format`, `takenMs`, `files` (path, size, sha256) and `sha256` of all that, so
that a change of any byte is seen. Restoring checks all of it before it writes anything.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import msgspec

from summit.base.errors import Conflict, Corrupt
from summit.base.files import Files
from summit.log.cutting import CutFile
from summit.log.faults import disk_errors
from summit.log.layout import CHECKPOINT, META, join

MANIFEST = "manifest.json"
FORMAT = 1
_READ_BYTES = 1 << 20
_HALF_DONE = ".restoring"
_TOPICS = "topics"

Progress = Callable[[int], None]  # hears of every piece: its bytes; raises to end the work


class BackupFile(msgspec.Struct, frozen=True):
    """One file: path under the backup, bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup holds."""

    format: int
    taken_ms: int
    files: list[BackupFile]
    sha256: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def sealed(self) -> Manifest:
        """The same with its checksum."""
        body = msgspec.json.encode(msgspec.structs.replace(self, sha256=""))
        return msgspec.structs.replace(self, sha256=hashlib.sha256(body).hexdigest())


def check_target(files: Files, target: str) -> None:
    """Raise Conflict("backup.target_in_use") unless `target` is absent or an empty directory."""
    if files.exists(target) and (not files.is_dir(target) or files.list_dir(target)):
        raise Conflict("backup.target_in_use", path=target)


def write_backup(
    files: Files,
    target: str,
    cut: Iterable[CutFile],
    *,
    meta: bytes,
    taken_ms: int,
    progress: Progress,
) -> Manifest:
    """Write a cut to the directory `target`, which must be absent or empty. Blocks.

    Args:
        meta: The content of `meta.properties`.
    Raises: Conflict("backup.target_in_use"); Unavailable("disk.full"); what `progress` raises.
        Then nothing that could be taken for a backup is left: the manifest is missing.
    """
    with disk_errors(target):
        check_target(files, target)
        files.make_dirs(target)
        written = []
        for path, pieces in chain([CutFile(META, iter([meta]))], cut):
            written.append(_write(files, target, path, pieces, progress))
        _sync_directories(files, target, written)
        manifest = Manifest(FORMAT, taken_ms, written).sealed()
        files.write_atomic(join(target, MANIFEST), msgspec.json.encode(manifest))
    return manifest


def read_manifest(files: Files, backup: str) -> Manifest:
    """The manifest of a backup. Raises Corrupt("backup.damaged") naming the file."""
    path = join(backup, MANIFEST)
    if not files.exists(path):
        raise Corrupt("backup.damaged", path=path, reason="it is missing: not a finished backup")
    try:
        manifest = msgspec.json.decode(files.read_bytes(path), type=Manifest)
    except msgspec.MsgspecError as error:
        raise Corrupt("backup.damaged", path=path, reason=str(error)) from error
    if manifest.format != FORMAT:
        raise Corrupt("backup.damaged", path=path, reason=f"format {manifest.format} is unknown")
    if manifest.sealed().sha256 != manifest.sha256:
        raise Corrupt("backup.damaged", path=path, reason="its checksum is wrong")
    return manifest


def verify_backup(files: Files, backup: str, progress: Progress) -> Manifest:
    """Check every file of a backup against its manifest. Blocks.

    Raises: Corrupt("backup.damaged") naming the first file that is missing or changed.
    """
    manifest = read_manifest(files, backup)
    for file in manifest.files:
        for piece in checked(files, backup, file):
            progress(len(piece))
    return manifest


def checked(files: Files, backup: str, file: BackupFile) -> Iterator[bytes]:
    """The bytes of a file of a backup; raises Corrupt at the end if they are not what they were."""
    path = join(backup, file.path)
    parts = file.path.split("/")
    if posixpath.isabs(file.path) or ".." in parts:
        raise Corrupt("backup.damaged", path=path, reason="the path leads out of the backup")
    if not files.exists(path):
        raise Corrupt("backup.damaged", path=path, reason="it is missing")
    source = files.open(path)
    try:
        if source.size() != file.size:
            reason = f"it has {source.size()} bytes instead of {file.size}"
            raise Corrupt("backup.damaged", path=path, reason=reason)
        digest = hashlib.sha256()
        position = 0
        while piece := source.pread(_READ_BYTES, position):
            digest.update(piece)
            position += len(piece)
            yield piece
        if digest.hexdigest() != file.sha256:
            raise Corrupt("backup.damaged", path=path, reason="its checksum is wrong")
    finally:
        source.close()


def restore_backup(
    source: Files, backup: str, files: Files, data_dir: str, progress: Progress
) -> Manifest:
    """Make a data directory of a backup. Blocks.

    All of the backup is checked before anything is written, and once more while it is copied. What
    an interrupted restoring left is begun anew; the directory is usable only when all is there.

    Raises: Conflict("backup.target_in_use") unless `data_dir` is absent or empty;
        Corrupt("backup.damaged"); Unavailable("disk.full").
    """
    with disk_errors(data_dir):
        half_done = join(data_dir, _HALF_DONE)
        if not files.is_dir(data_dir) or files.list_dir(data_dir) != [_HALF_DONE]:
            check_target(files, data_dir)
        manifest = verify_backup(source, backup, progress)
        if files.is_dir(half_done):
            files.remove_tree(half_done)
        files.make_dirs(join(half_done, _TOPICS))
        for file in manifest.files:
            _write(files, half_done, file.path, checked(source, backup, file), progress)
        _sync_directories(files, half_done, manifest.files)
        # Partitions first: without a checkpoint all of them would be read, none misread.
        for name in (_TOPICS, CHECKPOINT, META):
            files.rename(join(half_done, name), join(data_dir, name))
            files.sync_dir(data_dir)
        files.remove_tree(half_done)
    return manifest


def _write(
    files: Files, root: str, path: str, pieces: Iterable[bytes], progress: Progress
) -> BackupFile:
    target = join(root, path)
    files.make_dirs(posixpath.dirname(target))
    digest = hashlib.sha256()
    position = 0
    file = files.open(target, create=True)
    try:
        for piece in pieces:
            progress(len(piece))
            file.pwrite(piece, position)
            digest.update(piece)
            position += len(piece)
        file.datasync()
    finally:
        file.close()
    return BackupFile(path, position, digest.hexdigest())


def _sync_directories(files: Files, root: str, written: Iterable[BackupFile]) -> None:
    inner = {posixpath.dirname(join(root, file.path)): None for file in written}
    for directory in (*inner, join(root, _TOPICS), root):
        if files.is_dir(directory):
            files.sync_dir(directory)
