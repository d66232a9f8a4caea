"""Between the reader's thread and the loop: records that were fetched and not yet handed out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from summit.base.clock import Clock
from summit.base.errors import Closed, SummitError
from summit.base.logs import get_logger
from summit.client.deserializing import Deserializing
from summit.client.positions import Offsets, Positions
from summit.client.reading import RAISED, Fetched, Reader
from summit.client.threads import CallThread
from summit.client.types import ConsumerRecord, TopicPartition


class Intake:
    """Fetches for one consumer; one fetch at a time, on its own thread.

    Args:
        on_fault: Told what went wrong while reading goes on.
        deserializing: Makes values of what `next_values` hands out.
    """

    def __init__(
        self,
        reader: Reader,
        clock: Clock,
        positions: Positions,
        on_fault: Callable[[SummitError], None],
        deserializing: Deserializing | None = None,
    ) -> None:
        self._deserializing = deserializing
        self._moves = 0
        self._reader = reader
        self._clock = clock
        self._positions = positions
        self._on_fault = on_fault
        self._polls = CallThread("summit-polls")
        self._pending: asyncio.Future[Fetched] | None = None
        self._ready: deque[ConsumerRecord] = deque()
        self._next_offsets: Offsets | None = None  # behind all that is ready, if nothing was moved
        self._ends: Offsets = {}
        self._faults: deque[SummitError] = deque()
        self._cut_short = False
        self._closed = False

    async def next(self, count: int, fetch_count: int, timeout_ms: float) -> list[ConsumerRecord]:
        """Up to `count` records in bytes; when none is ready, fetch up to `fetch_count`.

        Returns nothing when the time is over, or at `cut_short`.

        Raises: Invalid("consumer.no_offset"); Closed.
        """
        return await self._next(count, fetch_count, timeout_ms, None)

    async def next_values(
        self, count: int, fetch_count: int, timeout_ms: float
    ) -> list[ConsumerRecord]:
        """`next`, with what the deserializers make of the bytes.

        A record whose turn it is and that cannot be deserialized is given up, or stays the next
        one and the call raises.

        Raises: Corrupt("record.undeserializable"); what `next` raises.
        """
        return await self._next(count, fetch_count, timeout_ms, self._deserializing)

    async def _next(
        self, count: int, fetch_count: int, timeout_ms: float, values: Deserializing | None
    ) -> list[ConsumerRecord]:
        deadline_ms = self._clock.monotonic_ms() + timeout_ms
        while True:
            self._raise_fault()
            if self._cut_short:
                self._cut_short = False
                return []
            if self._ready and values is not None:
                found = await self._take_values(count, values)
                if found:
                    return found
                continue
            if self._ready:
                return self._take(count)
            left_ms = deadline_ms - self._clock.monotonic_ms()
            if self._pending is None:
                if left_ms < 0:
                    return []
                if self._closed:
                    raise Closed("client.closed", what="consumer")
                self._pending = self._polls.submit(
                    partial(self._reader.fetch, fetch_count, left_ms)
                )
                self._pending.add_done_callback(self._fetched)
            # A caller that gives up leaves the fetch running: its records go to the next one.
            await asyncio.wait([self._pending])
            if left_ms <= 0 and not self._ready and not self._faults:
                return []

    def _take(self, count: int) -> list[ConsumerRecord]:
        next_offsets, self._next_offsets = self._next_offsets, None
        if count < len(self._ready):
            taken = [self._ready.popleft() for _ in range(count)]
            next_offsets = None
        else:
            taken = list(self._ready)
            self._ready.clear()
        if next_offsets is None:
            self._positions.hand_out(taken)
        else:
            self._positions.move_on(next_offsets)
        return taken

    async def _take_values(self, count: int, values: Deserializing) -> list[ConsumerRecord]:
        """Up to `count` ready records with their values; none where one was given up.

        They stay ready until all have their values: a caller that is cancelled loses none.
        """
        moves = self._moves
        found: list[ConsumerRecord] = []
        given_up = False
        for record in list(islice(self._ready, count)):
            try:
                found.append(await values.record(record))
            except SummitError as fault:
                if not found:
                    await values.give_up(record, fault)
                    given_up = True
                break  # else it is told when its turn comes
        if self._moves != moves:
            return []  # some of them may be gone: look again
        self._next_offsets = None
        taken = [self._ready.popleft() for _ in range(len(found) or given_up)]
        self._positions.hand_out(taken)
        return found

    def put_back(self, records: list[ConsumerRecord]) -> None:
        """Records that were handed out and not handled: they come first next time.

        Whoever was cut short has ended by now.
        """
        self._cut_short = False
        self._next_offsets = None
        self._ready.extendleft(reversed(records))
        self._positions.hand_back(records)

    async def run(self, fn: Callable[[], None]) -> None:
        """Run what must not overlap a fetch; the running one is ended, its caller goes on."""
        self._interrupt()
        await self._polls.run(fn)

    def cut_short(self) -> None:
        """Let the caller of `next` have nothing, soon."""
        self._cut_short = True
        self._interrupt()

    def _interrupt(self) -> None:
        if self._pending is not None:
            self._reader.interrupt()

    def drop(self, partitions: Iterable[TopicPartition]) -> Offsets:
        """Drop fetched records of these partitions; the first dropped offset of each."""
        self._moves += 1
        self._next_offsets = None
        keys = set(partitions)
        first: Offsets = {}
        kept: deque[ConsumerRecord] = deque()
        for record in self._ready:
            key = TopicPartition(record.topic, record.partition)
            if key in keys:
                first.setdefault(key, record.offset)
            else:
                kept.append(record)
        self._ready = kept
        for key in keys:
            self._ends.pop(key, None)
        return first

    def read_to(self) -> Offsets:
        """The ends of partitions that were reached, where nothing is left to be handed out."""
        waiting = {(record.topic, record.partition) for record in self._ready}
        return {key: end for key, end in self._ends.items() if key not in waiting}

    async def settle(self) -> None:
        """Fetch no more; wait for the end of the running fetch."""
        self._closed = True
        self._interrupt()
        if self._pending is not None:
            await asyncio.wait([self._pending])

    def close(self) -> None:
        """End the thread."""
        self._polls.close()

    def _fetched(self, pending: asyncio.Future[Fetched]) -> None:
        self._pending = None
        if pending.cancelled():
            return
        error = pending.exception()
        if error is not None:
            get_logger(__name__).error("consumer.fetch_failed", error=repr(error))
            self._faults.append(Closed("client.closed", what="consumer"))
            return
        fetched = pending.result()
        self._next_offsets = None if self._ready else fetched.next_offsets
        self._ready.extend(fetched.records)
        self._ends.update(fetched.ends)
        self._faults.extend(fetched.faults)

    def _raise_fault(self) -> None:
        while self._faults:
            fault = self._faults.popleft()
            if fault.code in RAISED:
                raise fault
            self._on_fault(fault)
