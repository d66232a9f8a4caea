"""Reading ahead: an iterator of batches that blocks runs on a thread, behind a handoff."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from summit.base.errors import Internal, SummitError
from summit.ingest.database.handoff import Handoff
from summit.ingest.database.source import Batch

MERGED_CHANGES: Final = 1_000  # up to how many changes small batches are handed out as one
PIECE_BYTES: Final = 1 << 20  # of rows that are handed over together; a larger row comes alone
ROOM_S: Final = 1.0  # between two looks whether the end has come while there is no room
END_S: Final = 5.0  # how long an end waits for the thread


class Sized(NamedTuple):
    """A batch and the bytes that the database took for it."""

    batch: Batch
    size_bytes: int


class ReadAhead:
    """Runs an iterator of batches on a thread of its own; made on the loop.

    Args:
        make: Makes the iterator, on the thread; what it raises comes out of `read`.
        handoff: Where the batches wait.
        wake: Makes a blocked iterator return, from another thread.
    """

    def __init__(
        self,
        make: Callable[[], Iterator[Sized]],
        *,
        name: str,
        handoff: Handoff,
        wake: Callable[[], None],
    ) -> None:
        self._make = make
        self._handoff = handoff
        self._wake = wake
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether the thread should come to its end."""
        return self._handoff.is_closed

    async def read(self) -> Batch | None:
        """The next batches that wait, small ones as one; None after the last."""
        batch = await self._handoff.take()
        if batch is None or not batch.changes or len(batch.changes) >= MERGED_CHANGES:
            return batch
        changes, position = list(batch.changes), batch.position
        size_bytes = self._handoff.taken_bytes
        while len(changes) < MERGED_CHANGES and (found := self._handoff.next()) is not None:
            following, more_bytes = found
            if position is not None and following.position is None:
                break  # a large transaction begins
            if size_bytes + more_bytes > PIECE_BYTES:
                break
            await self._handoff.take()
            size_bytes += more_bytes
            changes += following.changes
            position = following.position
        return Batch(changes, position)

    async def close(self) -> None:
        """End the thread; what it has read and nobody took is forgotten. Idempotent."""
        self._handoff.close()
        with contextlib.suppress(Exception):  # the connection may be gone already
            self._wake()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, END_S)

    def _run(self) -> None:
        error: SummitError | None = None
        try:
            for batch, size_bytes in self._make():
                while not self._handoff.offer(batch, size_bytes, ROOM_S):
                    pass
                if self._handoff.is_closed:
                    break
        except SummitError as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - it must reach who reads
            error = Internal("internal", reason=repr(caught))
        self._handoff.end(error)
