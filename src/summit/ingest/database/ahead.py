"""Reading ahead: a source that blocks runs on a thread, and its batches wait in bounded room."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from summit.base.errors import Internal, SummitError
from summit.ingest.database.source import Batch

MERGED_CHANGES: Final = 1_000  # up to how many changes small batches are handed out as one
END_S: Final = 5.0  # how long an end waits for the thread


class Sized(NamedTuple):
    """A batch and the bytes that the database took for it."""

    batch: Batch
    size_bytes: int


class ReadAhead:
    """Runs an iterator of batches on a thread of its own.

    Args:
        make: Makes the iterator, on the thread; what it raises comes out of `read`.
        max_changes: Changes that may wait; then the thread waits.
        max_bytes: The same in bytes; one batch may be larger.
        wake: Makes a blocked iterator return, from another thread.
    """

    def __init__(
        self,
        make: Callable[[], Iterator[Sized]],
        *,
        name: str,
        max_changes: int,
        max_bytes: int,
        wake: Callable[[], None],
    ) -> None:
        self._make = make
        self._max_changes = max_changes
        self._max_bytes = max_bytes
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._room = threading.Condition()
        self._queue: deque[Sized] = deque()
        self._changes = 0
        self._bytes = 0
        self._is_closing = False
        self._is_over = False
        self._error: SummitError | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether the thread should come to its end."""
        return self._is_closing

    async def read(self) -> Batch | None:
        """The next batches that wait, as one; None after the last. May be cancelled."""
        while True:
            self._news.clear()
            batch = self._take()
            if batch is not None:
                return batch
            if self._is_over and not self._queue:
                if self._error is not None:
                    raise self._error
                return None
            await self._news.wait()

    async def close(self) -> None:
        """End the thread; what it has read and nobody took is forgotten. Idempotent."""
        with self._room:
            self._is_closing = True
            self._room.notify_all()
        with contextlib.suppress(Exception):  # the connection may be gone already
            self._wake()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, END_S)

    def _take(self) -> Batch | None:
        with self._room:
            if not self._queue:
                return None
            batch = self._pop()
            if not batch.changes or len(batch.changes) >= MERGED_CHANGES:
                return batch
            changes, position = list(batch.changes), batch.position
            while self._queue and len(changes) < MERGED_CHANGES:
                if position is not None and self._queue[0].batch.position is None:
                    break
                more = self._pop()
                changes += more.changes
                position = more.position
            return Batch(changes, position)

    def _pop(self) -> Batch:
        batch, size_bytes = self._queue.popleft()
        self._changes -= len(batch.changes)
        self._bytes -= size_bytes
        self._room.notify_all()
        return batch

    # ---- on the thread ----

    def _run(self) -> None:
        try:
            for sized in self._make():
                if not self._put(sized):
                    return
        except SummitError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - it must reach who reads
            self._error = Internal("internal", reason=repr(error))
        finally:
            self._is_over = True
            self._tell()

    def _put(self, sized: Sized) -> bool:
        with self._room:
            while (
                not self._is_closing
                and self._queue
                and (self._changes >= self._max_changes or self._bytes >= self._max_bytes)
            ):
                self._room.wait()
            if self._is_closing:
                return False
            self._queue.append(sized)
            self._changes += len(sized.batch.changes)
            self._bytes += sized.size_bytes
        self._tell()
        return True

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._news.set)
