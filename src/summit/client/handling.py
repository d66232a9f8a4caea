"""Running a handler over records: in order per partition, partitions side by side.

A record counts as finished when its handler returned. A failing handler is called again, with
growing pauses, while its partition waits; when the retries are used up the configuration decides.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final

from summit.base.errors import Internal, SummitError
from summit.client.deserializing import Deserializing
from summit.client.giving_up import GivingUp
from summit.client.positions import Positions
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition

Handler = Callable[[ConsumerRecord], Awaitable[Any] | Any]

_BACKOFF_MAX_MS: Final = 10_000

in_hand: ContextVar[ConsumerRecord | None] = ContextVar("in_hand", default=None)
"""The record whose handler is running, seen from inside that handler."""


class Handling:
    """One run of a handler.

    Args:
        giving_up: Takes records that failed for good.
        deserializing: Makes what the handler is given of what was read.
    """

    def __init__(
        self,
        handler: Handler,
        config: ConsumerConfig,
        positions: Positions,
        giving_up: GivingUp,
        deserializing: Deserializing | None = None,
    ) -> None:
        self._handler = handler
        self._config = config
        self._positions = positions
        self._giving_up = giving_up
        self._deserializing = deserializing
        self._lanes = asyncio.Semaphore(config.max_concurrency)
        self._stop = asyncio.Event()
        self._moved: set[TopicPartition] = set()
        self.left: list[ConsumerRecord] = []  # of the last batch, when it was cut short

    @property
    def stopping(self) -> bool:
        """Whether no further record will be handled."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Handle no further record; calls that run may end."""
        self._stop.set()

    def leave(self, partition: TopicPartition) -> None:
        """Handle no further record of the present batch from this partition: it was moved."""
        self._moved.add(partition)

    async def batch(self, records: list[ConsumerRecord]) -> None:
        """Handle these records; returns when every partition is through.

        Raises: Internal("consumer.handler_failed") when a record failed for good and the
            consumer is to stop; the other partitions have ended their running call by then.
        """
        self._moved.clear()
        lanes: dict[TopicPartition, list[ConsumerRecord]] = {}
        for record in records:
            lanes.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        if len(lanes) == 1:
            ((partition, lane),) = lanes.items()
            await self._lane(partition, lane)
            return
        ends = await asyncio.gather(
            *(self._bounded_lane(partition, lane) for partition, lane in lanes.items()),
            return_exceptions=True,
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _bounded_lane(self, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        async with self._lanes:
            await self._lane(partition, records)

    async def _lane(self, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        before = in_hand.get()
        done = 0
        try:
            for index, record in enumerate(records):
                if self._stop.is_set() or partition in self._moved:
                    break
                in_hand.set(record)
                if not await self._handle(record):
                    break
                done = index + 1
                if partition not in self._moved:
                    self._positions.finish(record)
        except BaseException:
            self._stop.set()
            raise
        finally:
            in_hand.set(before)
            if partition not in self._moved:
                self.left += records[done:]

    async def _handle(self, record: ConsumerRecord) -> bool:
        """Whether the record is done with."""
        attempts = self._config.handler_retries + 1
        pause_ms = self._config.handler_backoff_ms
        for attempt in range(1, attempts + 1):
            given = record
            if self._deserializing is not None:
                try:
                    given = await self._deserializing.record(record)
                except SummitError as fault:
                    if fault.retriable and attempt < attempts:
                        if await self._paused(pause_ms):
                            return False
                        pause_ms = min(2 * pause_ms, _BACKOFF_MAX_MS)
                        continue
                    await self._deserializing.give_up(record, fault)
                    return True
            try:
                answer = self._handler(given)
                if inspect.isawaitable(answer):
                    await answer
            except Exception as error:  # noqa: BLE001 - a handler is other people's code
                last = error
            else:
                return True
            if attempt < attempts and await self._paused(pause_ms):
                return False
            pause_ms = min(2 * pause_ms, _BACKOFF_MAX_MS)
        return await self._give_up(record, attempts, last)

    async def _paused(self, pause_ms: int) -> bool:
        """Wait; True when the consumer is being stopped meanwhile."""
        try:
            async with asyncio.timeout(pause_ms / 1000):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _give_up(self, record: ConsumerRecord, attempts: int, error: Exception) -> bool:
        failure = Internal(
            "consumer.handler_failed",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            attempts=attempts,
            reason=repr(error),
        )
        failure.__cause__ = error
        await self._giving_up.record(record, failure, message=repr(error), attempts=attempts)
        return True
