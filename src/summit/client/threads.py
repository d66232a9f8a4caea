"""A thread of its own for librdkafka's blocking calls, one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")


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
