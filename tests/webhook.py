"""A webhook on loopback, for tests: keeps what it was sent, answers what it is told to."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Self


class Request(NamedTuple):
    """What came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Webhook:
    """`async with Webhook([503, 200]) as hook`: one status after the other, the last for ever."""

    def __init__(self, statuses: list[int] | None = None) -> None:
        self._statuses = statuses or [200]
        self.requests: list[Request] = []
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def wait(self, count: int, timeout_s: float = 30.0) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        number = min(len(self.requests), len(self._statuses) - 1)
        self.requests.append(Request(method, path, headers, body))
        self._arrived.set()
        status = self._statuses[number]
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()
