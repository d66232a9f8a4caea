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
    block = max(1, min(_BLOCK_RECORDS_MAX, _HELD_RECORDS // max(1, len(spans))))
    lanes = [_Lane(reader, place, *spans[place], block, time_of) for place in spans]
    waiting: list[tuple[int, int]] = []
    for number, lane in enumerate(lanes):
        if await lane.fill():
            heapq.heappush(waiting, (lane.time_ms, number))
    burst: list[ConsumerRecord] = []
    while waiting:
        _, number = heapq.heappop(waiting)
        lane = lanes[number]
        until = waiting[0] if waiting else None
        while await lane.fill():
            if until is not None and (lane.time_ms, number) > until:
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
        self._place = place
        self._next = first
        self._stop = stop
        self._block = block
        self._time_of = time_of
        self._held: deque[ConsumerRecord] = deque()
        self._timed = False
        self.time_ms = -(1 << 62)

    async def fill(self) -> bool:
        """Have a next record; False at the end."""
        if not self._held:
            if self._next >= self._stop:
                return False
            found = await self._reader.consume(*self._place, self._next, self._block)
            self._held.extend(record for record in found if record.offset < self._stop)
            self._next = found[-1].offset + 1 if found else self._stop
            if not self._held:
                return False
        if not self._timed:
            self.time_ms = max(self.time_ms, self._time_of(self._held[0]))
            self._timed = True
        return True

    def take(self) -> ConsumerRecord:
        """The next record."""
        self._timed = False
        return self._held.popleft()
