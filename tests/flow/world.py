"""A small world around a worker: rules in, events in, alerts out, all through the broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from summit.alerts import Alert, AlertQuery
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord, ProducerResult
from summit.flow.settings import WorkerSettings
from summit.flow.worker import Worker
from summit.journal.alert_follower import AlertFollower
from summit.journal.definitions import Definitions
from summit.journal.topics import WAIT_HEADER

T0 = 1_700_000_000_000


def five_failures(rule_id: str = "brute", **members: Any) -> dict[str, Any]:
    """Five failures of one address within a minute."""
    return {
        "kind": "pattern",
        "id": rule_id,
        "name": "Brute force",
        "groupBy": ["ip"],
        "steps": [{"name": "failed", "where": 'eventType == "failed"', "times": 5}],
        "within": "60s",
        "action": {"type": "alert", "config": {"severity": "high", "title": "From ${ip}"}},
        **members,
    }


def failure(at_s: float, ip: str = "a", **members: Any) -> dict[str, Any]:
    """A failure, `at_s` seconds after the beginning of time."""
    return {"eventType": "failed", "timestamp": T0 + int(at_s * 1000), "ip": ip, **members}


class World:
    """See the module."""

    def __init__(self, servers: list[str]) -> None:
        self.servers = servers
        self.definitions = Definitions(servers)
        self.alerts = AlertFollower(servers)
        self.producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})
        self.workers: list[Worker] = []
        self._made: set[str] = set()

    async def apply(self, *documents: dict[str, Any], active: bool = True) -> int:
        """Publish rules; returns when the worker goes by them."""
        offset = -1
        for document in documents:
            offset = (await self.definitions.publish(document)).definition.offset
        if active and offset >= 0:
            await self.alerts.wait_active(offset, 20_000)
        return offset

    async def send(
        self, *events: Any, topic: str = "auth", partition: int = 0, **record: Any
    ) -> ProducerResult:
        """Write events (dictionaries, or raw values); the place of the last."""
        await self._make(topic)
        results = await self.producer.send_batch(
            [
                {
                    "topic": topic,
                    "partition": partition,
                    "value": json.dumps(e) if isinstance(e, dict) else e,
                    "headers": {WAIT_HEADER: b"1"},
                    **record,
                }
                for e in events
            ]
        )
        return results[-1]

    async def _make(self, topic: str) -> None:
        """Make a topic of two partitions the first time it is written to."""
        if topic not in self._made:
            self._made.add(topic)
            async with Admin({"bootstrapServers": self.servers}) as admin:
                await admin.create_if_missing(TopicConfig(name=topic, partitions=2))

    async def settle(self, place: ProducerResult) -> list[Alert]:
        """Wait until the record's alerts are readable; all alerts, oldest first."""
        await self.alerts.wait_readable(place.topic, place.partition, place.offset, 20_000)
        return self.all_alerts()

    def all_alerts(self) -> list[Alert]:
        return self.alerts.view.query(AlertQuery(limit=10_000)).alerts[::-1]

    def worker(self, **settings: Any) -> Worker:
        """A worker, not started."""
        values: dict[str, Any] = {"topics_refresh_ms": 100, "session_timeout_ms": 2_000}
        worker = Worker(WorkerSettings(bootstrap_servers=self.servers, **{**values, **settings}))
        self.workers.append(worker)
        return worker

    async def start_worker(self, **settings: Any) -> Worker:
        worker = self.worker(**settings)
        await worker.start()
        return worker


@asynccontextmanager
async def world(servers: list[str]) -> AsyncIterator[World]:
    made = World(servers)
    await asyncio.gather(made.definitions.start(), made.alerts.start(), made.producer.connect())
    try:
        yield made
    finally:
        await asyncio.gather(*(worker.stop() for worker in made.workers))
        await made.producer.close()
        await asyncio.gather(made.definitions.stop(), made.alerts.stop())


async def read_topic(
    servers: list[str], topic: str, count: int, **settings: Any
) -> list[ConsumerRecord]:
    """At least the first `count` records of a topic."""
    async with Admin({"bootstrapServers": servers}) as admin:
        partitions = list(await admin.offsets(topic))
    config = {"bootstrapServers": servers, "groupId": "t", "autoOffsetReset": "earliest"}
    async with StreamConsumer({**config, **settings}) as consumer:
        await consumer.assign({(topic, partition): 0 for partition in partitions})
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(90):
            while len(records) < count:
                records += await consumer.poll(500)
        return records


async def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    """Wait until `done()`."""
    async with asyncio.timeout(timeout_s):
        while not done():
            await asyncio.sleep(0.01)
