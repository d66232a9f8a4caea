"""Live brokers for the tests of this folder, and clients that are closed at the end.

A test that takes `world` runs twice: on the embedded broker, and on a real cluster of three.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from summit.base.emitter import Payload
from summit.broker import BrokerSettings, BrokerThread
from summit.client import Admin, LogReader, StreamConsumer, StreamProducer, TopicConfig

_serial = itertools.count()
_run = uuid4().hex[:6]  # names that no other process of this run has


class World:
    """A broker or a cluster, and what a test needs to talk to it.

    Args:
        broker: The embedded broker, None where it is a cluster.
        address: The addresses of the cluster.
        brokers: How many brokers there are.
    """

    def __init__(
        self, broker: BrokerThread | None = None, *, address: str = "", brokers: int = 1
    ) -> None:
        self.broker = broker
        self.brokers = brokers
        self._address = address

    @property
    def address(self) -> str:
        return self._address if self.broker is None else f"127.0.0.1:{self.broker.port}"

    async def topic(self, partitions: int = 1) -> str:
        """A fresh topic, which no rule reads; its name holds dashes, as the guide's."""
        name = f"_client-events-{_run}-{next(_serial)}"
        async with self.admin() as admin:
            await admin.create_topic(TopicConfig(name=name, partitions=partitions))
        return name

    def group(self) -> str:
        return f"_client-group-{_run}-{next(_serial)}"

    def admin(self) -> Admin:
        return Admin({"bootstrapServers": self.address})

    def reader(self) -> LogReader:
        return LogReader({"bootstrapServers": self.address})

    def producer(self, **config: Any) -> StreamProducer:
        """Not idempotent unless asked: librdkafka takes half a second to get a producer id."""
        defaults = {"bootstrapServers": self.address, "lingerMs": 0, "idempotence": False}
        return StreamProducer(defaults | config)

    def consumer(self, group: str | None = None, **config: Any) -> StreamConsumer:
        return StreamConsumer(
            {
                "groupId": group or self.group(),
                "bootstrapServers": self.address,
                "autoOffsetReset": "earliest",
                "heartbeatIntervalMs": 100,
                "handlerBackoffMs": 1,
                "metadataMaxAgeMs": 200,
                "fetchMaxWaitMs": 50,  # a seek waits for the end of the fetch before it
                **config,
            }
        )

    @asynccontextmanager
    async def reading(
        self, topics: Any, group: str | None = None, **config: Any
    ) -> AsyncIterator[StreamConsumer]:
        """A connected and subscribed consumer."""
        async with self.consumer(group, **config) as consumer:
            await consumer.subscribe(topics)
            yield consumer


class Heard:
    """Collects the events of an emitter."""

    def __init__(self, emitter: Any, *names: str) -> None:
        self.events: list[tuple[str, Payload]] = []
        for name in names:
            emitter.on(name, lambda payload, name=name: self.events.append((name, payload)))

    def of(self, name: str) -> list[Payload]:
        return [payload for known, payload in self.events if known == name]


async def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)


async def poll_all(consumer: StreamConsumer, count: int, timeout_s: float = 10) -> list[Any]:
    """Poll until `count` records came."""
    found: list[Any] = []
    async with asyncio.timeout(timeout_s):
        while len(found) < count:
            found += await consumer.poll(200)
    return found


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An embedded broker; topics are not made by asking for them."""
    settings = BrokerSettings(
        port=0,
        data_dir=str(tmp_path_factory.mktemp("broker")),
        durability="os",
        group_min_session_timeout_ms=100,
    )
    thread = BrokerThread(settings)
    thread.start()
    yield World(thread)
    thread.stop()


@pytest.fixture(params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the two back ends, shared by the tests of this folder."""
    if request.param == "embedded":
        found: World = request.getfixturevalue("embedded")
        return found
    return World(address=request.getfixturevalue("kafka_cluster"), brokers=3)
