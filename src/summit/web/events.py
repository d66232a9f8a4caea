"""Answers that go on, one event after the other: server-sent events, or messages of a WebSocket.

    id: 42                               {"event":"result","id":"42","data":{"queryId": ...}}
    event: result
    data: {"queryId": ...}

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, Final, NamedTuple

from starlette.types import Receive, Scope, Send

from summit.base.limits import HTTP_STALL_MS
from summit.web.responses import Response, encode_json
from summit.web.sockets import is_socket

RETRY_MS: Final = 2_000  # after which a client of server-sent events comes again


class Event(NamedTuple):
    """One event.

    Attributes:
        data: JSON.
        id: What a client that comes again names as the last one it has seen; None = it stays what
            it was.
    """

    name: str
    data: bytes
    id: str | None = None

    @classmethod
    def of(cls, name: str, data: Any, event_id: str | int | None = None) -> Event:
        """An event with `data` as JSON."""
        return cls(name, encode_json(data), None if event_id is None else str(event_id))

    def sse(self) -> bytes:
        """As a server-sent event; a heartbeat is a comment.

        Example:
            >>> Event.of("result", {"n": 1}, 7).sse()
            b'id: 7\\nevent: result\\ndata: {"n":1}\\n\\n'
        """
        if self is HEARTBEAT:
            return b": heartbeat\n\n"
        head = b"" if self.id is None else f"id: {self.id}\n".encode()
        return b"%sevent: %s\ndata: %s\n\n" % (head, self.name.encode(), self.data)

    def message(self) -> bytes:
        """As the text of a WebSocket message.

        Example:
            >>> Event.of("result", {"n": 1}, 7).message()
            b'{"event":"result","id":"7","data":{"n":1}}'
        """
        place = b"" if self.id is None else b',"id":%s' % encode_json(self.id)
        return b'{"event":%s%s,"data":%s}' % (encode_json(self.name), place, self.data)


HEARTBEAT: Final = Event("heartbeat", b"{}")


class EventStream(Response):
    """Sends events until there are no more, the client goes, or it does not read.

    Args:
        events: Closed at the end in any case.
        stall_ms: How long one of them may wait for the client; then the connection is closed.
        stalled: Called when that happens.
    """

    def __init__(
        self, events: AsyncGenerator[Event, None], *, stall_ms: int = HTTP_STALL_MS,
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
        socket = is_socket(scope)
        status = 101 if socket else 200
        await send({"type": "http.response.start", "status": status, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        sending = self._send(send, Event.message if socket else Event.sse, retry=not socket)
        tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError, TimeoutError):
                    await task

    async def _send(self, send: Send, written: Callable[[Event], bytes], *, retry: bool) -> None:
        """Raises: TimeoutError when the client does not read."""
        async with aclosing(self._events) as events:
            if retry:
                await self._put(send, b"retry: %d\n\n" % RETRY_MS)
            async for event in events:
                await self._put(send, written(event))
        await send({"type": "http.response.body", "body": b""})

    async def _put(self, send: Send, body: bytes) -> None:
        try:
            async with asyncio.timeout(self._stall_s):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            if self._stalled is not None:
                self._stalled()
            raise


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
