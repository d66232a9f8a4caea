"""`LogReader`: ranges of a partition, for those who belong to no group and commit nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Self

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Closed, Conflict, Invalid, Unavailable
from summit.base.limits import CONSUMER_POLL_MS, LOG_READER_STALL_MS
from summit.client.addresses import resolve_addresses
from summit.client.reading import Fetched, Reader, Told
from summit.client.settings import AdminConfig, ConsumerConfig
from summit.client.threads import CallThread
from summit.client.types import ConsumerRecord, TopicPartition


class LogReader:
    """Reads where it is told to; one loop's, from `connect` to `close`. Also `async with`.

    One range at a time: others wait for their turn.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
        committed: Read what no transaction has open or aborted; name a `stop` that readers of
            committed records can reach (`ClusterAdmin.offsets(committed=True)`).
    """

    def __init__(
        self,
        config: AdminConfig | Mapping[str, Any],
        *,
        committed: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.config = config if isinstance(config, AdminConfig) else AdminConfig.from_dict(config)
        self.addresses: list[str] = []
        self._committed = committed
        self._clock = clock or SystemClock()
        self._reader: Reader | None = None
        self._calls: CallThread | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers; arguments and errors as elsewhere."""
        if self._closed:
            raise Closed("client.closed", what="reader")
        if self._calls is not None:
            raise Conflict("client.connected", what="reader")
        addresses = resolve_addresses(brokers, self.config.servers)
        config = ConsumerConfig(
            group_id=f"{self.config.client_id}-reader",
            client_id=self.config.client_id,
            connect_timeout_ms=self.config.connect_timeout_ms,
            request_timeout_ms=self.config.request_timeout_ms,
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed" if self._committed else "read_uncommitted",
            # A fetch that waits at the end of one range would hold up the next range.
            fetch_max_wait_ms=5,
        )
        reader = Reader(config, self._clock, due=dict, tell=_ignore, tell_ends=True)
        self._calls = CallThread("summit-reader")
        try:
            await self._calls.run(partial(reader.dial, addresses))
        except BaseException:
            self._calls.close()
            self._calls = None
            raise
        self._reader = reader
        self.addresses = addresses

    async def close(self) -> None:
        """Let go of the cluster. Idempotent."""
        self._closed = True
        calls, reader = self._calls, self._reader
        self._calls = self._reader = None
        if calls is not None and reader is not None:
            reader.interrupt()
            await calls.run(reader.close)
            calls.close()

    async def __aenter__(self) -> Self:
        if self._calls is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        """First kept and next readable offset.

        Raises: Invalid("topic.unknown"), Invalid("partition.unknown"), Unavailable.
        """
        reader, calls = self._require()
        count = await self.partition_count(topic)
        if not 0 <= partition < count:
            raise Invalid("partition.unknown", topic=topic, partition=partition)
        return await calls.run(partial(reader.bounds, TopicPartition(topic, partition)))

    async def partition_count(self, topic: str) -> int:
        """How many partitions a topic has. Raises Invalid("topic.unknown")."""
        reader, calls = self._require()
        return await calls.run(partial(reader.partition_count, topic))

    async def read(
        self,
        topic: str,
        partition: int,
        first: int,
        stop: int | None = None,
        *,
        burst: int = 5_000,
    ) -> AsyncGenerator[list[ConsumerRecord], None]:
        """The records from `first` (inclusive) to `stop` (exclusive), in order, in bursts.

        Who leaves the loop early closes the generator (`contextlib.aclosing`): it holds the turn.

        Args:
            stop: None = the end as it is now.
            burst: Most records at once.
        Raises: Invalid for an unknown topic or partition, or a `first` outside the log;
            Unavailable when nothing comes for half a minute.
        """
        kept, end = await self.span(topic, partition)
        stop = end if stop is None else min(stop, end)
        if first < kept or first > end:
            raise Invalid(
                "consumer.offset_out_of_range",
                topic=topic,
                partition=partition,
                reason=f"{first} is not in {kept} to {end}",
            )
        if first >= stop:
            return
        key = TopicPartition(topic, partition)
        async with self._turn:
            reader, calls = self._require()
            await calls.run(partial(reader.assign, {key: first}))
            try:
                async for records in self._range(key, first, stop, burst):
                    yield records
            finally:
                if not self._closed:
                    await calls.run(partial(reader.assign, {}))

    async def consume(
        self, topic: str, partition: int, offset: int, max_messages: int = 100
    ) -> list[ConsumerRecord]:
        """Up to `max_messages` records from `offset` on; empty at the end. Raises as `read`."""
        found: list[ConsumerRecord] = []
        async with aclosing(self.read(topic, partition, offset, burst=max_messages)) as bursts:
            async for records in bursts:
                found += records[: max_messages - len(found)]
                if len(found) >= max_messages:
                    break
        return found

    async def _range(
        self, key: TopicPartition, first: int, stop: int, burst: int
    ) -> AsyncIterator[list[ConsumerRecord]]:
        at = first
        progress_ms = self._clock.monotonic_ms()
        while at < stop:
            fetched = await self._fetch(burst)
            if fetched.faults:
                raise fetched.faults[0]
            records = [record for record in fetched.records if record.offset < stop]
            if fetched.records:
                at = fetched.records[-1].offset + 1
            at = max(at, fetched.ends.get(key, at))
            if records:
                progress_ms = self._clock.monotonic_ms()
                yield records
            elif self._clock.monotonic_ms() - progress_ms > LOG_READER_STALL_MS:
                raise Unavailable("client.timeout", reason=f"no records of {key.topic} come")

    async def _fetch(self, count: int) -> Fetched:
        reader, calls = self._require()
        return await calls.run(partial(reader.fetch, count, CONSUMER_POLL_MS))

    def _require(self) -> tuple[Reader, CallThread]:
        if self._closed:
            raise Closed("client.closed", what="reader")
        if self._reader is None or self._calls is None:
            raise Invalid("client.not_connected", what="reader")
        return self._reader, self._calls


def _ignore(told: Told) -> None:
    """A reader without a group has nobody to tell."""
