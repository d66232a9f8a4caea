"""Following whole topics: every record of some partitions, in log order, to one function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Invalid, SummitError, Unavailable
from summit.base.limits import FOLLOWER_BATCH_RECORDS, FOLLOWER_POLL_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.settings import AdminConfig, ConsumerConfig
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.documents.sending import is_closed_topic
from summit.journal.topics import ensure_topics

Take = Callable[[list[ConsumerRecord]], None]
Place = tuple[str, int]
_UNKNOWN_TRIES: Final = 40
_UNKNOWN_PAUSE_S: Final = 0.25


async def tail_starts(
    servers: list[str], name: str, topics: Sequence[tuple[TopicConfig, int]]
) -> dict[Place, int]:
    """Where to begin so as to read no more than the last records of some topics of ours.

    Topics that are missing are made.

    Args:
        name: Of the client that asks.
        topics: Each with how many of the last offsets of a partition are to be read.
    Raises: Unavailable where no broker answers.
    """
    tails = {topic.name: most for topic, most in topics}
    async with Admin(AdminConfig(client_id=name, bootstrap_servers=servers)) as admin:
        await ensure_topics(admin, [topic for topic, _ in topics])
        bounds = await _bounds(admin, tails)
    return {place: max(first, end - tails[place[0]]) for place, (first, end) in bounds.items()}


async def _bounds(admin: Admin, topics: Iterable[str]) -> dict[Place, tuple[int, int]]:
    """First kept and next readable offset of every partition of these topics.

    Raises: Invalid("topic.unknown"); Unavailable.
    """
    return {
        (topic, partition): bounds
        for topic in topics
        for partition, bounds in (await _bounds_of(admin, topic)).items()
    }


async def _bounds_of(admin: Admin, topic: str) -> dict[int, tuple[int, int]]:
    """The same of one topic; one of ours may have been made so lately that a broker is behind."""
    tries = _UNKNOWN_TRIES if is_closed_topic(topic) else 1
    while True:
        try:
            return await admin.offsets(topic)
        except Invalid as error:
            tries -= 1
            if error.code != "topic.unknown" or not tries:
                raise
        await asyncio.sleep(_UNKNOWN_PAUSE_S)


class LogFollower:
    """Reads partitions outside any group and never commits; one loop's, from start to stop.

    A broker that goes away is waited for: reading goes on by itself where it was.

    Args:
        servers: Addresses of the brokers.
        name: For logs and as client id.
        take: Called on the loop with each batch of records; must not raise.
    """

    def __init__(
        self, servers: Iterable[str], name: str, take: Take, *, clock: Clock | None = None
    ) -> None:
        self._servers = list(servers)
        self._name = name
        self._take = take
        self._clock = clock or SystemClock()
        self._consumer: StreamConsumer | None = None
        self._ends: dict[Place, int] = {}
        self._moved = asyncio.Condition()
        self._tasks = Tasks(self._crashed)
        self._failed: BaseException | None = None
        self._stopped = False
        self.positions: dict[Place, int] = {}

    async def start(self, starts: Mapping[Place, int] | Mapping[Place, int | None]) -> None:
        """Begin to read.

        Args:
            starts: First offset per (topic, partition); None, or an offset that is no longer
                kept, means the first that is.
        Raises: Unavailable where no broker answers; Invalid("topic.unknown").
        """
        async with Admin(
            AdminConfig(client_id=self._name, bootstrap_servers=self._servers)
        ) as admin:
            bounds = await _bounds(admin, {topic for topic, _ in starts})
        self._ends = {place: bounds[place][1] for place in starts}
        self.positions = {place: max(at or 0, bounds[place][0]) for place, at in starts.items()}
        consumer = StreamConsumer(
            ConsumerConfig(
                client_id=self._name,
                group_id=f"_{self._name}",
                bootstrap_servers=self._servers,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
            ),
            clock=self._clock,
            tell_ends=True,
        )
        await consumer.connect()
        self._consumer = consumer
        await consumer.assign({TopicPartition(*p): at for p, at in self.positions.items()})
        self._tasks.spawn(self._read(consumer), f"{self._name}.read")

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._failed

    async def stop(self) -> None:
        """End reading. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        await self._tasks.cancel_all()
        if self._consumer is not None:
            await self._consumer.close()
        async with self._moved:
            self._moved.notify_all()

    @property
    def ends_at_start(self) -> dict[Place, int]:
        """Next offsets of the partitions when reading began."""
        return dict(self._ends)

    async def wait_caught_up(self, timeout_ms: int) -> None:
        """Wait until everything is read that was there at the start, however much it is.

        Raises: Unavailable("follower.not_ready") when nothing is read for so long;
            Closed("follower.closed").
        """
        while True:
            before = dict(self.positions)
            try:
                await self.wait_for(lambda: self._has_read(self._ends), timeout_ms)
            except Unavailable:
                if self.positions == before:
                    raise
            else:
                return

    async def wait_read(self, offsets: Mapping[Place, int], timeout_ms: int) -> None:
        """Wait until everything below these offsets is read and taken.

        Raises: as `wait_caught_up`.
        """
        await self.wait_for(lambda: self._has_read(offsets), timeout_ms)

    async def wait_for(self, done: Callable[[], bool], timeout_ms: int) -> None:
        """Wait until `done()`, which is asked after every batch.

        Raises: as `wait_caught_up`.
        """
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._moved:
                await self._moved.wait_for(
                    lambda: self._stopped or self._failed is not None or done()
                )
        except TimeoutError:
            raise Unavailable(
                "follower.not_ready", topic=self._topic_names(), timeout_ms=timeout_ms
            ) from None
        if self._stopped or self._failed is not None:
            raise Closed("follower.closed", topic=self._topic_names()) from self._failed

    async def _read(self, consumer: StreamConsumer) -> None:
        while True:
            try:
                records = await consumer.poll_batch(FOLLOWER_BATCH_RECORDS, FOLLOWER_POLL_MS)
            except Unavailable as error:
                get_logger(__name__).warning("follower.waits", name=self._name, error=str(error))
                await asyncio.sleep(1)
                continue
            if records:
                self._take(records)
            before = dict(self.positions)
            for record in records:
                self.positions[record.topic, record.partition] = record.offset + 1
            for place, end in consumer.read_to().items():
                self.positions[place] = max(self.positions.get(place, 0), end)
            if self.positions != before:
                async with self._moved:
                    self._moved.notify_all()

    def _has_read(self, offsets: Mapping[Place, int]) -> bool:
        return all(self.positions.get(place, 0) >= at for place, at in offsets.items())

    def _crashed(self, _: str, error: BaseException) -> None:
        self._failed = error
        if not isinstance(error, SummitError):
            get_logger(__name__).error("follower.failed", name=self._name, error=repr(error))
        self._tasks.spawn(self._wake(), f"{self._name}.wake")

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _topic_names(self) -> str:
        return ", ".join(sorted({topic for topic, _ in self.positions}))


async def read_whole(
    admin: Admin,
    servers: Iterable[str],
    name: str,
    places: Iterable[Place],
    take: Callable[[list[ConsumerRecord], int], None],
    clock: Clock,
    timeout_ms: int,
) -> None:
    """Everything that committed transactions have written to these partitions, once.

    What a transaction holds whose end is on its way is waited for: to the high watermarks of now.

    Args:
        take: Called with each batch of records, and how many offsets there are in all.
    Raises: Invalid("topic.unknown"); Unavailable when it is not over after `timeout_ms`.
    """
    wanted = set(places)
    bounds = {
        place: found
        for place, found in (await _bounds(admin, {topic for topic, _ in wanted})).items()
        if place in wanted and found[0] < found[1]
    }
    if not bounds:
        return
    total = sum(end - first for first, end in bounds.values())
    follower = LogFollower(servers, name, lambda records: take(records, total), clock=clock)
    try:
        await follower.start({place: first for place, (first, _) in bounds.items()})
        await follower.wait_read({place: end for place, (_, end) in bounds.items()}, timeout_ms)
    finally:
        await follower.stop()
