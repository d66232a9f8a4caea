"""The gate of `batchSize` and `flushInterval`: small requests wait for one another."""

from __future__ import annotations

import asyncio


class Gate:
    """Opens when `batch_size` events wait, or `flush_interval_ms` after the first came.

    It shapes batches and never the promise: whoever waits is answered after the broker's
    acknowledgement all the same.
    """

    def __init__(self, batch_size: int, flush_interval_ms: int) -> None:
        self._batch_size = batch_size
        self._interval_s = flush_interval_ms / 1000
        self._waiting = 0
        self._event: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, count: int) -> None:
        """Wait with `count` events until the gate opens."""
        if self._event is None:
            self._event = asyncio.Event()
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self.open)
        event = self._event
        self._waiting += count
        if self._waiting >= self._batch_size:
            self.open()
            return
        await event.wait()

    def open(self) -> None:
        """Let everybody through who waits now."""
        if self._timer is not None:
            self._timer.cancel()
        if self._event is not None:
            self._event.set()
        self._event = self._timer = None
        self._waiting = 0
