"""What every type of collectors must do whose senders get no answer: a row per type. Those that
answer are in `test_battery.py`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.database.reading import make_broker
from tests.ingest.mosquitto import Mosquitto
from tests.ingest.sources import SOURCES, Servers, Source

from summit.base.errors import Conflict
from summit.ingest import Collector

pytestmark = pytest.mark.timeout(120)

Body = Callable[[Collector], Awaitable[Any]]
HOLDING = [row for row in SOURCES if row.holds]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    broker = make_broker(tmp_path_factory.mktemp("broker"))
    mosquitto = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    mosquitto.start()
    found = Servers(broker, mosquitto, tmp_path_factory.mktemp("mariadb"))
    yield found
    found.stop()


@pytest.fixture(params=SOURCES, ids=lambda row: row.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> Source:
    name = f"{request.param.__name__}.{request.node.originalname}".lower()
    made: Source = request.param(tmp_path, servers, name)
    return made


def run(source: Source, body: Body, **changes: Any) -> Collector:
    async def go() -> Collector:
        collector = source.make(**changes)
        try:
            await source.start(collector)
            async with asyncio.timeout(100):
                await body(collector)
        finally:
            source.log.hold = False
            source.log.release()
            await collector.stop()
            await source.close()
        return collector

    return asyncio.run(go())


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # bounded by the time-out of `run`
        await asyncio.sleep(0.01)


async def values(source: Source, topic: str = "") -> list[Any]:
    return sorted(map(source.value_of, await source.events(topic)))


def test_life_and_status(source: Source) -> None:
    async def body(collector: Collector) -> None:
        with pytest.raises(Conflict):
            await collector.start(source.log)
        await source.add(1, 2)
        await until(lambda: collector.status().accepted == 2)
        await collector.stop()
        await collector.stop()
        assert collector.state == "stopped"
        if source.keeps:
            await source.add(3)  # while it is away
        await source.start(collector)
        if not source.keeps:
            await source.add(3)
        await until(lambda: collector.status().accepted == 3)
        await collector.restart()
        await source.add(4)
        await until(lambda: collector.status().accepted == 4)
        status = collector.status()
        assert (status.state, status.rejected, status.topic) == ("running", 0, source.name)
        assert status.bytes > 0
        assert status.rates["acceptedPerSec"] > 0
        assert status.started_at is not None
        assert status.guarantee in source.guarantees
        assert await values(source) == [1, 2, 3, 4]

    run(source, body)


def test_pause_and_resume(source: Source) -> None:
    async def body(collector: Collector) -> None:
        assert collector.state == "paused"  # it is started so
        await collector.resume()
        await source.add(1)
        await until(lambda: collector.status().accepted == 1)
        await collector.pause()
        await asyncio.sleep(0.1)  # a reading that was under way comes to its end
        await source.add(2)
        await asyncio.sleep(0.2)
        assert collector.status().accepted == 1
        assert await values(source) == [1]
        await collector.resume()
        await until(lambda: collector.status().accepted == 2)
        assert await values(source) == [1, 2]

    run(source, body, paused=True)


def test_the_schema_and_the_dead_letters(source: Source) -> None:
    async def body(collector: Collector) -> None:
        await source.add(1, "x", 2)
        await until(lambda: collector.status().accepted + collector.status().dead_letters == 3)
        assert await values(source) == [1, 2]
        (letter,) = await source.events(f"{source.name}.dlq")
        assert letter["error"]["code"] == "ingest.schema_refused"
        assert source.value_of(json.loads(base64.b64decode(letter["originalValue"]))) == "x"
        status = collector.status()
        assert (status.accepted, status.rejected, status.dead_letters) == (2, 1, 1)
        assert "schema" in str(status.last_error)

    run(source, body, eventSchema=source.schema, onInvalid="deadLetter")


def test_sampling(source: Source) -> None:
    async def body(collector: Collector) -> None:
        await source.add(*range(200))
        await until(lambda: collector.status().accepted + collector.status().sampled == 200)
        assert 60 < collector.status().sampled < 140
        assert len(await values(source)) == collector.status().accepted

    run(source, body, sampleRate=0.5)


def test_the_rate(source: Source) -> None:
    async def body(collector: Collector) -> None:
        began = asyncio.get_running_loop().time()
        await source.add(*range(9))  # together they may pass, and are made good by the next one
        await until(lambda: collector.status().accepted == 9)
        await source.add(9)
        await until(lambda: collector.status().accepted == 10)
        assert asyncio.get_running_loop().time() - began > 0.3

    run(source, body, rateLimit=20, rateBurst=2)


def test_keys(source: Source) -> None:
    async def body(collector: Collector) -> None:
        await source.add(7)
        await until(lambda: collector.status().accepted == 1)
        if source.holds:
            assert [record.key for record in source.log.records(source.name)] == [b"k-7"]

    run(source, body, keyTemplate=f"k-${{{source.key_field}}}")


def test_batch_size_and_flush_interval(source: Source) -> None:
    async def body(collector: Collector) -> None:
        loop = asyncio.get_running_loop()
        await source.add(1)
        await source.add(2)
        await source.add(3)
        await until(lambda: collector.status().accepted == 3)  # by the size, before the interval
        began = loop.time()
        await source.add(4)
        await until(lambda: collector.status().accepted == 4)
        if source.holds:
            assert loop.time() - began > 0.5

    run(source, body, batchSize=3, flushInterval=800)


# Of the others transactions are awaited one by one: nothing is ahead of the broker.
@pytest.mark.parametrize("source", HOLDING, ids=lambda row: row.__name__, indirect=True)
def test_a_slow_broker_holds_the_source_up(source: Source, monkeypatch: Any) -> None:
    from summit.ingest.files import lane

    monkeypatch.setattr(lane, "FILE_IN_FLIGHT_RECORDS_MAX", 5)
    monkeypatch.setattr(lane.Window.__init__, "__defaults__", (5, 1_000))
    source.log.hold = True
    kind = source.config()["type"]
    changes: dict[str, Any] = {}
    if not kind.startswith("plugin:"):
        changes[kind] = {**source.config()[kind]}
        if kind != "file":
            changes[kind]["maxInFlightBytes"] = 100

    async def body(collector: Collector) -> None:
        await source.add(*range(30))
        await until(lambda: bool(source.log.held))
        await asyncio.sleep(0.2)
        assert len(source.log.held) <= 30 / 2
        assert collector.status().accepted == 0
        while collector.status().accepted < 30:
            source.log.release()
            await asyncio.sleep(0.01)
        assert await values(source) == list(range(30))
        if "inFlightBytes" in collector.status().details:
            assert collector.status().details["inFlightBytes"] == 0

    run(source, body, **changes)
