"""How far each file has been written, as the log itself tells it.

Every record of a file carries its place there, so the log says which places it holds. To find out
without reading whole partitions, some records carry a checkpoint in the header `summit.files`:
for one collector, how far every file of this partition was complete before this record.

    {"collector": "auth", "files": {"801-2f0a-400-9f86d081884c7d65": [40960, 0]}}

A checkpoint is only written while nothing is on its way, so below it there are no holes. Reading
goes backwards in growing steps and ends at the youngest checkpoint of this collector, or at the
beginning of the partition; above the checkpoint every single place is known, so that a hole left
by a crash in the middle of trouble is found and filled.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from summit.base.limits import FILE_IN_FLIGHT_RECORDS_MAX
from summit.client.dead_letters import dead_letter_topic
from summit.ingest.files.coordinates import Coordinate, parse_coordinate
from summit.ingest.files.log_access import LogAccess

CHECKPOINT_RECORDS: Final = 10_000  # records of a partition between two checkpoints
CHECKPOINT_FILES_MAX: Final = 1_000  # files in one checkpoint; those written last stay
# Places kept per file where no checkpoint is found: a hole is never older than what was in flight.
_PLACES_MAX: Final = 2 * FILE_IN_FLIGHT_RECORDS_MAX
_STEP_FIRST: Final = 2_000
_STEP_MAX: Final = 100_000

Place = tuple[int, int]  # offset of the line, and which of its events


class Resume(NamedTuple):
    """What the log holds of a file.

    Attributes:
        base: Everything up to here is there; None when nothing is known to be complete.
        present: Places above `base` that are there.
        top: The highest place that is there.
    """

    base: Place | None
    present: frozenset[Place]
    top: Place

    def holds(self, place: Place) -> bool:
        """Whether the event at this place is in the log."""
        return (self.base is not None and place <= self.base) or place in self.present


class _Checkpoint(msgspec.Struct):
    collector: str
    files: dict[str, Place]


class _Span(NamedTuple):
    """What a stretch of a partition says.

    Attributes:
        bases: The files of its youngest checkpoint; None without one.
        places: Places of each file in it, above that checkpoint.
    """

    bases: dict[str, Place] | None
    places: dict[str, list[Place]]


class Ledger:
    """What the log holds of all files in one topic and its dead letters.

    Args:
        collector: Whose checkpoints count.
        topic: The topic of the collector.
    """

    def __init__(self, log: LogAccess, collector: str, topic: str) -> None:
        self._log = log
        self._collector = collector
        self._topics = (topic, dead_letter_topic(topic))
        self._bases: dict[str, Place] = {}
        self._places: dict[str, set[Place]] = {}
        self._tops: dict[str, Place] = {}
        self._sent: dict[str, Place] = {}
        self._homes: dict[tuple[str, str], int] = {}
        self._since: dict[tuple[str, int], int] = {}
        self._unsure: set[tuple[str, str]] = set()
        self.partitions: dict[str, int] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.newest_ms = 0
        self.records_read = 0

    # ---- what is in the log ----

    async def load(self) -> None:
        """Read the ends of all partitions. Raises SummitError when the log cannot be read."""
        for known in (self._bases, self._places, self._tops, self._sent, self._homes):
            known.clear()
        self._unsure.clear()
        for topic in self._topics:
            count = await self._log.partition_count(topic)
            self.partitions[topic] = count
            for partition in range(count):
                first, stop = await self._log.span(topic, partition)
                await self._read_back(topic, partition, first, stop)
                self.ends[topic, partition] = stop

    async def catch_up(self) -> bool:
        """Read what was added since `load`; True when it held records of files.

        A process that was killed may have sent more than was readable when this one looked.
        """
        news = False
        for (topic, partition), seen in list(self.ends.items()):
            _, stop = await self._log.span(topic, partition)
            if stop > seen:
                span = await self._read_span(topic, partition, seen, stop)
                self._merge(topic, partition, span)
                self.ends[topic, partition] = stop
                news = news or bool(span.places)
        return news

    async def present(
        self, identity: str, topic: str, partition: int, first: int
    ) -> set[tuple[int, int]]:
        """Places of the file's records that the log holds from offset `first` on."""
        if partition >= await self._log.partition_count(topic):
            return set()
        start, stop = await self._log.span(topic, partition)
        if stop <= first:
            return set()
        span = await self._read_span(topic, partition, max(first, start), stop, whole=True)
        return set(span.places.get(identity, ()))

    def identities(self) -> list[str]:
        """Every file that has records; those written in this run last, in their order."""
        return [*(one for one in self._tops if one not in self._sent), *self._sent]

    def resume(self, identity: str) -> Resume | None:
        """What the log held of a file at `load`; None when nothing."""
        base = self._bases.get(identity)
        places = self._places.get(identity, set())
        above = frozenset(place for place in places if base is None or place > base)
        if above:
            return Resume(base, above, max(above))
        return Resume(base, above, base) if base is not None else None

    def home(self, identity: str, topic: str) -> int | None:
        """The partition of a topic where the file's records are, None when it has none there."""
        return self._homes.get((identity, topic))

    def done(self, identity: str) -> tuple[int, int] | None:
        """The stamp with which the file was complete, where that is kept: not here."""
        return None

    # ---- what is being written ----

    def distrust(self, identity: str, why: str) -> None:
        """The file may have holes: no checkpoint in its partitions until `trust`."""
        self._unsure.add((identity, why))

    def trust(self, identity: str, why: str) -> None:
        """The holes that `distrust` spoke of are filled."""
        self._unsure.discard((identity, why))

    def note(
        self, place: Coordinate, topic: str, partition: int, *, checkpointed: bool, count: int = 1
    ) -> None:
        """Records up to a place were handed to the producer, the first with a checkpoint or not."""
        # Taken out first, so that the dictionary's order is the order of the last records.
        known = self._sent.pop(place.identity, (-1, -1))
        self._sent[place.identity] = max(known, (place.offset, place.sub))
        self._homes[place.identity, topic] = partition
        if checkpointed:
            self._since[topic, partition] = count - 1
        elif (topic, partition) in self._since:
            self._since[topic, partition] += count

    def checkpoint_due(self, topic: str, partition: int) -> bool:
        """Whether the next record of the partition should carry a checkpoint.

        It may only be taken while nothing is in flight: it must not promise what may fail.
        """
        if self._since.get((topic, partition), CHECKPOINT_RECORDS) < CHECKPOINT_RECORDS:
            return False
        return all(self._homes.get((one, topic)) != partition for one, _ in self._unsure)

    def checkpoint(self, topic: str, partition: int) -> bytes:
        """The checkpoint for the next record of the partition."""
        here = [
            identity
            for identity in self.identities()
            if self._homes.get((identity, topic)) == partition
        ]
        files = {identity: self._top(identity) for identity in here[-CHECKPOINT_FILES_MAX:]}
        return msgspec.json.encode(_Checkpoint(self._collector, files))

    def _top(self, identity: str) -> Place:
        """The highest place that is in the log or on its way there."""
        none = (-1, -1)
        return max(self._tops.get(identity, none), self._sent.get(identity, none))

    # ---- reading ----

    async def _read_back(self, topic: str, partition: int, first: int, stop: int) -> None:
        step = _STEP_FIRST
        while stop > first:
            start = max(first, stop - step)
            span = await self._read_span(topic, partition, start, stop)
            self._merge(topic, partition, span)
            if span.bases is not None:
                break
            stop = start
            step = min(step * 4, _STEP_MAX)

    def _merge(self, topic: str, partition: int, span: _Span) -> None:
        for identity, place in (span.bases or {}).items():
            self._homes[identity, topic] = partition
            self._bases[identity] = max(place, self._bases.get(identity, place))
            self._tops[identity] = max(place, self._tops.get(identity, place))
        for identity, places in span.places.items():
            self._homes[identity, topic] = partition
            known = self._places.setdefault(identity, set())
            top = max(places)
            self._tops[identity] = max(top, self._tops.get(identity, top))
            if len(known) < _PLACES_MAX:
                known.update(places)
            else:
                self._bases[identity] = max(top, self._bases.get(identity, top))

    async def _read_span(
        self, topic: str, partition: int, first: int, stop: int, *, whole: bool = False
    ) -> _Span:
        bases: dict[str, Place] | None = None
        places: dict[str, list[Place]] = {}
        async for batch in self._log.read(topic, partition, first, stop):
            self.records_read += len(batch)
            for record in batch:
                if record.checkpoint is not None and not whole:
                    files = self._files_of(record.checkpoint)
                    if files is not None:
                        bases, places = files, {}
                found = parse_coordinate(record.source)
                if found is not None:
                    places.setdefault(found.identity, []).append((found.offset, found.sub))
                    self.newest_ms = max(self.newest_ms, record.timestamp)
        return _Span(bases, places)

    def _files_of(self, header: bytes) -> dict[str, Place] | None:
        """The files of a checkpoint of this collector; None for others' and for garbage."""
        try:
            checkpoint = msgspec.json.decode(header, type=_Checkpoint)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return checkpoint.files if checkpoint.collector == self._collector else None
