"""Load on a cluster, and what must hold of it afterwards whatever happened meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from summit.base.errors import SummitError
from summit.client import (
    ClusterAdmin,
    ClusterFigures,
    ClusterObserver,
    ConsumerRecord,
    LogReader,
    StreamProducer,
)

PARTITIONS = 3


async def read_all(
    servers: str, topic: str, partition: int, *, committed: bool = False
) -> list[ConsumerRecord]:
    """Every record of a partition."""
    found = []
    async with (
        ClusterAdmin({"bootstrapServers": servers}) as admin,
        LogReader({"bootstrapServers": servers}, committed=committed) as reader,
    ):
        first, stop = (await admin.offsets(topic, committed=committed))[partition]
        async for records in reader.read(topic, partition, first, stop):
            found += records
    return found


class Load:
    """Numbered records to every partition of a topic, acknowledged by all in-sync replicas.

    Attributes:
        acknowledged: Per partition, number and offset of each record that was.
        failed: Records that were given up, with the error's code.
        doubled: Records that `check` found twice.
    """

    def __init__(self, servers: str, topic: str, **config: Any) -> None:
        self.servers = servers
        self.topic = topic
        self.acknowledged: list[dict[int, int]] = [{} for _ in range(PARTITIONS)]
        self.failed: list[str] = []
        self.doubled = 0
        self._config = {"retries": 1_000_000, "deliveryTimeoutMs": 120_000, **config}
        self._stopped = False

    async def run(self) -> None:
        """Send until `stop`; at most a hundred records are on their way."""
        room = asyncio.Semaphore(100)
        number = 0
        config = {"bootstrapServers": self.servers, "lingerMs": 2, **self._config}
        async with StreamProducer(config) as producer, asyncio.TaskGroup() as waiting:
            while not self._stopped:
                await room.acquire()
                partition = number % PARTITIONS
                future = producer.send_nowait(self.topic, b"%d" % number, partition=partition)
                waiting.create_task(self._note(future, partition, number, room))
                number += 1
                await asyncio.sleep(0.001)

    async def _note(
        self, future: asyncio.Future[Any], partition: int, number: int, room: asyncio.Semaphore
    ) -> None:
        try:
            self.acknowledged[partition][number] = (await future).offset
        except SummitError as error:
            self.failed.append(error.code)
        finally:
            room.release()

    def count(self) -> int:
        """Records acknowledged so far."""
        return sum(map(len, self.acknowledged))

    async def more(self, count: int = 300, timeout_s: float = 120) -> None:
        """Wait until so many more records are acknowledged."""
        wanted = self.count() + count
        await until(lambda: self.count() >= wanted, timeout_s)

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True

    async def check(self) -> int:
        """Every acknowledged record is where it was said to be; how many those are.

        And each is there once, in order, unless some were given up: librdkafka then goes on with
        a new producer epoch, under which what was on its way may be stored a second time.
        """
        for partition, acknowledged in enumerate(self.acknowledged):
            records = await read_all(self.servers, self.topic, partition)
            held = {record.offset: int(record.text()) for record in records}
            for number, offset in acknowledged.items():
                assert held.get(offset) == number, (partition, number, offset, held.get(offset))
            numbers = list(held.values())
            self.doubled += len(numbers) - len(set(numbers))
            if not self.failed:
                assert numbers == sorted(set(numbers)), "a record twice, or out of order"
        return self.count()


class Watch:
    """What our own figures said meanwhile."""

    def __init__(self) -> None:
        self.seen: list[ClusterFigures | None] = []

    @property
    def worst(self) -> int:
        """Most under-replicated partitions at one look."""
        return max((f.under_replicated_partitions for f in self.seen if f is not None), default=0)

    @property
    def last(self) -> ClusterFigures | None:
        return self.seen[-1] if self.seen else None

    @property
    def elections(self) -> float:
        """The highest rate of elections."""
        return max((f.leader_elections_per_s or 0 for f in self.seen if f is not None), default=0)

    async def run(self, servers: str) -> None:
        config = {"bootstrapServers": servers, "requestTimeoutMs": 3_000}
        async with ClusterAdmin(config) as admin:
            observer = ClusterObserver(admin)
            while True:
                try:
                    self.seen.append(await observer.look())
                except SummitError:
                    self.seen.append(None)
                await asyncio.sleep(0.3)


@asynccontextmanager
async def under_load(servers: str, topic: str, **config: Any) -> AsyncIterator[tuple[Load, Watch]]:
    """Load on a fresh topic of three copies, two of which must have each record; watched."""
    async with ClusterAdmin({"bootstrapServers": servers}) as admin:
        await admin.create_topic(
            {"name": topic, "partitions": PARTITIONS, "replicationFactor": 3,
             "minInSyncReplicas": 2}
        )  # fmt: skip
    load, watch = Load(servers, topic, **config), Watch()
    loading = asyncio.create_task(load.run())
    watching = asyncio.create_task(watch.run(servers))
    try:
        await load.more()
        yield load, watch
        load.stop()
        await loading
    finally:
        loading.cancel()
        watching.cancel()
        await asyncio.gather(loading, watching, return_exceptions=True)


async def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def healthy(watch: Watch) -> None:
    """Wait until our figures show every copy in sync again."""

    def is_well() -> bool:
        last = watch.last
        return last is not None and (
            last.brokers,
            last.under_replicated_partitions,
            last.offline_partitions,
        ) == (3, 0, 0)

    await until(is_well)
