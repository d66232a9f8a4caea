"""No request waits for ever: a broker that is away makes an answer 503, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

from summit.base.errors import Unavailable
from summit.services.repeats import Repeats, described, may_repeat
from summit.web import Handler, Operation, Request, Routes

# Above every wait that a handler has for a reason: an event's alerts, a worker's turn.
ANSWER_S = 15.0


@asynccontextmanager
async def answer_within(seconds: float) -> AsyncIterator[None]:
    """Raise Unavailable("client.timeout") when the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unavailable(
            "client.timeout", retry_after_ms=1_000,
            reason=f"nothing came within {seconds:.0f} s; what was asked may still happen",
        ) from None  # fmt: skip


class BoundedRoutes(Routes):
    """A table whose handlers have `ANSWER_S` each, and whose changes may be asked for again.

    Args:
        repeats: Knows what was answered before.
    """

    def __init__(self, repeats: Repeats) -> None:
        super().__init__()
        self._repeats = repeats

    def add(
        self, method: str, path: str, handler: Handler, operation: Operation | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        """Answer `method` on `path` by `handler` in time, or by 503."""

        repeatable = may_repeat(method, path)

        @wraps(handler)
        async def bounded(request: Request) -> Any:
            async with answer_within(ANSWER_S):
                if repeatable:
                    return await self._repeats.answer(handler, request)
                return await handler(request)

        if repeatable and operation is not None:
            operation = described(operation)
        super().add(method, path, bounded, operation, **options)

    def add_patient(
        self, method: str, path: str, handler: Handler, operation: Operation | None = None
    ) -> None:
        """The same for a handler that bounds itself, because its caller says how long."""
        super().add(method, path, handler, operation)
