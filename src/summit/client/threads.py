"""A thread of its own for librdkafka's blocking calls, one call at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from summit.base.limits import CLIENT_SHORT_SLICE_MS, CLIENT_SLICE_MS

R = TypeVar("R")

_SHORT_WAITS: Final = 500  # after a short call: five seconds of them


class CallThread:
    """Runs blocking calls in order, off the loop.

    A caller that is cancelled leaves its call running to its end: give every call a time-out.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    def submit(self, fn: Callable[[], R]) -> asyncio.Future[R]:
        """Start `fn()` after the calls before it; the future belongs to the running loop."""
        return asyncio.get_running_loop().run_in_executor(self._executor, fn)

    async def run(self, fn: Callable[[], R]) -> R:
        """The result of `fn()`."""
        return await self.submit(fn)

    def close(self) -> None:
        """End the thread after the calls that were submitted; does not wait."""
        self._executor.shutdown(wait=False)


class RightOfWay:
    """Lets short calls go before a wait that is made again and again.

    confluent-kafka holds a lock of its own for the whole of `consume`, so another call on the same
    consumer waits for its end, and starves when the next `consume` follows at once. A short call is
    made inside `with way:`; whoever waits calls `give` between two waits, and waits shortly while
    such calls are frequent.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._calls = 0
        self._short_waits = 0

    def __enter__(self) -> None:
        with self._free:
            self._calls += 1
            self._short_waits = _SHORT_WAITS

    def __exit__(self, *_: object) -> None:
        with self._free:
            self._calls -= 1
            self._free.notify_all()

    def give(self, timeout_s: float) -> float:
        """Return when no short call is under way, at the latest after `timeout_s`.

        Returns: How long the next wait may take, seconds.
        """
        if self._calls:
            with self._free:
                self._free.wait_for(lambda: not self._calls, timeout_s)
        if self._short_waits:
            self._short_waits -= 1
            return CLIENT_SHORT_SLICE_MS / 1000
        return CLIENT_SLICE_MS / 1000
