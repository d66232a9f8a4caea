"""The WebSocket collector: events as messages, each answered after the broker's acknowledgement.

What messages and answers look like is in `messages.py` and `session.py`. A connection is read no
faster than the broker takes its events. The upgrade is refused with 401 (who?), 403 (the page's
origin), 404 (the path); a connection is closed with 1007 (no UTF-8), 1009 (too big a message), 1012
(the collector stops), 1013 (too many connections, or the broker is away), 4001 (another connection
has the client's name).

Guarantee: clients that name themselves, effectively once, over reconnects and restarts; others at
least once: what was not acknowledged may have been written.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http
import json
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, SummitError
from summit.base.gates import Gate, gated
from summit.client.addresses import format_address
from summit.ingest.producing import Producer
from summit.ingest.settings import CollectorConfig
from summit.ingest.streaming import CLOSE_S, StreamingCollector, is_client_name
from summit.ingest.websocket.messages import SUBPROTOCOL

try:
    from websockets.asyncio.server import Server, ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.typing import Subprotocol
except ImportError as missing:
    raise Invalid("extra.missing", what="WebSockets", extra="websocket") from missing

from summit.ingest.websocket.session import (
    RESTART,
    TAKEN_OVER,
    TRY_AGAIN,
    WebSocketSession,
)

_UNSERVED_MAX: Final = 100  # connections that are not upgraded yet, or are being closed
OPEN_TIMEOUT_S: Final = 10.0  # of a TLS handshake, and of an upgrade


class WebSocketCollector(StreamingCollector):
    """Takes events over WebSockets and writes them to its topic.

    Args:
        config: Its configuration, of type `websocket`.
        producer: Only for `async with`; else `start` gets it.
        clock: Where time comes from.
    Raises: Invalid("extra.missing") without the extra `websocket`.
    """

    type = "websocket"

    def __init__(
        self,
        config: CollectorConfig,
        *,
        producer: Producer | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            config, producer=producer, clock=clock,
            max_events=config.block.max_events_per_message,
            restart=(RESTART, "the collector stops"),
            taken_over=(TAKEN_OVER, "another connection has the name"),
        )  # fmt: skip
        self._server: Server | None = None
        self._gate = Gate()
        self._place: tuple[str, int] | None = None

    @property
    def address(self) -> str | None:
        """`host:port` where it listens; the real port after `start`."""
        return None if self._place is None else format_address(*self._place)

    @property
    def port(self) -> int:
        """The port where it listens."""
        return self._place[1] if self._place is not None else self.config.listen_port

    # ---- life ----

    async def _listen(self) -> None:
        options, host = self.options, self.config.host
        # Room for some beyond `maxConnections`, so that they are told why they are not served.
        self._gate = gate = Gate(
            limit=options.max_connections + _UNSERVED_MAX,
            context=None if options.tls is None else options.tls.server_context(),
            handshake_timeout_ms=round(OPEN_TIMEOUT_S * 1_000),
        )
        await self._begin()
        try:
            self._server = server = await serve(
                self._serve, host, self.config.listen_port,
                process_request=self._check_upgrade,
                subprotocols=[Subprotocol(SUBPROTOCOL)], select_subprotocol=_subprotocol,
                origins=None if "*" in options.origins else [None, *options.origins],
                compression=None, server_header=None, max_size=options.max_message_bytes,
                ping_interval=options.ping_interval_ms / 1000,
                ping_timeout=options.ping_timeout_ms / 1000, close_timeout=CLOSE_S,
                open_timeout=OPEN_TIMEOUT_S, create_connection=gated(ServerConnection, gate),
            )  # fmt: skip
        except OSError as error:
            address = f"{host}:{self.config.listen_port}"
            if error.errno == errno.EADDRINUSE:
                raise Conflict("web.port_in_use", address=address) from error
            raise Invalid("web.bind_failed", address=address, reason=str(error)) from error
        self._place = server.sockets[0].getsockname()[:2]
        self._keep_notes()

    async def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close(close_connections=False)
        await self._gate.close()
        await self._end_sessions()
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S + 1):
                await server.wait_closed()
        self._place = None

    # ---- one connection ----

    def _check_upgrade(self, socket: ServerConnection, request: Any) -> Any:
        """Refuse an upgrade that may not be: None, or the answer."""
        url = urlsplit(request.path)
        if url.path != self.config.route:
            return socket.respond(http.HTTPStatus.NOT_FOUND, f"there is no {url.path}\n")
        if self._auth is None:
            return None
        token = parse_qs(url.query).get("access_token", [None])[0]
        headers = {name.lower(): text for name, text in request.headers.raw_items()}
        try:
            self._auth.check(headers, token)
        except SummitError as error:
            self._rejected.add(1)
            self._note_error(error)
            response = socket.respond(http.HTTPStatus(error.http_status), f"{error}\n")
            if self._auth.challenge and isinstance(error, Invalid):
                response.headers["WWW-Authenticate"] = self._auth.challenge
            return response
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        if self._state == "stopping":
            await socket.close(RESTART, "the collector stops")
            return
        if len(self._sessions) >= self.options.max_connections:
            await socket.close(TRY_AGAIN, "too many connections")
            return
        assert socket.request is not None
        client = parse_qs(urlsplit(socket.request.path).query).get("client", [None])[0]
        if client is not None and not is_client_name(client):
            await socket.close(1008, "the name of a client is 1 to 200 characters without ':'")
            return

        def make(seq: int) -> WebSocketSession:
            address = str((socket.remote_address or ("",))[0])
            enveloped = socket.subprotocol == SUBPROTOCOL
            return WebSocketSession(self, socket, client, seq, address=address, enveloped=enveloped)

        session = await self._register(client, make)
        if session is None:
            await socket.close(TRY_AGAIN, "the earlier connection of that name has not ended")
            return
        try:
            if client is not None:
                await socket.send(json.dumps({"client": client, "seq": session.done_seq}))
            await session.run()
            if session.goodbye is not None:
                await socket.close(*session.goodbye)
        except ConnectionClosed:
            pass
        finally:
            self._leave(session)


def _subprotocol(_: Any, offered: Any) -> Any:
    """Ours, if it is offered; a client that offers others is served without one."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None
