"""A service on loopback that answers as it is told to, and notes what it was asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """Knows `rows` by the parameter `ip`; `faults` are used up first, one a request.

    Attributes:
        asked: (method, path with query, headers, body) of each request.
        at_once: The most requests that were under way at the same time.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.faults: deque[Answering] = deque()
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.delay_s = 0.0
        self.at_once = 0
        self.url = ""
        self._under_way = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        try:
            body = await request.read()
            self.asked.append((request.method, request.raw_path, dict(request.headers), body))
            await asyncio.sleep(self.delay_s)
            if self.faults:
                return await self.faults.popleft()(request)
            row = self.rows.get(request.query.get("ip", ""))
            if row is None:
                return web.Response(status=404)
            return web.json_response(row)
        finally:
            self._under_way -= 1


def status(code: int, **headers: str) -> Answering:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers)

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


def text(body: str) -> Answering:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    return answer


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_route("*", r"/{path:[\s\S]*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/lookup"
    try:
        yield made
    finally:
        await runner.cleanup()
