"""Several files' events into one topic, in the order of their times.

Each file was collected into a topic of its own. An event that comes after a later one of its topic
is matched as if it happened then; so files that were written side by side, or that are named
newest first, must not be put one behind the other:

    a.log   10:00  10:20  10:40              one behind the other, b.log's three failures would
    b.log      10:10  10:30  10:50           all seem to happen at 10:40
    merged  10:00 10:10 10:20 10:30 10:40 10:50
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from summit.client.log_reader import LogReader
from summit.client.merged_reading import read_merged
from summit.client.producer import StreamProducer
from summit.client.types import ConsumerRecord, ProducerRecord, TopicPartition
from summit.events.times import epoch_ms


class _Timed(msgspec.Struct):
    timestamp: Any = None


_decode = msgspec.json.Decoder(_Timed).decode


async def merge(
    reader: LogReader, producer: StreamProducer, sources: Sequence[str], target: str
) -> None:
    """Write every record of the topics `sources` (one partition each) to `target`, in order."""
    spans = {TopicPartition(topic, 0): await reader.span(topic, 0) for topic in sources}
    async for records in read_merged(reader, spans, _time_of):
        await producer.send_batch([_moved(record, target) for record in records])


def _moved(record: ConsumerRecord, target: str) -> ProducerRecord:
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
