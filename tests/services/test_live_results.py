"""Results as they come: heartbeats, coming again, slow clients, the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from summit.base.clock import SystemClock
from summit.base.errors import Unavailable
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.journal.definitions import Definitions
from summit.journal.result_follower import ResultFollower
from summit.journal.topics import LIVE_TOPIC, RESULTS_TOPIC
from summit.services import live_results
from summit.services.live_results import LiveResults
from summit.stream_processing import EmbeddedBroker
from summit.web import HEARTBEAT

QUERY = {
    "kind": "query", "id": "q", "window": {"type": "tumbling", "size": "1m"},
    "metrics": [{"name": "n", "function": "count"}],
}  # fmt: skip


class Scene:
    """A broker, a query, and who writes its results."""

    def __init__(self, servers: list[str], live: LiveResults, definitions: Definitions) -> None:
        self.live = live
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

    async def open(self, **asked: Any) -> AsyncIterator[bytes]:
        events = await self.live.open("q", **{"after": None, "history": 0, "early": True, **asked})
        assert (await anext(events)).startswith(b"retry: ")
        return events


@asynccontextmanager
async def scene(**settings: Any) -> AsyncIterator[Scene]:
    broker = EmbeddedBroker.in_memory()
    await asyncio.to_thread(broker.start)
    servers, clock = [broker.address], SystemClock()
    definitions, results = Definitions(servers), ResultFollower(servers)
    admin = Admin({"bootstrapServers": servers})
    await asyncio.gather(definitions.start(), results.start(), admin.connect())
    live = LiveResults(servers, results, definitions, admin, clock, **settings)
    made = Scene(servers, live, definitions)
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


def numbers(events: list[bytes]) -> list[tuple[str, int | None, int]]:
    """Name, id and value of events."""
    found = []
    for event in events:
        fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
        data = msgspec.json.decode(fields["data"])
        event_id = int(fields["id"]) if "id" in fields else None
        found.append((fields["event"], event_id, data["groups"][0]["metrics"]["n"]))
    return found


async def take(events: AsyncIterator[bytes], count: int) -> list[bytes]:
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
            assert s.live.clients == 0
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
            assert rest[-1].startswith(b"event: removed\n")
            await s.definitions.publish(QUERY)
            events = await s.open()
            waiting = asyncio.ensure_future(anext(events, None))
            await asyncio.sleep(0)
            s.live.end()
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
            assert s.live.cut == 1
            async with asyncio.timeout(30):
                left = [event async for event in slow]
            assert [event.split(b"\n")[0] for event in left] == [b"event: lagged"]
            again = await s.open(after=3)
            assert [place for _, place, _ in numbers(await take(again, 4))] == [4, 5, 6, 7]

    asyncio.run(run())


def test_there_are_so_many_clients_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_results, "LIVE_CLIENTS_MAX", 1)

    async def run() -> None:
        async with scene() as s:
            await s.open()
            with pytest.raises(Unavailable, match="1 clients watch"):
                await s.live.open("q", after=None, history=0, early=False)

    asyncio.run(run())
