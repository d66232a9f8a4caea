"""uvicorn's WebSocket protocol for streams: who does not read is cut off, whatever it sends.

Read only when a client asks for the first socket: the library is an extra, and costs memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

from summit.base.errors import Invalid

PEER = "summit.peer"  # in a request's scope: the client's certificate, as `ssl` tells it


@cache
def socket_protocol(stall_ms: int) -> Any:
    """The protocol's class; made with `lost`, which hears of its end, and `peer`, a certificate.

    Args:
        stall_ms: How long a client may leave what is sent to it unread.
    Raises: Invalid("web.sockets_missing") where the library is not there.
    """
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    except ImportError as error:
        raise Invalid("web.sockets_missing") from error
    base: Any = WebSocketsSansIOProtocol

    class SocketProtocol(base):  # type: ignore[misc]
        _stalled: asyncio.TimerHandle | None = None
        app: Any

        def __init__(self, *, lost: Callable[[], None], peer: Any, **given: Any) -> None:
            super().__init__(**given)
            self._lost = lost
            if peer:
                self.app = showing(self.app, peer)

        def pause_writing(self) -> None:
            super().pause_writing()
            self.transport.pause_reading()  # or its pings would be answered into memory
            self._stalled = self.loop.call_later(stall_ms / 1000, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if not self.read_paused:
                self.transport.resume_reading()
            self._go_on()

        def connection_lost(self, exc: Exception | None) -> None:
            self._go_on()
            self._lost()
            super().connection_lost(exc)

        def _go_on(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

    return SocketProtocol


def showing(app: Any, peer: dict[str, Any]) -> Any:
    """The application, with a certificate in the scope of each request."""

    async def shown(scope: Any, receive: Any, send: Any) -> None:
        scope[PEER] = peer
        await app(scope, receive, send)

    return shown
