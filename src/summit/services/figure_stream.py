"""Figures as a stream: the same as a route answers, again and again; a slow client misses some.

event: stats                every `interval`, or later where the client has not taken the last one
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

import msgspec

from summit.base.errors import Unavailable
from summit.services.node import Node
from summit.services.streams import STREAM_TEXT
from summit.web import HEARTBEAT, Event, Operation, Request, Response, Routes


class Pace(msgspec.Struct, frozen=True, rename="camel"):
    """How often."""

    interval_ms: Annotated[int, msgspec.Meta(ge=500, le=60_000)] = 2_000


def add_figure_stream(
    routes: Routes, node: Node, path: str, read: Callable[[], Awaitable[Any]], tag: str
) -> None:
    """Add a route that tells what `read` gives, each time anew: nothing is kept for anybody."""

    async def events(interval_s: float) -> AsyncGenerator[Event, None]:
        while True:
            try:
                yield Event.of("stats", await read())
            except Unavailable:  # the broker is away: figures come when it is back
                yield HEARTBEAT
            if not await node.streams.pause(interval_s):
                return

    async def follow(request: Request) -> Response:
        pace = request.query_as(Pace)
        return node.streams.answer(request, events(pace.interval_ms / 1000))

    routes.get(
        path, follow,
        Operation("Follow the figures", tag, STREAM_TEXT, query=Pace, media=("text/event-stream",)),
    )  # fmt: skip
