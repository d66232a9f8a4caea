"""How far each file has been written, as the log itself tells it.

The last record of a file in its partition says where to go on. To find it without reading whole
partitions, some records carry a checkpoint in the header `summit.files`: for one collector, the
last coordinate of every file in this partition before this record.

    {"collector": "auth", "files": {"801-2f0a-400-9f86d081884c7d65": [40960, 0]}}

Reading goes backwards in growing steps and ends at the youngest checkpoint of this collector, or
at the beginning of the partition.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from summit.ingest.dead_letters import dead_letter_topic
from summit.ingest.files.coordinates import Coordinate, parse_coordinate
from summit.ingest.files.log_access import LogAccess

CHECKPOINT_RECORDS: Final = 10_000  # records of a partition between two checkpoints
CHECKPOINT_FILES_MAX: Final = 1_000  # files in one checkpoint; those written last stay
_STEP_FIRST: Final = 2_000
_STEP_MAX: Final = 100_000


class Mark(NamedTuple):
    """The last record of a file: its place in the file and in the log."""

    offset: int
    sub: int
    topic: str
    partition: int


class _Checkpoint(msgspec.Struct):
    collector: str
    files: dict[str, tuple[int, int]]


class Ledger:
    """The marks of all files in one topic and its dead letters.

    Args:
        collector: Whose checkpoints count.
        topic: The topic of the collector.
    """

    def __init__(self, log: LogAccess, collector: str, topic: str) -> None:
        self._log = log
        self._collector = collector
        self._topics = (topic, dead_letter_topic(topic))
        self._marks: dict[str, Mark] = {}
        self._since: dict[tuple[str, int], int] = {}
        self.partitions: dict[str, int] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.newest_ms = 0
        self.records_read = 0

    def mark(self, identity: str) -> Mark | None:
        """The last record of the file, None when it has none."""
        return self._marks.get(identity)

    def identities(self) -> list[str]:
        """Every file that has records."""
        return list(self._marks)

    async def load(self) -> None:
        """Read the ends of all partitions. Raises SummitError when the log cannot be read."""
        self._marks.clear()
        for topic in self._topics:
            count = await self._log.partition_count(topic)
            self.partitions[topic] = count
            for partition in range(count):
                first, stop = await self._log.span(topic, partition)
                found = await self._read_back(topic, partition, first, stop)
                self._merge(topic, partition, found)
                self.ends[topic, partition] = stop

    async def catch_up(self) -> bool:
        """Read what was added since `load`; True when it held records of files.

        A process that was killed may have sent more than was readable when this one looked.
        """
        news = False
        for (topic, partition), seen in list(self.ends.items()):
            _, stop = await self._log.span(topic, partition)
            if stop > seen:
                found, _ = await self._read_span(topic, partition, seen, stop)
                self._merge(topic, partition, found)
                self.ends[topic, partition] = stop
                news = news or bool(found)
        return news

    async def present(
        self, identity: str, topic: str, partition: int, first: int
    ) -> set[tuple[int, int]]:
        """Offset and sub of the file's records that the log holds from offset `first` on."""
        places: set[tuple[int, int]] = set()
        if partition >= await self._log.partition_count(topic):
            return places
        start, stop = await self._log.span(topic, partition)
        if stop > first:
            async for batch in self._log.read(topic, partition, max(first, start), stop):
                for record in batch:
                    found = parse_coordinate(record.source)
                    if found is not None and found.identity == identity:
                        places.add((found.offset, found.sub))
        return places

    def note(self, place: Coordinate, topic: str, partition: int, *, checkpointed: bool) -> None:
        """A record was handed to the producer, with or without a checkpoint."""
        # Taken out first, so that the dictionary's order is the order of the last records.
        self._marks.pop(place.identity, None)
        self._marks[place.identity] = Mark(place.offset, place.sub, topic, partition)
        if checkpointed:
            self._since[topic, partition] = 0
        elif (topic, partition) in self._since:
            self._since[topic, partition] += 1

    def checkpoint_due(self, topic: str, partition: int) -> bool:
        """Whether the next record of the partition should carry a checkpoint.

        It may only be taken while nothing is in flight: it must not promise what may fail.
        """
        return self._since.get((topic, partition), CHECKPOINT_RECORDS) >= CHECKPOINT_RECORDS

    def checkpoint(self, topic: str, partition: int) -> bytes:
        """The checkpoint for the next record of the partition."""
        here = [
            (identity, (mark.offset, mark.sub))
            for identity, mark in self._marks.items()
            if mark.topic == topic and mark.partition == partition
        ]
        files = dict(here[-CHECKPOINT_FILES_MAX:])
        return msgspec.json.encode(_Checkpoint(self._collector, files))

    def _merge(self, topic: str, partition: int, found: dict[str, tuple[int, int]]) -> None:
        for identity, place in found.items():
            known = self._marks.get(identity)
            if known is None or place > (known.offset, known.sub):
                self._marks[identity] = Mark(*place, topic, partition)

    async def _read_back(
        self, topic: str, partition: int, first: int, stop: int
    ) -> dict[str, tuple[int, int]]:
        result: dict[str, tuple[int, int]] = {}
        step = _STEP_FIRST
        while stop > first:
            start = max(first, stop - step)
            found, complete = await self._read_span(topic, partition, start, stop)
            result = {**found, **result}
            if complete:
                break
            stop = start
            step = min(step * 4, _STEP_MAX)
        return result

    async def _read_span(
        self, topic: str, partition: int, first: int, stop: int
    ) -> tuple[dict[str, tuple[int, int]], bool]:
        """The last place of each file in a span, and whether a checkpoint covers what is before."""
        found: dict[str, tuple[int, int]] = {}
        complete = False
        async for batch in self._log.read(topic, partition, first, stop):
            self.records_read += len(batch)
            for record in batch:
                if record.checkpoint is not None:
                    files = self._files_of(record.checkpoint)
                    if files is not None:
                        found.update(files)
                        complete = True
                place = parse_coordinate(record.source)
                if place is not None:
                    found[place.identity] = (place.offset, place.sub)
                    self.newest_ms = max(self.newest_ms, record.timestamp)
        return found, complete

    def _files_of(self, header: bytes) -> dict[str, tuple[int, int]] | None:
        """The files of a checkpoint of this collector; None for others' and for garbage."""
        try:
            checkpoint = msgspec.json.decode(header, type=_Checkpoint)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return checkpoint.files if checkpoint.collector == self._collector else None
