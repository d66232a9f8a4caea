"""Senders that mean no good: slow ones, endless heads, many connections, garbage, huge frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from summit.ingest import Collector, make_collector
from summit.web import guard

pytestmark = pytest.mark.timeout(120)

GOOD = b'POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"n":1}'


_writers: list[asyncio.StreamWriter] = []


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that `run` closes at the latest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _writers.append(writer)
    return reader, writer


async def hang_up() -> None:
    while _writers:
        writer = _writers.pop()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def run(
    kind: str, block: dict[str, Any], body: Callable[[Collector, int], Awaitable[Any]]
) -> MemoryLog:
    log = MemoryLog(1)

    async def go() -> None:
        config = {"name": "one", "type": kind, "port": 0, "topic": "t", kind: block}
        collector = make_collector(config)
        await collector.start(log)
        try:
            async with asyncio.timeout(60):
                await body(collector, int(str(collector.address).rpartition(":")[2]))
        finally:
            await hang_up()
            await collector.stop()

    asyncio.run(go())
    return log


async def answer(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side closes."""
    found = b""
    try:
        while part := await reader.read(65_536):
            found += part
    except ConnectionError:
        pass
    return found


async def still_good(port: int) -> None:
    reader, writer = await dial(port)
    writer.write(GOOD)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads may take only a moment."""
    real = guard.guarded
    monkeypatch.setattr(
        "summit.web.server.guarded", lambda **more: real(head_timeout_ms=300, **more)
    )


@pytest.mark.parametrize("begun", [b"", b"POST /ingest HTTP/1.1\r\nHost: x\r\n", GOOD + b"POST /"])
def test_a_head_that_does_not_come_is_cut_off(quick: None, begun: bytes) -> None:
    async def body(_: Collector, port: int) -> None:
        reader, writer = await dial(port)
        writer.write(begun)
        found = await answer(reader)
        assert found == b"" or found.startswith(b"HTTP/1.1 200")
        writer.close()
        await still_good(port)

    run("http", {}, body)


def test_a_head_that_drips_is_cut_off(quick: None) -> None:
    async def body(_: Collector, port: int) -> None:
        reader, writer = await dial(port)
        writer.write(b"POST /ingest HTTP/1.1\r\n")
        ended = asyncio.create_task(answer(reader))
        for n in range(1_000):
            if ended.done():
                break
            writer.write(b"X-%d: y\r\n" % n)
            await asyncio.sleep(0.02)
        assert await ended == b""
        await still_good(port)

    run("http", {}, body)


def test_a_body_that_drips_is_408() -> None:
    async def body(collector: Collector, port: int) -> None:
        reader, writer = await dial(port)
        writer.write(b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n[")
        line = await reader.readline()
        assert line.startswith(b"HTTP/1.1 408"), line
        writer.close()
        await still_good(port)
        assert "did not come" in str(collector.status().last_error)

    run("http", {"requestTimeoutMs": 200}, body)


def test_an_endless_head_is_cut_off() -> None:
    async def body(_: Collector, port: int) -> None:
        reader, writer = await dial(port)
        ended = asyncio.create_task(answer(reader))
        writer.write(b"POST /ingest HTTP/1.1\r\n")
        try:
            for n in range(100_000):
                if ended.done():
                    break
                writer.write(b"X-%d: %s\r\n" % (n, b"y" * 1_000))
                await writer.drain()
            else:
                raise AssertionError("100 MB of headers were taken")
        except ConnectionError:
            pass
        await ended
        await still_good(port)

    run("http", {}, body)


def test_more_connections_than_are_taken() -> None:
    async def body(_: Collector, port: int) -> None:
        held = [await dial(port) for _ in range(3)]
        for reader, writer in held:
            writer.write(GOOD)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await dial(port)
        assert await answer(reader) == b""
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        while True:  # the server hears of it a moment later
            reader, writer = await dial(port)
            writer.write(GOOD)
            try:
                if (await reader.readline()).startswith(b"HTTP/1.1 200"):
                    break
            except ConnectionError:
                pass

    run("http", {"maxConnections": 3}, body)


def test_bodies_that_are_on_their_way_are_bounded() -> None:
    async def body(_: Collector, port: int) -> None:
        head = b"POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n["
        _, first = await dial(port)
        first.write(head)
        while True:  # the first is being read a moment later
            reader, writer = await dial(port)
            writer.write(head)
            try:
                async with asyncio.timeout(0.3):
                    line = await reader.readline()
            except TimeoutError:
                first = writer
                continue
            break
        assert line.startswith(b"HTTP/1.1 429"), line

    run("http", {"maxInFlightBytes": 100_000}, body)


def test_garbage_never_ends_the_collector() -> None:
    rng = random.Random(5)

    async def body(_: Collector, port: int) -> None:
        for _ in range(60):
            reader, writer = await dial(port)
            kind = rng.randrange(3)
            data = rng.randbytes(rng.randrange(1, 400))
            if kind == 1:  # a good request with bytes turned
                data = bytearray(GOOD)
                for _ in range(3):
                    data[rng.randrange(len(data))] = rng.randrange(256)
            elif kind == 2:
                data = b"POST /ingest HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data
            writer.write(bytes(data))
            writer.write_eof()
            found = await answer(reader)
            assert b" 500 " not in found.split(b"\r\n")[0], (data, found)
            writer.close()
        await still_good(port)

    log = run("http", {}, body)
    assert all(json.loads(r.value or b"") is not None for r in log.records("t"))


def test_websocket_frames_that_may_not_be() -> None:
    async def body(_: Collector, port: int) -> None:
        url = f"ws://127.0.0.1:{port}/"
        async with connect(url, proxy=None) as socket:
            await socket.send("x" * 2_000)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1009
        async with connect(url, proxy=None) as socket:
            # A text frame that is no UTF-8, by hand: masked with zeros.
            socket.transport.write(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1007
        async with connect(url, proxy=None) as socket:
            await socket.send('{"n":' + "[" * 900)
            assert json.loads(await socket.recv())["code"] == "ingest.event_invalid"
            await socket.send(b"\xc1\x00")
            assert json.loads(await socket.recv())["code"] == "ingest.event_invalid"
            await socket.send('{"id":"a","n":1}')
            assert json.loads(await socket.recv())["ack"] == "a"
        for path in ("/other", "/../"):
            with pytest.raises(InvalidStatus, match="404"):
                async with connect(url.rstrip("/") + path, proxy=None):
                    pass
        # No WebSocket at all.
        reader, writer = await dial(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 426")
        writer.close()

    log = run("websocket", {"maxMessageBytes": 1_000}, body)
    assert len(log.records("t")) == 1
