"""Server-sent events: what goes over the wire, and how a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from summit.web import HEARTBEAT, Event, EventStream

GET = {"type": "http", "method": "GET"}


class Wire:
    """A server's side of one request.

    Args:
        reads: How many bodies the client takes; then it stops reading.
    """

    def __init__(self, reads: int = 1_000) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self._reads = reads

    async def send(self, message: Any) -> None:
        if len(self.bodies) >= self._reads:
            await asyncio.Event().wait()
        self.sent.append(message)

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def bodies(self) -> list[bytes]:
        return [m["body"] for m in self.sent if m["type"] == "http.response.body"]


class Events:
    """Events without end, or so many; knows whether it was closed."""

    def __init__(self, count: int | None = None) -> None:
        self.is_closed = False
        self._count = count

    async def stream(self) -> AsyncGenerator[Event, None]:
        number = 0
        try:
            while number != self._count:
                yield Event.of("n", {"n": number}, number)
                number += 1
                await asyncio.sleep(0)
        finally:
            self.is_closed = True


def answer(wire: Wire, events: Events, stall_ms: int = 30_000, method: str = "GET") -> int:
    """Answers a request; how often the client stalled."""
    stalls: list[bool] = []

    async def run() -> None:
        async with asyncio.timeout(30):
            stream = EventStream(
                events.stream(), stall_ms=stall_ms, stalled=lambda: stalls.append(True)
            )
            await stream({**GET, "method": method}, wire.receive, wire.send)

    asyncio.run(run())
    return len(stalls)


def test_an_event_has_an_id_where_it_has_a_place() -> None:
    assert Event.of("early", {"a": float("nan")}).sse() == b'event: early\ndata: {"a":null}\n\n'
    assert Event.of("n", "x\ny", 3).sse() == b'id: 3\nevent: n\ndata: "x\\ny"\n\n'
    assert HEARTBEAT.sse() == b": heartbeat\n\n"
    assert HEARTBEAT.message() == b'{"event":"heartbeat","data":{}}'


def test_a_stream_that_is_over_ends_the_answer() -> None:
    wire, events = Wire(), Events(2)
    answer(wire, events)
    start = wire.sent[0]
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (
        200, b"text/event-stream; charset=utf-8",
    )  # fmt: skip
    assert headers[b"cache-control"] == b"no-store"
    assert b"content-length" not in headers
    events_sent = [Event.of("n", {"n": n}, n).sse() for n in range(2)]
    assert wire.bodies == [b"retry: 2000\n\n", *events_sent, b""]
    assert events.is_closed


def test_a_client_that_goes_or_does_not_read_ends_the_stream() -> None:
    gone, events = Wire(), Events()
    gone.gone.set()
    assert answer(gone, events) == 0
    assert events.is_closed
    stuck, events = Wire(reads=3), Events()
    assert answer(stuck, events, stall_ms=50) == 1
    assert len(stuck.bodies) == 3
    assert events.is_closed


def test_head_has_no_events() -> None:
    wire = Wire()
    answer(wire, Events(), method="HEAD")
    assert wire.bodies == [b""]
