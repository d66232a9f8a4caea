"""Results as they come: heartbeats, coming again, slow clients, the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from summit.base.clock import SystemClock
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.journal.definitions import Definitions
from summit.journal.result_follower import ResultFollower
from summit.journal.topics import LIVE_TOPIC, RESULTS_TOPIC
from summit.services.live_results import LiveResults
from summit.services.streams import Streams
from summit.stream_processing import EmbeddedBroker
from summit.web import HEARTBEAT, Event

QUERY = {
    "kind": "query", "id": "q", "window": {"type": "tumbling", "size": "1m"},
    "metrics": [{"name": "n", "function": "count"}],
}  # fmt: skip


class Scene:
    """A broker, a query, and who writes its results."""

    def __init__(
        self, servers: list[str], live: LiveResults, definitions: Definitions, streams: Streams
    ) -> None:
        self.live = live
        self.streams = streams
        self.definitions = definitions
        self._producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})

    async def tell(self, *numbers: int, query: str = "q", final: bool = True) -> None:
        topic = RESULTS_TOPIC if final else LIVE_TOPIC
        for number in numbers:
            result = {
                "queryId": query, "timestamp": number + 1, "final": final, "late": False,
                "partial": False, "window": {"start": number, "end": number + 1},
                "groups": [{"keys": {}, "metrics": {"n": number}, "count": number}],
            }  # fmt: skip
            await self._producer.send(
                {"topic": topic, "key": query, "value": msgspec.json.encode(result)}
            )

    async def open(self, **asked: Any) -> AsyncIterator[Event]:
        asked = {"after": None, "history": 0, "early": True, **asked}
        stream = await self.live.open("q", **asked)
        first = asyncio.ensure_future(anext(stream))  # from here on it hears what is told
        await asyncio.sleep(0)

        async def events() -> AsyncIterator[Event]:
            try:
                with suppress(StopAsyncIteration):
                    yield await first
                async for event in stream:
                    yield event
            finally:
                first.cancel()
                await stream.aclose()

        return events()


@asynccontextmanager
async def scene(**settings: Any) -> AsyncIterator[Scene]:
    broker = EmbeddedBroker.in_memory()
    await asyncio.to_thread(broker.start)
    servers, clock = [broker.address], SystemClock()
    definitions, results = Definitions(servers), ResultFollower(servers)
    admin = Admin({"bootstrapServers": servers})
    await asyncio.gather(definitions.start(), results.start(), admin.connect())
    streams = Streams(**settings)
    live = LiveResults(servers, results, definitions, admin, clock, streams)
    made = Scene(servers, live, definitions, streams)
    await made._producer.connect()
    await definitions.publish(QUERY)
    try:
        yield made
    finally:
        await live.stop()
        await made._producer.close()
        await asyncio.gather(definitions.stop(), results.stop())
        await admin.close()
        await asyncio.to_thread(broker.stop)


def numbers(events: list[Event]) -> list[tuple[str, int | None, int]]:
    """Name, id and value of events."""
    found = []
    for event in events:
        data = msgspec.json.decode(event.data)
        event_id = None if event.id is None else int(event.id)
        found.append((event.name, event_id, data["groups"][0]["metrics"]["n"]))
    return found


async def take(events: AsyncIterator[Event], count: int) -> list[Event]:
    async with asyncio.timeout(30):
        return [await anext(events) for _ in range(count)]


def test_a_client_gets_what_is_over_what_is_not_and_comes_again_without_a_gap() -> None:
    async def run() -> None:
        async with scene() as s:
            events = await s.open()
            await s.tell(1)
            await s.tell(5, query="other")
            await s.tell(2, final=False)
            # Two topics: their order to one another is nobody's.
            assert sorted(numbers(await take(events, 2))) == [("early", None, 2), ("result", 0, 1)]
            await events.aclose()  # type: ignore[attr-defined]
            await s.tell(3, 4)
            again = await s.open(after=0)
            assert numbers(await take(again, 2)) == [("result", 2, 3), ("result", 3, 4)]
            await s.tell(6)
            assert numbers(await take(again, 1)) == [("result", 4, 6)]
            first = await s.open(history=2, early=False)
            assert numbers(await take(first, 2)) == [("result", None, 4), ("result", 4, 6)]

    asyncio.run(run())


def test_silence_has_a_heartbeat_and_the_end_of_the_query_and_of_the_service_are_told() -> None:
    async def run() -> None:
        async with scene(heartbeat_ms=50) as s:
            events = await s.open()
            assert await take(events, 2) == [HEARTBEAT] * 2
            await s.definitions.delete("query", "q")
            async with asyncio.timeout(30):
                rest = [event async for event in events]
            assert rest[-1].name == "removed"
            await s.definitions.publish(QUERY)
            events = await s.open()
            waiting = asyncio.ensure_future(anext(events, None))
            await asyncio.sleep(0)
            s.streams.end()
            async with asyncio.timeout(30):
                await waiting
                assert [event async for event in events if event != HEARTBEAT] == []

    asyncio.run(run())


def test_a_client_that_does_not_read_is_cut_and_counted_and_others_are_not() -> None:
    async def run() -> None:
        async with scene(events_max=4) as s:
            slow, quick = await s.open(), await s.open()
            for number in range(8):
                await s.tell(number)
                assert numbers(await take(quick, 1)) == [("result", number, number)]
            assert s.streams.cut == 1
            async with asyncio.timeout(30):
                left = [event async for event in slow]
            assert [event.name for event in left] == ["result", "lagged"]  # one was under way
            again = await s.open(after=3)
            assert [place for _, place, _ in numbers(await take(again, 4))] == [4, 5, 6, 7]

    asyncio.run(run())
