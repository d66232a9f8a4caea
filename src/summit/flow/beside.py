"""A question to the brokers, asked now and then while records are processed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from summit.base.clock import Clock
from summit.base.errors import SummitError

T = TypeVar("T")


class Beside(Generic[T]):
    """One question, never asked twice at a time; one loop's.

    Args:
        ask: Asks it.
        interval_ms: From one question to the next.
    """

    def __init__(
        self, ask: Callable[[], Coroutine[Any, Any, T]], clock: Clock, interval_ms: int
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._interval_ms = interval_ms
        self._asked_ms = clock.monotonic_ms()
        self._answer: asyncio.Task[T] | None = None

    def put_off(self) -> None:
        """It was asked otherwise: there is time until the next."""
        self._asked_ms = self._clock.monotonic_ms()

    def answered(self) -> asyncio.Task[T] | None:
        """The answer to the last question, once; asks the next when it is time."""
        answer = self._answer
        if answer is not None:
            if not answer.done():
                return None
            self._answer = None
        elif self._clock.monotonic_ms() - self._asked_ms >= self._interval_ms:
            self.put_off()
            self._answer = asyncio.create_task(self._ask())
        return answer

    async def stop(self) -> None:
        """Wait for no answer any more. Idempotent."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.cancel()
            with suppress(asyncio.CancelledError, SummitError):
                await answer
