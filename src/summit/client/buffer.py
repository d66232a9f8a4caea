"""Back-pressure of the producer: who may put how many bytes into its buffer, and who waits."""

from __future__ import annotations

import asyncio
from collections import deque

from summit.base.errors import Unavailable


class Buffer:
    """Counts the bytes of records without an answer. Belongs to one loop.

    Those who wait are served in the order they came, so a large record is not passed by small
    ones for ever.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take_now(self, size_bytes: int) -> bool:
        """Take room if there is some and nobody waits for it."""
        if self._waiting or self.used_bytes + size_bytes > self.capacity_bytes:
            return False
        self.used_bytes += size_bytes
        return True

    @property
    def free_bytes(self) -> int:
        """What may be taken now; nothing while somebody waits."""
        return 0 if self._waiting else self.capacity_bytes - self.used_bytes

    async def take(self, size_bytes: int, timeout_ms: int) -> None:
        """Take room, waiting for it at most `timeout_ms`.

        Raises: Unavailable("producer.buffer_full").
        """
        if self.take_now(size_bytes):
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size_bytes, waiter)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.done() and not waiter.cancelled():
                self.give_back(size_bytes)
            else:
                self._waiting.remove(entry)
                self._serve()
            if isinstance(error, TimeoutError):
                raise self.full() from None
            raise

    def give_back(self, size_bytes: int) -> None:
        """Return room that was taken and let the next ones in."""
        self.used_bytes -= size_bytes
        assert self.used_bytes >= 0
        if self._waiting:
            self._serve()

    def full(self) -> Unavailable:
        """The error that says how full it is."""
        return Unavailable(
            "producer.buffer_full",
            retry_after_ms=1_000,
            buffered_bytes=self.used_bytes,
            buffer_memory=self.capacity_bytes,
        )

    def _serve(self) -> None:
        while self._waiting:
            size_bytes, waiter = self._waiting[0]
            if self.used_bytes + size_bytes > self.capacity_bytes:
                return
            self._waiting.popleft()
            if not waiter.done():
                self.used_bytes += size_bytes
                waiter.set_result(None)
