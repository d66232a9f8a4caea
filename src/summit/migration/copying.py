"""Copying one partition: in order, each record once, from where the target shows it came to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from summit.base.errors import Conflict
from summit.client import ConsumerRecord, LogReader, ProducerRecord, StreamProducer
from summit.migration.ledger import Checkpoint, Ledger
from summit.migration.records import Change, Moved, chained

BURST_RECORDS: Final = 2_000
CHECKPOINT_RECORDS: Final = 10_000


class PartitionCopy:
    """One partition's copy.

    Args:
        reader: Of the source; sees committed records only.
        producer: Of the target; idempotent.
        change: What becomes of each record.
        told: Called with the number of records after each burst.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: LogReader,
        producer: StreamProducer,
        change: Change,
        told: Callable[[int], None],
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._producer = producer
        self._change = change
        self._told = told

    async def run(self, state: Checkpoint, first: int, stop: int, stands: int) -> int:
        """Copy what is not copied yet; returns how many records that were.

        Args:
            first: The source's first kept offset.
            stop: Where to end: the source's next offset for readers of committed records.
            stands: The target's next offset. Beyond the checkpoint it shows what a killed
                migration had sent: as many records of the source are there already.
        Raises: Conflict("migrate.target_changed") when somebody else writes to the target.
        """
        if stands < state.count:
            raise Conflict("migrate.target_changed", topic=state.topic, partition=state.partition)
        offsets = self._ledger.maps[state.where]
        digest = bytes.fromhex(state.digest)
        there = stands - state.count
        copied = noted = 0
        begin = max(first, state.next)
        if begin < stop:
            reading = self._reader.read(
                state.topic, state.partition, begin, stop, burst=BURST_RECORDS
            )
            async with aclosing(reading) as bursts:
                async for records in bursts:
                    moved = [self._change(record) for record in records]
                    for record, each in zip(records, moved, strict=True):
                        offsets.add(record.offset)
                        digest = chained(digest, each)
                    fresh = moved[there:]
                    there = max(0, there - len(moved))
                    if fresh:
                        await self._send(state, fresh, offsets.count - len(fresh))
                    copied += len(fresh)
                    self._told(len(records))
                    state.next, state.count = records[-1].offset + 1, offsets.count
                    state.digest = digest.hex()
                    noted += len(records)
                    if noted >= CHECKPOINT_RECORDS and not there:
                        await self._ledger.write(state)
                        noted = 0
        if there:  # more than the source ever had
            raise Conflict("migrate.target_changed", topic=state.topic, partition=state.partition)
        if begin < stop or not state.count:
            state.next = max(stop, state.next)
            await self._ledger.write(state)
        return copied

    async def _send(self, state: Checkpoint, records: list[Moved], expected: int) -> None:
        results = await self._producer.send_batch(
            ProducerRecord(
                topic=state.topic,
                partition=state.partition,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                timestamp=record.timestamp,
            )
            for record in records
        )
        if results[0].offset != expected or results[-1].offset != expected + len(records) - 1:
            raise Conflict("migrate.target_changed", topic=state.topic, partition=state.partition)


def as_read(record: ConsumerRecord) -> Moved:
    """A record of the target, for its checksum."""
    return Moved(record.key, record.value, record.headers.pairs, record.timestamp)
