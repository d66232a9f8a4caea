"""Results of queries as they come, to whoever follows them.

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
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from summit.base.clock import Clock
from summit.base.emitter import Payload
from summit.base.limits import FOLLOWER_READY_MS
from summit.client.admin import Admin
from summit.client.types import ConsumerRecord, TopicPartition
from summit.journal.definitions import Definitions
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.result_follower import ResultFollower
from summit.journal.topics import LIVE, RESULTS
from summit.services.reading import records_between
from summit.services.streams import Streams, Subscriber
from summit.web import HEARTBEAT, Event

_PLACE = TopicPartition(RESULTS.name, 0)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class LiveResults:
    """See the module; one loop's.

    Args:
        results: Follows final results, and runs.
        definitions: Knows which queries there are.
        streams: Knows who follows.
    """

    def __init__(
        self, servers: list[str], results: ResultFollower, definitions: Definitions, admin: Admin,
        clock: Clock, streams: Streams,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._results = results
        self._definitions = definitions
        self._admin = admin
        self._clock = clock
        self._streams = streams
        self._clients: dict[Subscriber, tuple[str, bool]] = {}  # which query, and early ones too
        self._early: LogFollower | None = None
        self._opening = asyncio.Lock()
        results.on("result", self._take)

    async def stop(self) -> None:
        """End reading. Idempotent."""
        early, self._early = self._early, None
        if early is not None:
            await early.stop()

    async def open(
        self, query: str, *, after: int | None, history: int, early: bool
    ) -> AsyncGenerator[Event, None]:
        """The events of one client.

        Args:
            after: The last place that it has seen: what was told since comes first.
            history: Otherwise, so many of the last windows come first.
            early: Whether it wants windows as they stand, too.
        Raises: Unavailable where the topic cannot be read.
        """
        if early:
            await self._follow_early()
        return self._stream(query, early, after, history)

    async def _stream(
        self, query: str, early: bool, after: int | None, history: int
    ) -> AsyncGenerator[Event, None]:
        with self._streams.subscribed() as client:
            self._clients[client] = query, early  # what is told from here on comes by itself
            try:
                async with aclosing(self._before(query, after, history)) as before:
                    async for event in before:
                        yield event
                async with aclosing(client.events()) as events:
                    async for event in events:
                        yield event
                        if event is HEARTBEAT and not self._is_known(query):
                            break
                if not self._is_known(query):
                    yield Event.of("removed", {"queryId": query})
            finally:
                del self._clients[client]

    def _is_known(self, query: str) -> bool:
        return self._definitions.log.get("query", query) is not None

    async def _before(
        self, query: str, after: int | None, history: int
    ) -> AsyncGenerator[Event, None]:
        """What comes first: what was missed, or the last windows."""
        until = self._results.next_offset
        if after is None:
            found = self._results.view.results(query, history) if history else []
            for each in reversed(found):
                yield Event.of("result", each, until - 1 if each is found[0] else None)
            return
        first, _ = (await self._admin.offsets(RESULTS.name))[0]
        if after + 1 < first:
            yield Event.of("gap", {"queryId": query, "firstKept": first})
        missed = records_between(self._servers, self._clock, _PLACE, max(after + 1, first), until)
        async with aclosing(missed) as records:
            async for record in records:
                if (result := _of(record, query)) is not None:
                    yield Event.of("result", result, record.offset)

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
            if (query, True) in self._clients.values():
                result = _of(record, query)
                if result is not None:
                    self._put(query, "early", result, None)

    def _put(self, query: str, name: str, result: dict[str, Any], offset: int | None) -> None:
        wanting = [
            client
            for client, (of, early) in self._clients.items()
            if of == query and (early or name == "result")
        ]
        if not wanting:
            return
        event = Event.of(name, result, offset)
        for client in wanting:
            client.put(event)


def _of(record: ConsumerRecord, query: str) -> dict[str, Any] | None:
    """The result of a record, if it is one of the query's."""
    if record.value is None or record.key != query.encode():
        return None
    try:
        return _decode(record.value)
    except msgspec.MsgspecError:
        return None
