"""Who is let in: bounds count TLS handshakes and sockets, and nobody stays counted who has gone."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from summit.base.gates import Gate
from summit.web import Event, EventStream, Request, Routes, WebServer, make_app

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def hello(request: Request) -> dict[str, str]:
    return {"scheme": request.url.scheme}


async def stream(_: Request) -> EventStream:
    async def events() -> AsyncIterator[Event]:
        number = 0
        while True:
            yield Event.of("n", number, number)
            number += 1
            await asyncio.sleep(0.01)

    return EventStream(events())  # type: ignore[arg-type]


@asynccontextmanager
async def serving(most: int, tls: ssl.SSLContext | None) -> AsyncIterator[WebServer]:
    routes = Routes()
    routes.get("/hello", hello)
    routes.get("/stream", stream)
    app = make_app(routes)
    async with WebServer(app, tls=tls, max_connections=most, sockets=True) as server:
        yield server


async def wait(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def ask(server: WebServer, context: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=context, server_hostname="127.0.0.1" if context else None
    )
    try:
        writer.write(HELLO)
        return (await reader.readuntil(b"}"))[-20:]
    finally:
        writer.close()


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    file: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def test_handshakes_count_and_end_in_time(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(3, contexts[0]) as server:
            assert b'"https"' in await ask(server, contexts[1])
            await wait(lambda: server.gate.open == 0)
            silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
            await wait(lambda: server.gate.open == 3)
            with pytest.raises(OSError):
                await ask(server, contexts[1])
            assert server.gate.refused == 1
            silent.pop().close()
            await wait(lambda: server.gate.open == 2)
            assert b'"https"' in await ask(server, contexts[1])
            silent[0].sendall(b"this is no hello of TLS\r\n" * 20)
            await wait(lambda: server.gate.open == 1)
            silent[0].close()
            silent[1].close()
            await wait(lambda: server.gate.open == 0)
        monkeypatch.setattr("summit.web.server.TLS_HANDSHAKE_MS", 50)
        async with serving(3, contexts[0]) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as late:
                late.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(late, 1) == b""
            await wait(lambda: server.gate.open == 0)

    asyncio.run(run())


def test_a_stop_ends_handshakes(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def run() -> None:
        async with serving(3, contexts[0]) as server:
            with socket.create_connection(("127.0.0.1", server.port)):
                await wait(lambda: server.gate.open == 1)
                await server.stop()
                await wait(lambda: server.gate.open == 0)

    asyncio.run(run())


@pytest.mark.parametrize("secure", [False, True])
def test_a_socket_counts_as_the_connection_that_it_was(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], *, secure: bool
) -> None:
    async def run() -> None:
        async with serving(1, contexts[0] if secure else None) as server:
            url = f"{'wss' if secure else 'ws'}://127.0.0.1:{server.port}/stream"
            async with connect(url, ssl=contexts[1] if secure else None) as client:
                assert await client.recv() == '{"event":"n","id":"0","data":0}'
                assert server.gate.open == 1
                with pytest.raises((OSError, asyncio.IncompleteReadError)):
                    await ask(server, contexts[1] if secure else None)
            await wait(lambda: server.gate.open == 0)
            with pytest.raises(InvalidStatus):
                async with connect(
                    url.replace("stream", "none"), ssl=contexts[1] if secure else None
                ):
                    pass
            await wait(lambda: server.gate.open == 0)

    asyncio.run(run())


class _From:
    """A connection of some address."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return self.address, 1


def test_one_address_elsewhere_has_its_own_bound() -> None:
    gate = Gate(limit=10, per_address=2)

    def enter(address: str, times: int = 1) -> list[bool]:
        return [gate.enter(_From(address)) is not None for _ in range(times)]

    assert enter("10.0.0.1", 3) == [True, True, False]
    assert enter("127.0.0.1", 4) == [True] * 4
    gate.leave("10.0.0.1")
    assert enter("10.0.0.1", 2) == [True, False]
    assert (gate.open, gate.refused) == (6, 2)
