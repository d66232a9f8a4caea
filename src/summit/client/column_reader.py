"""`ColumnReader`: given partitions in columns, for who processes batches and commits elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Closed
from summit.base.logs import get_logger
from summit.client.addresses import resolve_addresses
from summit.client.converting import columns_of, joined
from summit.client.positions import Offsets
from summit.client.reading import RAISED, Fetched, Reader, Told
from summit.client.settings import ConsumerConfig
from summit.client.threads import CallThread
from summit.client.types import Columns, TopicPartition


class ColumnReader:
    """Reads the partitions it is assigned; one loop's, from `connect` to `close`.

    It joins no group. No object is made for a record, which halves what reading costs.

    Args:
        config: Of a consumer; its group is only a name.
    """

    def __init__(self, config: ConsumerConfig, clock: Clock) -> None:
        self._config = config
        self._reader = Reader(
            config, clock, due=dict, tell=_told, tell_ends=True, convert=columns_of
        )
        self._calls: CallThread | None = None
        self._pending: asyncio.Future[Fetched] | None = None
        self._woken: asyncio.Future[None] | None = None  # of the poll that waits, or the next one
        self._moved = False  # since the running fetch began
        self._ends: Offsets = {}

    async def connect(self) -> None:
        """Dial the brokers and see that one answers. Raises Unavailable."""
        calls = CallThread("summit-columns")
        try:
            addresses = resolve_addresses(None, self._config.servers)
            await calls.run(partial(self._reader.dial, addresses))
        except BaseException:
            calls.close()
            raise
        self._calls = calls

    async def close(self) -> None:
        """Let go of the cluster. Idempotent."""
        calls, self._calls = self._calls, None
        if calls is not None:
            self._reader.interrupt()
            await calls.run(self._reader.close)
            calls.close()

    async def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions, from these offsets on."""
        self._moved = True
        await self._run(partial(self._reader.assign, dict(offsets)))
        self._ends = {}

    async def poll(self, count: int, timeout_ms: float) -> list[Columns]:
        """The next records, at most `count`, after at most `timeout_ms`.

        A caller that is cancelled, or woken, leaves the fetch running: its records go to the next.

        Raises: Invalid("consumer.no_offset"); Closed.
        """
        calls = self._require()
        if self._pending is None:
            self._moved = False
            self._pending = calls.submit(partial(self._reader.fetch, count, timeout_ms))
        if self._woken is None:
            self._woken = asyncio.get_running_loop().create_future()
        waited: list[asyncio.Future[Any]] = [self._pending, self._woken]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._woken.done():
            self._woken = None
            if not self._pending.done():
                return []
        pending, self._pending = self._pending, None
        if (error := pending.exception()) is not None:
            get_logger(__name__).error("reader.fetch_failed", error=repr(error))
            raise Closed("client.closed", what="reader") from error
        fetched = pending.result()
        if self._moved:
            return []  # it was begun before partitions were assigned
        self._ends.update(fetched.ends)
        for fault in fetched.faults:
            if fault.code in RAISED:
                raise fault
            get_logger(__name__).warning("reader.error", code=fault.code, error=str(fault))
        return joined(fetched.records)

    def wake(self) -> None:
        """Let the running `poll`, or else the next one, return at once with what there is.

        librdkafka cannot be woken: the fetch goes on, and ends within its slice.
        """
        self._reader.interrupt()
        if self._woken is None and self._calls is not None:
            self._woken = asyncio.get_running_loop().create_future()
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Bring no records of these partitions until `resume`, save what was fetched already."""
        await self._run(partial(self._reader.pause, list(partitions)))

    async def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Bring records of these partitions again."""
        await self._run(partial(self._reader.resume, list(partitions)))

    def read_to(self) -> Offsets:
        """Partitions read to an end, and that offset: all before it was handed out.

        Also where the last offsets hold no record for readers: a transaction's marks, what was
        aborted or compacted.
        """
        return self._ends

    async def _run(self, fn: Callable[[], None]) -> None:
        """Run what must not overlap a fetch, which is ended."""
        calls = self._require()
        if self._pending is not None:
            self._reader.interrupt()
        await calls.run(fn)

    def _require(self) -> CallThread:
        if self._calls is None:
            raise Closed("client.closed", what="reader")
        return self._calls


def _told(told: Told) -> None:
    """What librdkafka says of its own accord: errors that it goes on after."""
    if told.fault is not None:
        get_logger(__name__).warning("reader.error", code=told.fault.code, error=str(told.fault))
