"""The ledger of a migration: how far each partition is copied, kept in a topic of the target.

`_summit.migration` holds one JSON record per checkpoint; a partition's later record replaces its
numbers and adds its points to those before. The target may hold more than the last checkpoint
says, never less: a checkpoint is written when everything before it is acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec

from summit.base.errors import Conflict
from summit.client import (
    ClusterAdmin,
    LogReader,
    StreamProducer,
    TopicConfig,
    TopicPartition,
)
from summit.migration.offset_map import OffsetMap
from summit.migration.records import NO_DIGEST, name_of

LEDGER_TOPIC: Final = "_summit.migration"
_LEDGER: Final = TopicConfig(name=LEDGER_TOPIC, partitions=1, retention_ms=-1)


class Checkpoint(msgspec.Struct, kw_only=True, rename="camel"):
    """How far one partition is copied.

    Attributes:
        source: The cluster that it comes from.
        topic_id, target_id: Of the source's and of the target's topic; made anew it is another.
        next: First offset of the source that is not copied.
        count: Records copied: the next offset of the target.
        digest: Checksum of the copied records, as text.
        verified: So many of the first records were read again and compared.
        verified_digest: Checksum of those.
        points: What the offset map has gained since the partition's record before.
    """

    source: str
    topic: str
    partition: int
    topic_id: str
    target_id: str
    next: int = 0
    count: int = 0
    digest: str = NO_DIGEST.hex()
    verified: int = 0
    verified_digest: str = NO_DIGEST.hex()
    points: list[tuple[int, int]] = []

    @property
    def where(self) -> TopicPartition:
        """Topic and partition; the same on both sides."""
        return TopicPartition(self.topic, self.partition)


class Ledger:
    """The checkpoints of one target.

    Attributes:
        checkpoints: The last one of each partition; `points` hold all of them.
        maps: The offset map of each partition.
    """

    def __init__(self, producer: StreamProducer) -> None:
        self._producer = producer
        self._written: dict[TopicPartition, int] = {}
        self.checkpoints: dict[TopicPartition, Checkpoint] = {}
        self.maps: dict[TopicPartition, OffsetMap] = {}

    async def open(self, admin: ClusterAdmin, reader: LogReader) -> None:
        """Make the topic unless it is there, and read it. Raises Unavailable."""
        await admin.create_if_missing(_LEDGER)
        await self.read(reader)

    async def read(self, reader: LogReader) -> None:
        """Read what stands in the topic."""
        first, _ = await reader.span(LEDGER_TOPIC, 0)
        async with aclosing(reader.read(LEDGER_TOPIC, 0, first)) as bursts:
            async for records in bursts:
                for record in records:
                    self._take(msgspec.json.decode(record.value or b"{}"))

    def _take(self, entry: Mapping[str, Any]) -> None:
        fresh = msgspec.convert(entry, Checkpoint)
        known = self.checkpoints.get(fresh.where)
        if known is not None and known.target_id == fresh.target_id:
            fresh.points = [*known.points, *fresh.points]
        self.checkpoints[fresh.where] = fresh
        self._written[fresh.where] = len(fresh.points)
        self.maps[fresh.where] = OffsetMap(fresh.points, fresh.count)

    def begin(self, fresh: Checkpoint) -> Checkpoint:
        """The checkpoint of a partition of the target; `fresh` when there is none.

        Raises: Conflict("migrate.other_source") when it was begun from somewhere else.
        """
        where = fresh.where
        known = self.checkpoints.get(where)
        if known is None or known.target_id != fresh.target_id:
            self.checkpoints[where] = fresh
            self.maps[where] = OffsetMap()
            self._written[where] = 0
            return fresh
        if (known.source, known.topic_id) != (fresh.source, fresh.topic_id):
            raise Conflict("migrate.other_source", topic=where.topic, source=known.source)
        return known

    def has_begun(self, topic: str, target_id: str) -> bool:
        """Whether a migration has begun to fill this topic of the target."""
        return any(
            (each.topic, each.target_id) == (topic, target_id) for each in self.checkpoints.values()
        )

    async def write(self, checkpoint: Checkpoint) -> None:
        """Make a partition's checkpoint durable, with what its map has gained."""
        where = checkpoint.where
        checkpoint.points = self.maps[where].points
        written = self._written.get(where, 0)
        entry = msgspec.structs.replace(checkpoint, points=checkpoint.points[written:])
        await self._append(name_of(where), msgspec.json.encode(entry))
        self._written[where] = len(checkpoint.points)

    async def _append(self, key: str, value: bytes) -> None:
        await self._producer.send(
            {"topic": LEDGER_TOPIC, "partition": 0, "key": key, "value": value}
        )
