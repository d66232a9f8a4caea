"""WebSockets as requests: whoever asks for one goes through the same checks as every GET.

The handshake of a WebSocket is a GET. Here it becomes one for the application, so that its shield,
gate, table of routes and limits know no second way in. An answer with status 101 is the socket:
each part of its body is a message. Every other answer is what a GET would have got.

    websocket.connect  →  GET              101                →  websocket.accept
    disconnect         →  http.disconnect  body, more_body    →  websocket.send (text)
                                           body, the last     →  websocket.close
                                           another status     →  the refusal's own answer

A client has nothing to tell but that it goes: messages are read and let fall, so many at most.

Source: ASGI, "WebSocket" and "WebSocket Denial Response"; RFC 6455.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MESSAGES_MAX: Final = 1_000  # of a client; with more it is cut
_SOCKET: Final = "summit.socket"  # in a request's scope
# A connection's own affairs, and what a body has: no part of an answer that opens a socket.
_NOT_OF_A_SOCKET: Final = (b"content-type", b"content-length", b"transfer-encoding")


def is_socket(scope: Scope) -> bool:
    """Whether a request is the handshake of a WebSocket."""
    return bool(scope.get(_SOCKET))


def sockets_as_requests(app: ASGIApp) -> ASGIApp:
    """An application that is asked for WebSockets as for pages."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return
        asked = {**scope, "type": "http", "method": "GET", _SOCKET: True}
        asked["scheme"] = "https" if scope.get("scheme") == "wss" else "http"
        exchange = _Exchange(receive, send)
        await app(asked, exchange.receive, exchange.send)

    return call


class _Exchange:
    """One socket, or its refusal."""

    __slots__ = ("_is_open", "_messages", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_open = False
        self._messages = 0

    async def receive(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.connect":
                return {"type": "http.request", "body": b"", "more_body": False}
            if message["type"] == "websocket.disconnect":
                return {"type": "http.disconnect"}
            self._messages += 1
            if self._messages > MESSAGES_MAX:
                return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_open = message["status"] == 101
            await self._send(_accepted(message) if self._is_open else _refused(message))
            return
        if not self._is_open:
            await self._send({**message, "type": "websocket.http.response.body"})
            return
        body = message.get("body", b"")
        if body:
            await self._send({"type": "websocket.send", "text": body.decode()})
        if not message.get("more_body"):
            await self._send({"type": "websocket.close", "code": 1000})


def _accepted(start: Message) -> Any:
    headers = [pair for pair in start.get("headers", ()) if pair[0] not in _NOT_OF_A_SOCKET]
    return {"type": "websocket.accept", "headers": headers}


def _refused(start: Message) -> Any:
    return {**start, "type": "websocket.http.response.start"}
