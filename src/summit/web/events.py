"""Server-sent events: an answer that goes on, one event after the other.

    id: 42
    event: result
    data: {"queryId": ...}

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from summit.base.limits import HTTP_STALL_MS
from summit.web.responses import Response, encode_json

HEARTBEAT = b": heartbeat\n\n"


def event_bytes(name: str, data: Any, event_id: str | int | None = None) -> bytes:
    """One event.

    Args:
        data: Becomes JSON.
        event_id: What a client that comes again names as the last one it has seen; None = it
            stays what it was.

    Example:
        >>> event_bytes("result", {"n": 1}, 7)
        b'id: 7\\nevent: result\\ndata: {"n":1}\\n\\n'
    """
    head = b"" if event_id is None else f"id: {event_id}\n".encode()
    return head + f"event: {name}\n".encode() + b"data: " + encode_json(data) + b"\n\n"


class EventStream(Response):
    """Sends events until there are no more, the client goes, or it does not read.

    Args:
        events: Whole events, and comments; closed at the end in any case.
        stall_ms: How long one of them may wait for the client; then the connection is closed.
        stalled: Called when that happens.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], *, stall_ms: int = HTTP_STALL_MS,
        stalled: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type="text/event-stream",
        )
        del self.headers["content-length"]
        self._events = events
        self._stall_s = stall_ms / 1000
        self._stalled = stalled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI wants it."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        tasks = [asyncio.ensure_future(self._send(send)), asyncio.ensure_future(_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, TimeoutError):
                    await task

    async def _send(self, send: Send) -> None:
        """Raises: TimeoutError when the client does not read."""
        async with aclosing(self._events) as events:
            async for event in events:
                body = {"type": "http.response.body", "body": event, "more_body": True}
                try:
                    async with asyncio.timeout(self._stall_s):
                        await send(body)
                except TimeoutError:
                    if self._stalled is not None:
                        self._stalled()
                    raise
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
