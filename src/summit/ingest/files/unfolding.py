"""Compressed files as if they were plain: positions are those of the text.

What is unfolded goes to a temporary file without a name, as far as it was asked for, so that a
position can be read again; it is bounded by `maxUnfoldedBytes`. A file that is still being written
ends in the middle; it is unfolded anew, up to where it was, when it has grown.
"""

from __future__ import annotations

import bz2
import gzip
import os
import sys
import tempfile
from importlib import import_module
from typing import Any, Final

from summit.base.errors import Invalid
from summit.ingest.files.rows import RowFile
from summit.ingest.files.settings import FileOptions
from summit.ingest.files.source import SourceFile
from summit.ingest.files.zstd_frames import FrameEnds

_ENDS: Final = {".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}
_STEP_BYTES: Final = 256 * 1024


def open_source(path: str, options: FileOptions) -> SourceFile:
    """The file at a path, as its options say. Raises Invalid."""
    if options.format == "parquet":
        return RowFile(path)
    kind: str = options.compression
    if kind == "auto":
        kind = compression_of(path)
    if kind == "none":
        return SourceFile(path)
    return UnfoldedFile(path, kind, options.max_unfolded_bytes)


def compression_of(path: str) -> str:
    """The compression that a name's end speaks of; `none` for others."""
    return _ENDS.get(os.path.splitext(path)[1].lower(), "none")


class UnfoldedFile(SourceFile):
    """An open compressed file.

    Args:
        kind: `gzip`, `bzip2` or `zstd`.
        limit_bytes: What it may unfold to.
    Raises: Invalid("collector.file_unreadable"), ("extra.missing").
    """

    def __init__(self, path: str, kind: str, limit_bytes: int) -> None:
        if kind == "zstd":
            _zstd_open()  # its library is an extra: said at once
        super().__init__(path)
        self._kind = kind
        self._limit = limit_bytes
        self._copy: Any = None
        self._copied = 0
        self._unfolding: Any = None
        self._ended_at: tuple[int, int] | None = None  # the stamp with which it was at its end
        self._broke_at: tuple[int, int] | None = None  # … it ended in the middle

    def read(self, position: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` bytes of the text from `position`; fewer only at its end."""
        self._unfold(position + size_bytes)
        if self._copy is None:
            return b""
        return os.pread(self._copy.fileno(), size_bytes, position)

    def is_shorter(self, position: int) -> bool:
        """Whether the text ends before a position: not known of one that is compressed."""
        return False

    def bytes_at(self, position: int) -> int:
        """How many of its own bytes the text before a position took, about."""
        if position >= self._copied and self.is_whole:
            return self.size_bytes()
        unfolded = max(self._copied, position, 1)
        return min(self.size_bytes(), self.size_bytes() * position // unfolded)

    @property
    def is_whole(self) -> bool:
        """Whether its text was read to the end."""
        return self._ended_at is not None and self._ended_at == self.stamp()

    @property
    def fault(self) -> Invalid | None:
        """Why what is there cannot be all of it."""
        if self._broke_at is None:
            return None
        return _unreadable(self.path, "it ends in the middle")

    def begin(self) -> None:
        """Forget what was unfolded."""
        self._drop_stream()
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        self._copied = 0
        self._ended_at = self._broke_at = None

    def close(self) -> None:
        """Let go of it and of what was unfolded."""
        self.begin()
        super().close()

    def _unfold(self, position: int) -> None:
        stamp = self.stamp()
        if stamp in (self._ended_at, self._broke_at):
            return
        if self._ended_at is not None or self._broke_at is not None:
            self._drop_stream()  # it has grown: what is there is unfolded again, up to here
        try:
            if self._unfolding is None:
                self._unfolding = self._open_stream()
                self._skip(self._copied)
            while self._copied < position:
                data = self._unfolding.read1(_STEP_BYTES)  # what is there, also before a break
                if not data:
                    self._ended_at = stamp
                    return
                self._keep(data)
        except EOFError:
            self._broke_at = stamp
        except Invalid:
            raise
        except Exception as error:  # each library has kinds of its own
            raise _unreadable(self.path, str(error) or repr(error)) from error

    def _keep(self, data: bytes) -> None:
        if self._copied + len(data) > self._limit:
            reason = f"it unfolds to more than maxUnfoldedBytes ({self._limit})"
            raise _unreadable(self.path, reason)
        if self._copy is None:
            self._copy = tempfile.TemporaryFile(prefix="summit-unfolded-", buffering=0)  # noqa: SIM115
        self._copy.seek(self._copied)
        view = memoryview(data)
        while view:
            view = view[self._copy.write(view) :]
        self._copied += len(data)

    def _skip(self, count: int) -> None:
        while count > 0:
            data = self._unfolding.read1(min(count, _STEP_BYTES))
            if not data:
                return
            count -= len(data)

    def _open_stream(self) -> Any:
        raw = self.stream()
        if self._kind == "gzip":
            return gzip.GzipFile(fileobj=raw)
        if self._kind == "bzip2":
            return bz2.BZ2File(raw)
        return _zstd_open()(raw)

    def _drop_stream(self) -> None:
        self._unfolding = None
        self._ended_at = self._broke_at = None


def _unreadable(path: str, reason: str) -> Invalid:
    return Invalid("collector.file_unreadable", path=path, reason=reason, pointer="/path")


def _zstd_open() -> Any:
    """What makes a stream of unfolded bytes. Raises Invalid("extra.missing")."""
    if sys.version_info >= (3, 14):
        return import_module("compression.zstd").ZstdFile
    try:
        from zstandard import ZstdDecompressor
    except ImportError as error:
        raise Invalid("extra.missing", what="reading zstd files", extra="zstd") from error
    return lambda raw: _ZstdStream(raw, ZstdDecompressor())


class _ZstdStream:
    """A stream of unfolded bytes; raises EOFError when the file ends inside of a frame."""

    def __init__(self, raw: Any, decompressor: Any) -> None:
        self._ends = FrameEnds(raw)
        self._stream = decompressor.stream_reader(self._ends, read_across_frames=True)

    def read1(self, size_bytes: int) -> bytes:
        """Some bytes; none at the end."""
        data: bytes = self._stream.read1(size_bytes)
        if not data and not self._ends.is_whole:
            raise EOFError("it ends inside of a frame")
        return data
