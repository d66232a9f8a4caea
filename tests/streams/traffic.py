"""Events that are sent while apps run, and reading what these have written."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

from tests.flow.world import read_topic

from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig
from summit.client.topics import TopicConfig

T0 = 1_700_000_000_000
Event = dict[str, Any]
# An hour later: nothing is open any more.
LAST: Event = {"id": -1, "key": "", "at": T0 + 3_600_000, "skip": True, "v": 0}


class Events:
    """Events without end, with times that mostly grow."""

    def __init__(self, rand: random.Random) -> None:
        self._rand = rand
        self._at = T0
        self._count = 0

    def some(self, most: int) -> Iterator[Event]:
        rand = self._rand
        for _ in range(rand.randint(0, most)):
            self._at += rand.choice((0, 0, 1, 2))
            self._count += 1
            yield {
                "id": self._count,
                "key": f"k{rand.randint(0, 20)}",
                "at": self._at - rand.choice((0, 0, 0, 5)),
                "v": rand.randint(-9, 9),
                "skip": rand.random() < 0.2,
            }


class Traffic:
    """Writes events to a topic, by partition, with times that mostly grow.

    Attributes:
        sent: By partition, in the order of the log.
    """

    def __init__(self, servers: list[str], seed: int, topic: str, partitions: int) -> None:
        self._servers = servers
        self._events = Events(random.Random(f"{seed} {topic}"))
        self.topic = topic
        self.sent: dict[int, list[Event]] = {number: [] for number in range(partitions)}
        self._producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})
        self._done = False

    async def start(self) -> None:
        async with Admin({"bootstrapServers": self._servers}) as admin:
            await admin.create_if_missing(TopicConfig(name=self.topic, partitions=len(self.sent)))
        await self._producer.connect()
        self._work = asyncio.ensure_future(self._send_on())

    async def finish(self) -> None:
        """Send no more; the last records say that an hour has passed."""
        self._done = True
        await self._work
        await self._write({n: [LAST] for n in self.sent})
        await self._producer.close()

    async def _send_on(self) -> None:
        while not self._done:
            await self._write({n: list(self._events.some(60)) for n in self.sent})
            # Ever slower: on a slow machine the kills take long, and all this is read once more.
            await asyncio.sleep(0.02 * (1 + sum(map(len, self.sent.values())) / 10_000))

    async def _write(self, batch: dict[int, list[Event]]) -> None:
        for partition, events in batch.items():
            self.sent[partition] += events
        await self._producer.send_batch(
            [
                {"topic": self.topic, "partition": p, "key": e["key"], "value": json.dumps(e)}
                for p, events in batch.items()
                for e in events
            ]
        )


async def wait_for(servers: list[str], topic: str, count: int) -> None:
    """Wait until so many committed records are there."""
    await read_topic(servers, topic, count, isolationLevel="read_committed")


async def outputs(servers: list[str], topic: str) -> list[Event]:
    """The values of all committed records of a topic."""
    config = AdminConfig(bootstrap_servers=servers)
    found: list[Event] = []
    async with Admin(config) as admin, LogReader(config, committed=True) as reader:
        for partition, (first, end) in (await admin.offsets(topic, committed=True)).items():
            async for records in reader.read(topic, partition, first, end):
                found += [json.loads(record.value or b"null") for record in records]
    return found
