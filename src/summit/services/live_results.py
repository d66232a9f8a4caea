"""Results of queries as they come, to any number of clients; each bounded, none holds up another.

id: 17                      place in `_summit.results`; a client that comes again names it
event: result               a window that is over; one for each key group that has groups in it
data: {queryId, window, groups, final: true, ...}

event: early                windows as they stand: `final: false`; without an id
event: gap                  results before `{firstKept}` are no longer kept
event: lagged               the client read too slowly and is cut; it may come again
event: removed              the query is no more
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec

from summit.base.clock import Clock
from summit.base.emitter import Payload
from summit.base.errors import Unavailable
from summit.base.limits import (
    FOLLOWER_BATCH_RECORDS,
    FOLLOWER_READY_MS,
    LIVE_CLIENTS_MAX,
    LIVE_EVENTS_MAX,
    LIVE_HEARTBEAT_MS,
)
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.journal.definitions import Definitions
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.result_follower import ResultFollower
from summit.journal.topics import LIVE, RESULTS
from summit.web import HEARTBEAT, event_bytes

_PLACE = TopicPartition(RESULTS.name, 0)
_POLL_MS = 500
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Client:
    """What waits for one client."""

    def __init__(self, query: str, *, early: bool, events_max: int) -> None:
        self.query = query
        self.early = early
        self._events_max = events_max
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self.is_cut = self.is_over = False

    def put(self, event: bytes) -> bool:
        """Add an event; False = there were too many, and the client is cut."""
        if self.is_cut or self.is_over:
            return True
        if len(self._waiting) >= self._events_max:
            self._waiting.clear()
            self.is_cut = True
        else:
            self._waiting.append(event)
        self._news.set()
        return not self.is_cut

    def end(self) -> None:
        self.is_over = True
        self._news.set()

    async def take(self, wait_s: float) -> list[bytes]:
        """All that waits; nothing when nothing comes in time, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        self._news.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class LiveResults:
    """See the module; one loop's.

    Args:
        results: Follows final results, and runs.
        definitions: Knows which queries there are.

    Attributes:
        cut: Clients that were cut because they read too slowly.
    """

    def __init__(
        self, servers: list[str], results: ResultFollower, definitions: Definitions, admin: Admin,
        clock: Clock, *, heartbeat_ms: int = LIVE_HEARTBEAT_MS, events_max: int = LIVE_EVENTS_MAX,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._results = results
        self._definitions = definitions
        self._admin = admin
        self._clock = clock
        self._heartbeat_s = heartbeat_ms / 1000
        self._events_max = events_max
        self._clients: set[_Client] = set()
        self._early: LogFollower | None = None
        self._opening = asyncio.Lock()
        self.cut = 0
        results.on("result", self._take)

    @property
    def clients(self) -> int:
        """How many there are now."""
        return len(self._clients)

    def count_cut(self) -> None:
        """A client was cut because it did not read."""
        self.cut += 1

    def end(self) -> None:
        """End every stream; their clients come again elsewhere, or later."""
        for client in self._clients:
            client.end()

    async def stop(self) -> None:
        """End every stream, and reading. Idempotent."""
        self.end()
        early, self._early = self._early, None
        if early is not None:
            await early.stop()

    async def open(
        self, query: str, *, after: int | None, history: int, early: bool
    ) -> AsyncGenerator[bytes, None]:
        """The events of one client.

        Args:
            after: The last place that it has seen: what was told since comes first.
            history: Otherwise, so many of the last windows come first.
            early: Whether it wants windows as they stand, too.
        Raises: Unavailable where there are too many, or the topic cannot be read.
        """
        if len(self._clients) >= LIVE_CLIENTS_MAX:
            reason = f"{LIVE_CLIENTS_MAX} clients watch results already"
            raise Unavailable("service.busy", reason=reason, retry_after_ms=5_000)
        if early:
            await self._follow_early()
        return self._stream(
            _Client(query, early=early, events_max=self._events_max), after, history
        )

    async def _stream(
        self, client: _Client, after: int | None, history: int
    ) -> AsyncGenerator[bytes, None]:
        self._clients.add(client)  # what is told from here on comes by itself
        until = self._results.next_offset
        found = self._results.view.results(client.query, history) if history else []
        try:
            yield b"retry: 2000\n\n"
            if after is not None and after < until:
                async for event in self._missed(client.query, after + 1, until):
                    yield event
            elif history:
                for each in reversed(found):
                    yield event_bytes("result", each, until - 1 if each is found[0] else None)
            while not (client.is_cut or client.is_over):
                events = await client.take(self._heartbeat_s)
                for event in events:
                    yield event
                if self._definitions.log.get("query", client.query) is None:
                    yield event_bytes("removed", {"queryId": client.query})
                    return
                if not events:
                    yield HEARTBEAT
            if client.is_cut:
                yield event_bytes("lagged", {"queryId": client.query})
        finally:
            self._clients.discard(client)

    async def _missed(self, query: str, start: int, until: int) -> AsyncIterator[bytes]:
        """Results from one place to another, read anew, as fast as the client takes them."""
        first, _ = (await self._admin.offsets(RESULTS.name))[0]
        if start < first:
            yield event_bytes("gap", {"queryId": query, "firstKept": first})
        config = ConsumerConfig(
            client_id="summit-live", group_id="_summit-live", bootstrap_servers=self._servers,
            enable_auto_commit=False, auto_offset_reset="earliest",
            isolation_level="read_committed",
        )  # fmt: skip
        at = max(start, first)
        async with StreamConsumer(config, clock=self._clock, tell_ends=True) as consumer:
            await consumer.assign({_PLACE: at})
            while at < until:
                records = await consumer.poll_batch(FOLLOWER_BATCH_RECORDS, _POLL_MS)
                for record in records:
                    if record.offset < until and (result := _of(record, query)) is not None:
                        yield event_bytes("result", result, record.offset)
                    at = record.offset + 1
                at = max(at, consumer.read_to().get(_PLACE, 0))

    async def _follow_early(self) -> None:
        async with self._opening:
            if self._early is not None:
                return
            name = "summit-live-early"
            starts = await tail_starts(self._servers, name, [(LIVE, 0)])
            follower = LogFollower(self._servers, name, self._take_early, clock=self._clock)
            try:
                await follower.start(starts)
                await follower.wait_caught_up(FOLLOWER_READY_MS)
            except BaseException:
                await follower.stop()
                raise
            self._early = follower

    def _take(self, told: Payload) -> None:
        query = told["result"]["queryId"]
        self._put(query, "result", told["result"], told["offset"])

    def _take_early(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            query = (record.key or b"").decode("utf-8", "replace")
            if any(client.query == query and client.early for client in self._clients):
                result = _of(record, query)
                if result is not None:
                    self._put(query, "early", result, None)

    def _put(self, query: str, name: str, result: dict[str, Any], offset: int | None) -> None:
        wanting = [c for c in self._clients if c.query == query and (c.early or name == "result")]
        if not wanting:
            return
        event = event_bytes(name, result, offset)
        for client in wanting:
            if not client.put(event):
                self.count_cut()


def _of(record: ConsumerRecord, query: str) -> dict[str, Any] | None:
    """The result of a record, if it is one of the query's."""
    if record.value is None or record.key != query.encode():
        return None
    try:
        return _decode(record.value)
    except msgspec.MsgspecError:
        return None
