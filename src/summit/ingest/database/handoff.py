"""From a source's thread to the collector's loop: batches, in order, never more than has room."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from summit.base.errors import SummitError
from summit.ingest.database.source import Batch

_END = Batch([], None)


class Handoff:
    """A bounded queue between one thread and one loop; made on the loop.

    Args:
        max_changes: Changes that wait; one batch always has room.
        max_bytes: The same in bytes, as the thread counts them.
    """

    def __init__(self, max_changes: int, max_bytes: int) -> None:
        self._max_changes = max_changes
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._free = threading.Condition()
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._changes = 0
        self._bytes = 0
        self.taken_bytes = 0  # of the batch that was taken last
        self._closed = False
        self._error: SummitError | None = None

    # ---- the thread's side ----

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads any more: the thread ends."""
        return self._closed

    def offer(self, batch: Batch, size_bytes: int, timeout_s: float) -> bool:
        """Hand a batch over when it has room, within a time; True when it was taken, or closed."""
        with self._free:
            if not self._free.wait_for(self._has_room, timeout_s):
                return False
            if self._closed:
                return True
            self._waiting.append((batch, size_bytes))
            self._changes += len(batch.changes)
            self._bytes += size_bytes
        self._tell()
        return True

    def end(self, error: SummitError | None = None) -> None:
        """Nothing more comes: all was read, or something went wrong."""
        with self._free:
            self._error = error
            self._waiting.append((_END, 0))
        self._tell()

    def rest(self, seconds: float) -> None:
        """Let time pass, or less when it is closed."""
        with self._free:
            self._free.wait_for(lambda: self._closed, seconds)

    def _has_room(self) -> bool:
        return (
            self._closed
            or not self._waiting
            or (self._changes < self._max_changes and self._bytes < self._max_bytes)
        )

    def _tell(self) -> None:
        if not self._closed:
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop is closed, so nobody reads
                self._closed = True

    # ---- the loop's side ----

    @property
    def changes(self) -> int:
        """Changes that wait."""
        return self._changes

    async def take(self) -> Batch | None:
        """The next batch; None after the last. Raises what went wrong, after all before it."""
        while True:
            with self._free:
                if self._waiting:
                    batch, size_bytes = self._waiting[0]
                    if batch is _END:
                        if self._error is not None:
                            raise self._error
                        return None
                    self._waiting.popleft()
                    self._changes -= len(batch.changes)
                    self._bytes -= size_bytes
                    self.taken_bytes = size_bytes
                    self._free.notify_all()
                    return batch
                self._arrived.clear()
            await self._arrived.wait()

    def next(self) -> tuple[Batch, int] | None:
        """The batch that `take` would give at once, and its bytes; None: it would wait, or end."""
        with self._free:
            if not self._waiting or self._waiting[0][0] is _END:
                return None
            return self._waiting[0]

    def close(self) -> None:
        """Nobody reads any more."""
        with self._free:
            self._closed = True
            self._free.notify_all()
