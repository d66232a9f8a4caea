"""Standard input as a file: `-`.

A redirected file is read as the file that it is. A pipe is copied to a temporary file without a
name while it is read, so that positions mean the same as in any file; each run is a new file.
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Final

from summit.base.errors import Invalid
from summit.ingest.files.source import SourceFile, is_regular

STANDARD_INPUT: Final = "-"
_BLOCK_BYTES: Final = 256 * 1024


class StandardInput:
    """Standard input, or another descriptor that can be read.

    Attributes:
        file: What was read so far, growing.
        is_pipe: Whether it comes through a copy; its identity is then good for this run only.
    Raises: Invalid("collector.file_unreadable") when there is no standard input.
    """

    def __init__(self, fd: int = 0) -> None:
        try:
            self._fd = os.dup(fd)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Invalid("collector.file_unreadable", path="-", reason=reason) from error
        self.is_pipe = not is_regular(os.fstat(self._fd))
        self._failure = ""
        if not self.is_pipe:
            self.file = SourceFile(STANDARD_INPUT, self._fd)
            return
        copy, name = tempfile.mkstemp(prefix="summit-stdin-")
        os.unlink(name)
        self.file = SourceFile(STANDARD_INPUT, copy)
        self._copier = threading.Thread(
            target=self._copy, args=(os.dup(copy),), name="summit-stdin", daemon=True
        )
        self._copier.start()

    def ended(self) -> bool:
        """Whether all of it is in `file`. Raises Invalid when it could not be read or kept."""
        if not self.is_pipe:
            return True
        running = self._copier.is_alive()
        if self._failure:
            raise Invalid("collector.file_unreadable", path="-", reason=self._failure)
        return not running

    def _copy(self, copy: int) -> None:
        try:
            while block := os.read(self._fd, _BLOCK_BYTES):
                view = memoryview(block)
                while view:
                    view = view[os.write(copy, view) :]
        except OSError as error:
            self._failure = error.strerror or str(error)
        finally:
            os.close(copy)
            os.close(self._fd)
