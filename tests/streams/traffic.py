"""Events that are sent while apps run, and what an independent reading of them finds."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from typing import Any

from tests.flow.world import read_topic
from tests.streams.apps import BUCKET_MS

from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig

T0 = 1_700_000_000_000
END = T0 + 3_600_000  # an hour later: nothing is open any more
Event = dict[str, Any]


class Traffic:
    """Writes events to a topic, by partition, with times that mostly grow.

    Attributes:
        sent: By partition, in the order of the log.
    """

    def __init__(
        self, servers: list[str], seed: int, topic: str = "clicks", partitions: int = 2
    ) -> None:
        self._servers = servers
        self._rand = random.Random(f"{seed} {topic}")
        self.topic = topic
        self.sent: dict[int, list[Event]] = {number: [] for number in range(partitions)}
        self._producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})
        self._done = False
        self._at = T0

    async def start(self) -> None:
        async with Admin({"bootstrapServers": self._servers}) as admin:
            await admin.create_if_missing(TopicConfig(name=self.topic, partitions=len(self.sent)))
        await self._producer.connect()
        self._work = asyncio.ensure_future(self._send_on())

    async def finish(self) -> None:
        """Send no more; the last records say that an hour has passed."""
        self._done = True
        await self._work
        await self._write({n: [{"id": -1, "key": "", "at": END, "skip": True}] for n in self.sent})
        await self._producer.close()

    async def _send_on(self) -> None:
        rand, count = self._rand, 0
        while not self._done:
            batch: dict[int, list[Event]] = {}
            for partition in self.sent:
                batch[partition] = []
                for _ in range(rand.randint(0, 60)):
                    self._at += rand.choice((0, 0, 1, 2))
                    count += 1
                    event = {
                        "id": count,
                        "key": f"k{rand.randint(0, 20)}",
                        "at": self._at - rand.choice((0, 0, 0, 5)),
                        "v": rand.randint(-9, 9),
                        "skip": rand.random() < 0.2,
                    }
                    batch[partition].append(event)
            await self._write(batch)
            await asyncio.sleep(0.01)

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

    def in_time(self) -> list[Event]:
        """Events that are not late in their own partition, the skipped and the last left out."""
        found = []
        for events in self.sent.values():
            reached = 0
            for event in events:
                if event["at"] >= reached and not event["skip"]:
                    found.append(event)
                reached = max(reached, event["at"])
        return found

    def all(self) -> list[Event]:
        """All events, the skipped left out."""
        return [e for events in self.sent.values() for e in events if not e["skip"]]


def buckets(events: list[Event]) -> dict[tuple[str, int], int]:
    """How many events of a key lie in each stretch of event time, by key and its end."""
    return Counter((e["key"], e["at"] - e["at"] % BUCKET_MS + BUCKET_MS) for e in events)


async def outputs(servers: list[str], topic: str, count: int) -> list[Event]:
    """The values of a topic's committed records, once there are so many, and whatever follows."""
    found = await read_topic(servers, topic, count, isolationLevel="read_committed")
    return [json.loads(record.value or b"null") for record in found]


def check_numbered(found: list[Event], traffic: Traffic) -> None:
    """Every event once, the numbers of a key without gap or double, every bucket once."""
    numbers: dict[str, list[int]] = defaultdict(list)
    ids: Counter[int] = Counter()
    counted: dict[tuple[str, int], int] = {}
    for one in found:
        if "n" in one:
            ids[one["id"]] += 1
            numbers[one["key"]].append(one["n"])
        else:
            assert (one["key"], one["until"]) not in counted
            counted[one["key"], one["until"]] = one["count"]
    assert ids == Counter(event["id"] for event in traffic.all())
    assert all(sorted(them) == list(range(1, len(them) + 1)) for them in numbers.values())
    assert counted == buckets(traffic.in_time())


def expected_count(traffic: Traffic) -> int:
    return len(traffic.all()) + len(buckets(traffic.in_time()))
