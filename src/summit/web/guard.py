"""Clients that send a request's head for ever, or do not read, are cut off.

uvicorn bounds neither the time nor (with httptools) the size of a request's head.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from summit.base.errors import Invalid, SummitError
from summit.base.limits import HTTP_HEAD_BYTES_MAX, HTTP_HEAD_TIMEOUT_MS, HTTP_STALL_MS
from summit.web.problems import PROBLEM_JSON, problem_of
from summit.web.responses import encode_json
from summit.web.socket_protocol import showing, socket_protocol


def guarded(
    *,
    head_timeout_ms: int = HTTP_HEAD_TIMEOUT_MS,
    stall_ms: int = HTTP_STALL_MS + 5_000,  # streams look for themselves, and count it
) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol with bounds around the head of each request.

    Args:
        head_timeout_ms: How long a head may take from its first byte (or the connection) on.
        stall_ms: How long a client may leave what is sent to it unread.
    """
    base: Any = _upgrading(_reading(AutoHTTPProtocol, stall_ms), stall_ms)

    class Guarded(base):  # type: ignore[misc]  # which of uvicorn's two it is, is known at run time
        _timer: asyncio.TimerHandle | None = None
        _head_bytes = 0
        _body_left = False  # httptools: a request's body is not read to its end

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            if before is None or before.response_complete:
                if not self._body_left:
                    self._head_bytes += len(data)
                if self._timer is None:
                    self._await_head()
            super().data_received(data)
            if self.cycle is not before:  # a head is complete
                self._head_bytes = 0
                self._calm()
            elif self._timer is not None and self._head_bytes > HTTP_HEAD_BYTES_MAX:
                self.transport.abort()

        def on_headers_complete(self) -> None:
            self._body_left = True
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._body_left = False
            super().on_message_complete()

        def handle_websocket_upgrade(self, *event: Any) -> None:
            self._calm()  # the head is complete, and nothing more comes to this protocol
            super().handle_websocket_upgrade(*event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._calm()
            super().connection_lost(exc)

        def _await_head(self) -> None:
            self._timer = self.loop.call_later(head_timeout_ms / 1000, self.transport.abort)

        def _calm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Guarded


def _reading(base: Any, stall_ms: int) -> Any:
    """The protocol for clients that read: who leaves what is sent to it unread is cut off."""

    class Reading(base):  # type: ignore[misc]
        _stalled: asyncio.TimerHandle | None = None
        app: Any

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            # Who the other side proved to be in the TLS handshake, for whoever asks.
            peer = transport.get_extra_info("peercert")
            if peer:
                self.app = showing(self.app, peer)

        def send_400_response(self, msg: str) -> None:
            """What is no HTTP is a problem like every other error."""
            self.transport.write(bad_request(msg))
            self.transport.close()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(stall_ms / 1000, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._go_on()

        def connection_lost(self, exc: Exception | None) -> None:
            self._go_on()
            super().connection_lost(exc)

        def _go_on(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

    return Reading


def _upgrading(base: Any, stall_ms: int) -> Any:
    """The protocol for clients that ask for a socket, which goes on with the same connection.

    Needs `gated` around it: a socket's end is the end of the connection's place.
    """

    class Upgrading(base):  # type: ignore[misc]
        def handle_websocket_upgrade(self, *event: Any) -> None:
            try:
                protocol = socket_protocol(stall_ms)
            except SummitError as refused:
                self.transport.write(problem_bytes(refused))
                self.transport.close()
                return
            peer = self.transport.get_extra_info("peercert")
            self.ws_protocol_class = partial(protocol, lost=self.give_place, peer=peer)
            super().handle_websocket_upgrade(*event)

    return Upgrading


def bad_request(reason: str) -> bytes:
    """The whole answer to bytes that are no request."""
    return problem_bytes(Invalid("web.request_invalid", reason=reason))


def problem_bytes(error: SummitError) -> bytes:
    """A whole answer that ends its connection."""
    body = encode_json(problem_of(error))
    status = HTTPStatus(error.http_status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
