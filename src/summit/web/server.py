"""A web server inside the running event loop: starts when it says so, stops within a bound.

Signals stay with the program: the server installs no handlers.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final, Self

import uvicorn
from starlette.types import ASGIApp

from summit.base.errors import Conflict, Invalid
from summit.base.gates import Gate, gated
from summit.base.limits import HTTP_DRAIN_MS, HTTP_KEEP_ALIVE_S, TLS_HANDSHAKE_MS
from summit.base.logs import get_logger
from summit.web.guard import guarded
from summit.web.sockets import sockets_as_requests

_TICK_S: Final = 1.0  # how often the server refreshes its Date header
_LOOK_S: Final = 0.01  # how often a stopping server looks whether the last request is answered
_ABORT_S: Final = 2.0  # how long aborted connections may take to end
_MESSAGE_BYTES_MAX: Final = 4_096  # of a WebSocket's client, which has nothing to tell


class WebServer:
    """Serves one ASGI application on one address.

    Args:
        app: The application, as `make_app` gives it.
        host: The address to listen on; `localhost` means its IPv4 address where it has one.
        port: The port; 0 takes any free one.
        drain_ms: How long `stop` lets running requests finish, milliseconds.
        tls: A context with a certificate; None for plain HTTP.
        max_connections: Further connections are closed at once; None for no bound. TLS handshakes
            count.
        connections_per_address: The same of one address that is not of this machine.
        sockets: Whether clients may ask for WebSockets.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        drain_ms: int = HTTP_DRAIN_MS,
        tls: ssl.SSLContext | None = None,
        max_connections: int | None = None,
        connections_per_address: int | None = None,
        sockets: bool = False,
    ) -> None:
        self._app = app
        self._tls = tls
        self._sockets = sockets
        self.gate = Gate(
            limit=max_connections, per_address=connections_per_address, context=tls,
            handshake_timeout_ms=TLS_HANDSHAKE_MS,
        )  # fmt: skip
        self._host = host
        self._port = port
        self._drain_ms = drain_ms
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on: the real one after `start`."""
        return self._port

    @property
    def address(self) -> str:
        """`host:port`; an IPv6 host in brackets."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    @property
    def url(self) -> str:
        """The address with its scheme, as clients write it."""
        return f"http{'' if self._tls is None else 's'}://{self.address}"

    @property
    def running(self) -> bool:
        """Whether it takes connections."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Listen; when this returns, connections are taken.

        Raises: Conflict("web.port_in_use"); Invalid("web.bind_failed").
        """
        if self.running:
            return
        sock = await self._bind()
        config = self._config()
        server = _Server(config, self._drain_ms)
        task = asyncio.get_running_loop().create_task(
            server.serve(sockets=[sock]), name=f"web {self.address}"
        )
        ready = asyncio.get_running_loop().create_task(server.ready.wait())
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # nobody would know of it, nor stop it
            server.end()
            task.cancel()
            sock.close()
            raise
        finally:
            ready.cancel()
        if task.done():
            sock.close()
            task.result()
            raise Invalid("web.bind_failed", address=self.address, reason="the server ended")
        self._server, self._task = server, task
        get_logger(__name__).info("web.listening", address=self.address)

    async def stop(self) -> None:
        """Take no more connections, let requests finish for `drain_ms`, then cut the rest."""
        server, task = self._server, self._task
        self._server = self._task = None
        if server is None or task is None:
            return
        server.end()
        await self.gate.close()
        await asyncio.wait({task}, timeout=self._drain_ms / 1000 + _ABORT_S)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_ABORT_S)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _config(self) -> uvicorn.Config:
        config = uvicorn.Config(
            sockets_as_requests(self._app) if self._sockets else self._app,
            loop="none",
            http=gated(guarded(), self.gate),
            ws="none",
            ws_max_size=_MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=HTTP_KEEP_ALIVE_S,
        )
        config.load()
        if self._sockets:
            config.ws_protocol_class = asyncio.Protocol  # some; a connection has its own
        return config

    async def _bind(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self._host or None,
                self._port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
        except (OSError, UnicodeError) as error:
            raise Invalid("web.bind_failed", address=self.address, reason=str(error)) from error
        found.sort(key=lambda row: row[0] != socket.AF_INET)
        family, kind, protocol, _, place = found[0]
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            sock.listen(1024)
        except OSError as error:
            sock.close()
            if error.errno == errno.EADDRINUSE:
                raise Conflict("web.port_in_use", address=self.address) from error
            reason = error.strerror or str(error)
            raise Invalid("web.bind_failed", address=self.address, reason=reason) from error
        self._host, self._port = sock.getsockname()[:2]
        return sock


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, its ten wake-ups a second and its slow goodbye."""

    def __init__(self, config: uvicorn.Config, drain_ms: int) -> None:
        super().__init__(config)
        self._drain_s = drain_ms / 1000
        self.ready = asyncio.Event()
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self.on_tick(0)
        self.ready.set()

    async def main_loop(self) -> None:
        # on_tick refreshes the Date header at counters that are multiples of ten.
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _TICK_S)

    def end(self) -> None:
        """Begin the shutdown now."""
        self.should_exit = True
        self._ending.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()  # idle ones end now, the others after their answer
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._drain_s
        while (state.connections or state.tasks) and loop.time() < deadline_s:
            await asyncio.sleep(_LOOK_S)
        for task in list(state.tasks):
            task.cancel()
        for connection in list(state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)
