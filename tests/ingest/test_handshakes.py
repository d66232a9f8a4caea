"""Connections that never get through their TLS handshake: they have a bound, and end in time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
import trustme
from tests.ingest.memory_log import MemoryLog

from summit.base import gates
from summit.ingest import make_collector

pytestmark = pytest.mark.timeout(120)

MOST = 8
SPARE = {"websocket": 3}  # connections that are only told that there is no place


@pytest.fixture
def tls(tmp_path: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    files = {name: str(tmp_path / name) for name in ("cert", "key")}
    server.cert_chain_pems[0].write_to_path(files["cert"])
    server.private_key_pem.write_to_path(files["key"])
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return {"certFile": files["cert"], "keyFile": files["key"]}, context


async def is_closed(reader: asyncio.StreamReader, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("kind", ["http", "websocket", "grpc", "syslog"])
def test_a_flood_of_handshakes_is_bounded_and_ends(
    kind: str, tls: tuple[dict[str, str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, context = tls
    monkeypatch.setattr("summit.web.server.TLS_HANDSHAKE_MS", 2_000)
    monkeypatch.setattr("summit.ingest.websocket.collector._UNSERVED_MAX", SPARE["websocket"])
    monkeypatch.setattr("summit.ingest.websocket.collector.OPEN_TIMEOUT_S", 2.0)
    if kind == "grpc":
        monkeypatch.setattr("summit.ingest.grpc.collector.TLS_HANDSHAKE_MS", 2_000)
    block = {"maxConnections": MOST, "tls": files}
    if kind == "syslog":
        block["messageTimeoutMs"] = 2_000
    config = {"name": "one", "type": kind, "port": 0, "topic": "t", kind: block}
    most = MOST + SPARE.get(kind, 0)

    async def shake_hands(port: int) -> bool:
        try:
            async with asyncio.timeout(10):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, server_hostname="localhost"
                )
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def go() -> None:
        collector = make_collector(config)
        await collector.start(MemoryLog(1))
        port = int(str(collector.address).rpartition(":")[2])
        held = []
        try:
            async with asyncio.timeout(100):
                for _ in range(most):
                    held.append(await asyncio.open_connection("127.0.0.1", port))
                    held[-1][1].write(b"\x16\x03\x01")  # the beginning of a hello
                # Each of these is cut off at once, while the others still have their time.
                more = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
                held += more
                assert all([await is_closed(reader, 1.5) for reader, _ in more])
                for reader, _ in held:
                    assert await is_closed(reader, 30)
                while not await shake_hands(port):  # there is room again
                    await asyncio.sleep(0.05)
        finally:
            for _, writer in held:
                writer.close()
            await collector.stop()

    asyncio.run(go())


def test_what_comes_right_behind_a_handshake_is_not_lost(
    tls: tuple[dict[str, str], ssl.SSLContext],
) -> None:
    """Bytes, and the end, that arrive in the same packet as the client's last word."""
    files, context = tls
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(files["certFile"], files["keyFile"])
    told: list[object] = []

    class Taking(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            told.append("made")

        def data_received(self, data: bytes) -> None:
            told.append(data)

        def connection_lost(self, exc: Exception | None) -> None:
            told.append("lost")

    async def go() -> None:
        gate = gates.Gate(limit=1, context=server_side)
        protocol = gates.gated(Taking, gate)
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()[:2]
        for _ in range(20):
            told.clear()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            reader, writer = await asyncio.open_connection(*place)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65_536))
            client.write(b"hello")
            writer.write(outgoing.read())  # the client's Finished and its first bytes together
            writer.write_eof()
            while told[-1:] != ["lost"]:
                await asyncio.sleep(0.005)
            assert told == ["made", b"hello", "lost"]
            assert (gate.open, gate.handshaking) == (0, 0)
            writer.close()
        server.close()
        await gate.close()

    asyncio.run(asyncio.wait_for(go(), 60))
