"""Streams of a process: who follows what, so many at most, each with so much that waits for it.

A client that reads too slowly is cut with a `lagged` event and counted; it comes again with the id
of the last event that it has seen, and what it missed is read from the log. None holds up another.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import msgspec

from summit.base.errors import Unavailable
from summit.base.limits import (
    HTTP_STALL_MS,
    LIVE_BYTES_MAX,
    LIVE_CLIENTS_MAX,
    LIVE_CLIENTS_PER_SENDER_MAX,
    LIVE_EVENTS_MAX,
    LIVE_HEARTBEAT_MS,
)
from summit.services.permission import sender_of
from summit.web import HEARTBEAT, Event, EventStream, Request, Response

LAST_EVENT_ID = {"Last-Event-ID": "Goes on behind this event; before the parameter `cursor`."}
STREAM_TEXT = (
    "Server-sent events without an end; a WebSocket where the request is its handshake: each"
    ' message is `{"event", "id", "data"}`. A comment (or the event `heartbeat`) comes where'
    " nothing else does. Who reads too slowly gets `lagged` and is cut: come again with the"
    " last id."
)
StreamCursor = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=4_096,
        description="The id of the last event that was seen; goes on behind it.",
    ),
]  # fmt: skip


class Subscriber:
    """What waits for one client of events that come by themselves."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self.is_cut = self.is_over = False

    def put(self, event: Event) -> None:
        """Add an event; where there are too many, the client is cut."""
        if self.is_cut or self.is_over:
            return
        self._bytes += len(event.data)
        full = len(self._waiting) >= self._streams.events_max
        if self._waiting and (full or self._bytes > self._streams.bytes_max):
            self._waiting.clear()
            self.is_cut = True
            self._streams.count_cut()
        else:
            self._waiting.append(event)
        self._news.set()

    def end(self) -> None:
        """The service ends."""
        self.is_over = True
        self._news.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        """What comes, a heartbeat where nothing does, `lagged` at the end of who is too slow."""
        while not (self.is_cut or self.is_over):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._streams.heartbeat_s):
                    await self._news.wait()
            self._news.clear()
            taken, self._waiting, self._bytes = self._waiting, deque(), 0
            for event in taken:
                yield event
            if not taken:
                yield HEARTBEAT
        if self.is_cut:
            yield Event.of("lagged", {"reason": "it was not read fast enough"})


class Streams:
    """See the module; one loop's.

    Attributes:
        cut: Clients that were cut because they read too slowly.
        ending: Set when the service ends.
    """

    def __init__(
        self, *, heartbeat_ms: int = LIVE_HEARTBEAT_MS, events_max: int = LIVE_EVENTS_MAX,
        bytes_max: int = LIVE_BYTES_MAX, clients_max: int = LIVE_CLIENTS_MAX,
        per_sender_max: int = LIVE_CLIENTS_PER_SENDER_MAX, stall_ms: int = HTTP_STALL_MS,
    ) -> None:  # fmt: skip
        self.heartbeat_s = heartbeat_ms / 1000
        self.events_max = events_max
        self.stall_ms = stall_ms
        self.bytes_max = bytes_max
        self.clients_max = clients_max
        self.per_sender_max = per_sender_max
        self._senders: Counter[str] = Counter()
        self._subscribers: set[Subscriber] = set()
        self.cut = 0
        self.ending = asyncio.Event()

    @property
    def clients(self) -> int:
        """How many there are now."""
        return self._senders.total()

    def count_cut(self) -> None:
        """A client was cut because it did not read."""
        self.cut += 1

    def end(self) -> None:
        """End every stream; their clients come again elsewhere, or later."""
        self.ending.set()
        for subscriber in self._subscribers:
            subscriber.end()

    def answer(self, request: Request, events: AsyncGenerator[Event, None]) -> Response:
        """The answer that sends these events. Raises Unavailable where there are too many."""
        sender = sender_of(request)
        self._check(sender)
        return EventStream(
            self._admitted(sender, events), stall_ms=self.stall_ms, stalled=self.count_cut
        )

    @contextmanager
    def subscribed(self) -> Iterator[Subscriber]:
        """Somebody for whom events wait, as long as the block runs."""
        subscriber = Subscriber(self)
        self._subscribers.add(subscriber)
        if self.ending.is_set():
            subscriber.end()
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    async def pause(self, seconds: float) -> bool:
        """Wait; False = the service ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ending.wait()
        return not self.ending.is_set()

    def _check(self, sender: str | None) -> None:
        if self.clients >= self.clients_max:
            reason = f"{self.clients_max} clients follow streams already"
            raise Unavailable("service.busy", reason=reason, retry_after_ms=5_000)
        if sender is not None and self._senders[sender] >= self.per_sender_max:
            reason = f"{sender} follows {self.per_sender_max} streams already"
            raise Unavailable("service.busy", reason=reason, retry_after_ms=5_000)

    async def _admitted(
        self, sender: str | None, events: AsyncGenerator[Event, None]
    ) -> AsyncGenerator[Event, None]:
        if self.clients >= self.clients_max:  # others began between the look and now
            yield Event.of("lagged", {"reason": "too many clients follow streams"})
            return
        name = sender or ""
        self._senders[name] += 1
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()
            self._senders[name] -= 1
            if not self._senders[name]:
                del self._senders[name]


def cursor_text(request: Request) -> str:
    """The last id that a client names, by header or parameter; empty where it names none."""
    text = request.headers.get("last-event-id", "").strip()
    return text or getattr(request.query, "cursor", None) or ""


def cursor_of(request: Request, parse: Callable[[str], int | None]) -> int | None:
    """Where a client goes on; None where it names nothing of ours."""
    return parse(cursor_text(request))


def place_of(text: str) -> int | None:
    """An id that is one offset; None where it is none of ours.

    >>> place_of("17"), place_of("x"), place_of("")
    (17, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
