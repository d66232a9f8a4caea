"""Readers: they follow partitions, or look again from the start, and tell all they were given.

A reader of committed data filters as clients do: below the last stable offset it drops the records
of the producers that the answer says have aborted, up to their markers.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tests.sim.actors.actor import AGAIN, Actor, Stage
from tests.sim.actors.client import Lost
from tests.sim.actors.history import Pass, Place, Topic

from summit.protocol import codes
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.records import check_crc, iter_records, parse_header, split_batches

_NO_SESSION = (0, -1)


@dataclass(slots=True, eq=False)
class Cursor:
    """Where a reader is in one partition."""

    place: Place
    offset: int = 0
    high: int = -1  # as last told
    stable: int = -1


class Reader(Actor):
    """Reads some topics over and over."""

    first_version = 4  # of Fetch; the answer tells the log's start from 5 on

    def __init__(self, stage: Stage, name: str, topics: list[Topic], *, is_committed: bool) -> None:
        super().__init__(stage, name)
        self.is_committed = is_committed
        self.cursors = [
            Cursor(stage.history.place(topic, index))
            for topic in topics
            for index in range(topic.partition_count)
        ]
        self._by_key: dict[tuple[Any, int], Cursor] = {}
        for cursor in self.cursors:
            topic = cursor.place.topic
            self._by_key[topic.topic_id, cursor.place.index] = cursor
            self._by_key[topic.name, cursor.place.index] = cursor
        self._session = _NO_SESSION
        self._version = 4

    async def run(self) -> None:
        while not self.stage.is_closing:
            await self.look()
            await self.sleep_ms(0, self.chance.choice([5, 50, 600]))
            if self.chance.random() < 0.02:
                self.chance.choice(self.cursors).offset = 0

    async def look(self) -> int:
        """One fetch. Returns: how many partitions moved."""
        chance = self.chance
        if self._session == _NO_SESSION:
            self._version = self.version(FETCH, self.first_version)
            if self._version >= 7 and chance.random() < 0.5:
                self._session = (0, 0)
        session_id, epoch = self._session
        request = FetchRequest(
            max_wait_ms=chance.choice([0, 50, 500, 1_500]),
            min_bytes=chance.choice([1, 1, 100, 2_000]),
            max_bytes=chance.choice([1 << 20, 3_000]),
            isolation_level=int(self.is_committed),
            session_id=session_id,
            session_epoch=epoch,
            topics=self._wanted(chance.choice([1 << 20, 1_000, 300])),
        )
        marks = {id(c): (self.history.mark(c.place), c.offset) for c in self.cursors}
        self.doing = "fetching"
        try:
            answer = await self.client.ask(FETCH, self._version, request)
        except Lost:
            self._session = _NO_SESSION
            await self.sleep_ms(20, 300)
            return 0
        if answer.error_code != codes.NONE:
            if answer.error_code not in AGAIN:
                raise self.wrong(f"a fetch was answered {codes.name_of(answer.error_code)}")
            self._session = _NO_SESSION
            return 0
        self._session = (answer.session_id, epoch + 1) if answer.session_id else _NO_SESSION
        if chance.random() < 0.02:
            self._session = _NO_SESSION  # the broker is left with one that nobody uses
        return await self._take(answer, marks)

    def _wanted(self, max_bytes: int) -> list[FetchTopic]:
        topics: list[FetchTopic] = []
        for cursor in self.cursors:
            topic = cursor.place.topic
            part = FetchPartition(
                index=cursor.place.index,
                fetch_offset=cursor.offset,
                partition_max_bytes=max_bytes,
            )
            if self._version >= 13:
                topics.append(FetchTopic(topic_id=topic.topic_id, partitions=[part]))
            else:
                topics.append(FetchTopic(name=topic.name, partitions=[part]))
        return topics

    async def _take(self, answer: Any, marks: dict[int, Any]) -> int:
        moved = 0
        for topic in answer.topics:
            key: str | uuid.UUID = topic.topic_id if self._version >= 13 else topic.name
            for part in topic.partitions:
                cursor = self._by_key[key, part.index]
                mark, offset = marks[id(cursor)]
                if part.error_code == codes.OFFSET_OUT_OF_RANGE:
                    await self._reset(cursor, mark)
                    continue
                if part.error_code != codes.NONE:
                    if part.error_code not in AGAIN:
                        error = codes.name_of(part.error_code)
                        raise self.wrong(f"a fetch of {key}-{part.index} was answered {error}")
                    continue
                cursor.high, cursor.stable = part.high_watermark, part.last_stable_offset
                start = part.log_start_offset if self._version >= 5 else -1
                self.history.told(
                    cursor.place, mark, part.high_watermark, part.last_stable_offset, start,
                    self.name,
                )  # fmt: skip
                if part.records:
                    moved += self._records(cursor, offset, part)
        return moved

    async def _reset(self, cursor: Cursor, mark: Any) -> None:
        """The offset is not there (any more): go on at the start."""
        if cursor.offset <= mark.high and not cursor.place.topic.is_trimmed:
            where = f"{cursor.place.topic.name}-{cursor.place.index}@{cursor.offset}"
            raise self.wrong(f"{where} is out of range, though it was there")
        start = await self.list_offset(cursor.place, -2)
        if start is not None:
            cursor.offset = start

    async def list_offset(self, place: Place, timestamp: int) -> int | None:
        """One ListOffsets; None when it could not be had just now."""
        mark = self.history.mark(place)
        version = self.version(LIST_OFFSETS)
        part = ListOffsetsPartition(partition_index=place.index, timestamp=timestamp)
        request = ListOffsetsRequest(
            isolation_level=int(self.is_committed),
            topics=[ListOffsetsTopic(name=place.topic.name, partitions=[part])],
        )
        try:
            answer = await self.client.ask(LIST_OFFSETS, version, request)
        except Lost:
            return None
        found = answer.topics[0].partitions[0]
        if found.error_code != codes.NONE:
            return None
        offset = int(found.offset)
        if timestamp == -2:
            self.history.told(place, mark, -1, -1, offset, self.name)
        elif timestamp == -1 and self.is_committed and version >= 2:
            self.history.told(place, mark, -1, offset, -1, self.name)
        elif timestamp == -1:
            self.history.told(place, mark, offset, -1, -1, self.name)
        return offset

    # ---- records ----

    def _records(self, cursor: Cursor, offset: int, part: Any) -> bool:
        """Take what a fetch from `offset` has given. Returns: whether it got further."""
        if cursor.offset != offset:
            return False
        place, data = cursor.place, bytes(part.records)
        where = f"{place.topic.name}-{place.index}"
        limit = part.last_stable_offset if self.is_committed else part.high_watermark
        starts = sorted((e.first_offset, e.producer_id) for e in part.aborted_transactions or [])
        aborting: set[int] = set()
        names: list[tuple[int, bytes]] = []
        places = split_batches(data)
        if sum(size for _, size in places) != len(data):
            raise self.wrong(f"{where}@{offset}: a batch is torn")
        stop = offset
        for position, size in places:
            batch = data[position : position + size]
            header = parse_header(batch)
            if not check_crc(batch, 0, size):
                raise self.wrong(f"{where}@{header.base_offset}: the checksum is wrong")
            if header.last_offset < stop:
                raise self.wrong(f"{where}@{header.base_offset}: before {stop}")
            if header.last_offset >= limit >= 0:
                raise self.wrong(f"{where}@{header.last_offset}: beyond {limit}")
            stop = header.last_offset + 1
            while starts and starts[0][0] <= header.last_offset:
                aborting.add(starts.pop(0)[1])
            if header.is_control:
                aborting.discard(header.producer_id)
                continue
            is_dropped = self.is_committed and (
                header.is_transactional and header.producer_id in aborting
            )
            for record in iter_records(batch):
                if record.offset < offset:
                    continue
                name = self.history.read(place, record, self.name)
                if not is_dropped:
                    names.append((record.offset, name))
        self.history.passes.append(Pass(place, self.is_committed, offset, stop, names, self.name))
        self.history.count("records read", len(names))
        cursor.offset = stop
        return True
