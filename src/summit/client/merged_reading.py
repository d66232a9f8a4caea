"""Ranges of several partitions as one sequence of records, in the order of their times.

Within a partition the order stays as it is: a record that is older than the one before it goes with
it. So the sequence is the same whenever it is read, however the records come in.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from summit.client.log_reader import LogReader
from summit.client.types import ConsumerRecord, TopicPartition

_HELD_RECORDS: Final = 200_000  # of all partitions together
_BLOCK_RECORDS_MAX: Final = 20_000
_BURST_RECORDS: Final = 4_000

TimeOf = Callable[[ConsumerRecord], int]


def record_time(record: ConsumerRecord) -> int:
    """The record's own timestamp."""
    return record.timestamp


async def read_merged(
    reader: LogReader,
    spans: Mapping[TopicPartition, tuple[int, int]],
    time_of: TimeOf = record_time,
) -> AsyncIterator[list[ConsumerRecord]]:
    """The records of some ranges (first offset, offset behind the last), in bursts.

    Args:
        time_of: What they are ordered by, milliseconds; equal ones in the order of `spans`.
    Raises: as `LogReader.read`.
    """
    async for burst in MergedReading(reader, spans, time_of).read():
        yield burst


class MergedReading:
    """The same, with halts: up to some offsets, then on from there.

    Args:
        time_of: See `read_merged`.
    """

    def __init__(
        self,
        reader: LogReader,
        spans: Mapping[TopicPartition, tuple[int, int]],
        time_of: TimeOf = record_time,
    ) -> None:
        block = max(1, min(_BLOCK_RECORDS_MAX, _HELD_RECORDS // max(1, len(spans))))
        self._lanes = [_Lane(reader, place, *spans[place], block, time_of) for place in spans]

    async def read(
        self, until: Mapping[TopicPartition, int] | None = None
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """The next records.

        Args:
            until: Halt in front of these offsets; other ranges are read to their ends.
        """
        lanes, halts = self._lanes, until or {}
        waiting: list[tuple[int, int]] = []
        for number, lane in enumerate(lanes):
            if await lane.fill(halts.get(lane.place)):
                heapq.heappush(waiting, (lane.time_ms, number))
        burst: list[ConsumerRecord] = []
        while waiting:
            _, number = heapq.heappop(waiting)
            lane = lanes[number]
            halt = halts.get(lane.place)
            behind = waiting[0] if waiting else None
            while await lane.fill(halt):
                if behind is not None and (lane.time_ms, number) > behind:
                    heapq.heappush(waiting, (lane.time_ms, number))
                    break
                burst.append(lane.take())
                if len(burst) >= _BURST_RECORDS:
                    yield burst
                    burst = []
        if burst:
            yield burst


class _Lane:
    """One range, read block by block.

    Attributes:
        time_ms: The time of its next record: never before that of the last.
    """

    def __init__(
        self,
        reader: LogReader,
        place: TopicPartition,
        first: int,
        stop: int,
        block: int,
        time_of: TimeOf,
    ) -> None:
        self._reader = reader
        self.place = place
        self._next = first
        self._stop = stop
        self._block = block
        self._time_of = time_of
        self._held: deque[ConsumerRecord] = deque()
        self._timed = False
        self.time_ms = -(1 << 62)

    async def fill(self, halt: int | None = None) -> bool:
        """Have a next record; False at the end, or where it would not stand before the halt."""
        if not self._held:
            if self._next >= self._stop or (halt is not None and self._next >= halt):
                return False
            found = await self._reader.consume(*self.place, self._next, self._block)
            self._held.extend(record for record in found if record.offset < self._stop)
            self._next = found[-1].offset + 1 if found else self._stop
            if not self._held:
                return False
        if halt is not None and self._held[0].offset >= halt:
            return False
        if not self._timed:
            self.time_ms = max(self.time_ms, self._time_of(self._held[0]))
            self._timed = True
        return True

    def take(self) -> ConsumerRecord:
        """The next record."""
        self._timed = False
        return self._held.popleft()
