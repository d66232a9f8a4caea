"""A broker in memory for the tests of collectors: topics, acknowledgements, planned trouble."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from summit.base.errors import SummitError, Unavailable
from summit.client.together import Answers
from summit.ingest.files.log_access import Written


class Stored(NamedTuple):
    offset: int
    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class Acked(NamedTuple):
    topic: str
    partition: int
    offset: int


async def _all(futures: list[asyncio.Future[Acked]]) -> Answers:
    answers: list[Any] = await asyncio.gather(*futures, return_exceptions=True)
    failures = {i: each for i, each in enumerate(answers) if isinstance(each, SummitError)}
    return Answers([None if i in failures else each for i, each in enumerate(answers)], failures)


class MemoryLog:
    """Producer and log in one.

    Args:
        partitions: Partitions of every topic.
        hold: Keep records until `release`; `crash` then drops what is still held.
    """

    def __init__(self, partitions: int = 3, *, hold: bool = False, now_ms: int = 0) -> None:
        self.count = partitions
        self.topics: dict[str, list[list[Stored]]] = {}
        self.hold = hold
        self.away = False
        self.full: SummitError | None = None
        self.failures: list[SummitError] = []
        self.held: list[tuple[Any, asyncio.Future[Acked]]] = []
        self.sent = 0
        self.reads = 0
        self.unreadable = False
        self.now_ms = now_ms

    def send_nowait(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[Acked]:
        if self.full is not None:
            raise self.full
        self.sent += 1
        future: asyncio.Future[Acked] = asyncio.get_running_loop().create_future()
        if partition is None:
            partition = zlib.crc32(key or b"") % self.count
        sent = (topic, partition, value, key, tuple(headers or ()))
        if self.hold or self.away:
            self.held.append((sent, future))
        elif self.failures:
            asyncio.get_running_loop().call_soon(future.set_exception, self.failures.pop(0))
        else:
            asyncio.get_running_loop().call_soon(self._store, sent, future)
        return future

    def send_many_nowait(
        self, topic: str, messages: Any, partition: int | None = None
    ) -> asyncio.Future[Any]:
        if self.full is not None:
            raise self.full
        futures = []
        for value, key, headers in messages:
            try:
                futures.append(self.send_nowait(topic, value, key, headers, partition))
            except SummitError as error:
                futures.append(asyncio.get_running_loop().create_future())
                futures[-1].set_exception(error)
        return asyncio.ensure_future(_all(futures))

    def _store(self, sent: Any, future: asyncio.Future[Acked]) -> None:
        topic, partition, value, key, headers = sent
        self.topics.setdefault(topic, [[] for _ in range(self.count)])
        log = self.topics[topic][partition]
        log.append(Stored(len(log), value, key, headers, self.now_ms))
        if not future.done():
            future.set_result(Acked(topic, partition, log[-1].offset))

    def release(self, count: int | None = None) -> None:
        """Write and acknowledge the first `count` records that are held."""
        count = len(self.held) if count is None else count
        for sent, future in self.held[:count]:
            self._store(sent, future)
        del self.held[:count]

    def persist_then_fail(self, pattern: list[bool], error: SummitError) -> None:
        """Fail everything held; those marked True were written all the same."""
        for (sent, future), written in zip(self.held, pattern, strict=True):
            if written:
                self._store(sent, asyncio.get_running_loop().create_future())
            future.set_exception(error)
        self.held.clear()

    def records(self, topic: str) -> list[Stored]:
        """Everything in the topic, partition by partition."""
        return [record for log in self.topics.get(topic, []) for record in log]

    # what a file collector reads back

    async def ensure_topic(self, topic: str) -> int:
        self._check()
        self.topics.setdefault(topic, [[] for _ in range(self.count)])
        return self.count

    async def partition_count(self, topic: str) -> int:
        self._check()
        return len(self.topics.get(topic, ()))

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        self._check()
        return 0, len(self.topics[topic][partition])

    async def read(
        self, topic: str, partition: int, first: int, stop: int
    ) -> AsyncIterator[list[Written]]:
        self._check()
        log = self.topics[topic][partition][first:stop]
        self.reads += len(log)
        for start in range(0, len(log), 500):
            yield [
                Written(
                    record.offset,
                    record.timestamp,
                    dict(record.headers).get("summit.src"),
                    dict(record.headers).get("summit.files"),
                )
                for record in log[start : start + 500]
            ]

    async def close(self) -> None: ...

    def _check(self) -> None:
        if self.unreadable:
            raise Unavailable("disk.full", path="the test")
