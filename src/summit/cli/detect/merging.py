"""Several files' events into one topic, in the order of their times.

Each file was collected into a topic of its own. An event that comes after a later one of its topic
is matched as if it happened then; so files that were written side by side, or that are named
newest first, must not be put one behind the other:

    a.log   10:00  10:20  10:40              one behind the other, b.log's three failures would
    b.log      10:10  10:30  10:50           all seem to happen at 10:40
    merged  10:00 10:10 10:20 10:30 10:40 10:50

Within a file the order stays as it is: a line that is older than the one before it goes with it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.events.times import epoch_ms

_HELD_RECORDS = 200_000  # of all files together
_BLOCK_RECORDS_MAX = 10_000
_SEND_RECORDS = 2_000


class _Timed(msgspec.Struct):
    timestamp: Any = None


_decode = msgspec.json.Decoder(_Timed).decode


async def merge(
    reader: LogReader, producer: StreamProducer, sources: Sequence[str], target: str
) -> None:
    """Write every record of the topics `sources` (one partition each) to `target`, in order."""
    block = max(1, min(_BLOCK_RECORDS_MAX, _HELD_RECORDS // max(1, len(sources))))
    lanes = [_Lane(reader, topic, block) for topic in sources]
    waiting: list[tuple[int, int]] = []
    for number, lane in enumerate(lanes):
        if await lane.fill():
            heapq.heappush(waiting, (lane.time_ms, number))
    out: list[ProducerRecord] = []
    while waiting:
        _, number = waiting[0]
        lane = lanes[number]
        out.append(lane.take(target))
        if len(out) >= _SEND_RECORDS:
            await producer.send_batch(out)
            out = []
        if await lane.fill():
            heapq.heapreplace(waiting, (lane.time_ms, number))
        else:
            heapq.heappop(waiting)
    if out:
        await producer.send_batch(out)


class _Lane:
    """One topic, read block by block.

    Attributes:
        time_ms: The time at which its next record is taken: never before that of the last.
    """

    def __init__(self, reader: LogReader, topic: str, block: int) -> None:
        self._reader = reader
        self._topic = topic
        self._block = block
        self._next = 0
        self._held: deque[ConsumerRecord] = deque()
        self.time_ms = -(1 << 62)

    async def fill(self) -> bool:
        """Have a next record; False at the end."""
        if not self._held:
            found = await self._reader.consume(self._topic, 0, self._next, self._block)
            if not found:
                return False
            self._held.extend(found)
            self._next = found[-1].offset + 1
        self.time_ms = max(self.time_ms, _time_of(self._held[0]))
        return True

    def take(self, target: str) -> ProducerRecord:
        """The next record, as it goes to the topic `target`."""
        record = self._held.popleft()
        return ProducerRecord(
            topic=target, partition=0, value=record.value, key=record.key,
            headers=list(record.headers.pairs), timestamp=record.timestamp,
        )  # fmt: skip


def _time_of(record: ConsumerRecord) -> int:
    """The event's time as the matcher takes it: its `timestamp`, else the record's."""
    try:
        at = epoch_ms(_decode(record.value or b"").timestamp)
    except msgspec.MsgspecError:
        at = None
    return record.timestamp if at is None else at
