"""Doing something again until the brokers answer, with growing pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from summit.base.errors import Closed, Unavailable
from summit.base.limits import WORKER_RETRY_MS
from summit.base.logs import get_logger


async def insist(
    act: Callable[[], Awaitable[Any]],
    stopping: Callable[[], bool],
    backoff_max_ms: int,
    *,
    what: str,
    event: str,
) -> None:
    """Do something until it is not Unavailable any more.

    Args:
        stopping: Whether to give up, asked after each failure.
        backoff_max_ms: Longest pause between two tries.
        what: Who insists, for the error.
        event: Name of the line in the log.
    Raises: Closed("client.closed") when this is to stop meanwhile; what waiting does not mend.
    """
    pause_ms = WORKER_RETRY_MS
    while True:
        try:
            await act()
        except Unavailable as error:
            if stopping():
                raise Closed("client.closed", what=what) from error
            get_logger(__name__).warning(event, code=error.code, error=str(error))
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, backoff_max_ms)
        else:
            return
