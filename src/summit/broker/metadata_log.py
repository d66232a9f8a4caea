"""The broker's own facts, in an internal one-partition log: topics, configs, producer id blocks.

Each record is a JSON object; its member `type` says which of the classes below it is. Later
records win. Written and made durable through the same commit as everything else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Corrupt
from summit.log.partition import PartitionLog
from summit.records import Record, build_batch, iter_records, split_batches

METADATA_TOPIC_ID: Final = uuid.UUID(int=1)
_READ_BYTES: Final = 1 << 20


class TopicCreated(msgspec.Struct, tag="topicCreated", frozen=True, rename="camel"):
    """A topic came to be, or got other configs: the last one of its id holds."""

    name: str
    topic_id: uuid.UUID
    partitions: int
    configs: dict[str, str]


class TopicDeleted(msgspec.Struct, tag="topicDeleted", frozen=True, rename="camel"):
    """A topic is gone; its partitions may be removed at any time."""

    name: str
    topic_id: uuid.UUID


class ProducerIdsReserved(msgspec.Struct, tag="producerIdsReserved", frozen=True, rename="camel"):
    """Producer ids below `next_id` may have been given out."""

    next_id: int


Fact = TopicCreated | TopicDeleted | ProducerIdsReserved

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def read_all(log: PartitionLog) -> Iterator[Record]:
    """Every record of a partition from its start to its high watermark. Blocking reads."""
    offset = log.start_offset
    while offset < log.high_watermark:
        data = log.read(offset, _READ_BYTES)
        if not data:
            return
        for position, size in split_batches(data):
            for record in iter_records(memoryview(data)[position : position + size]):
                if record.offset >= offset:
                    yield record
                    offset = record.offset + 1


@dataclass(slots=True)
class Facts:
    """The outcome of all facts: what exists, what was deleted, which producer ids are used."""

    created: dict[str, TopicCreated] = field(default_factory=dict)
    deleted: set[uuid.UUID] = field(default_factory=set)
    next_producer_id: int = 0

    def take(self, fact: Fact) -> None:
        """Apply the next fact."""
        match fact:
            case TopicCreated():
                self.created[fact.name] = fact
            case TopicDeleted():
                self.created.pop(fact.name, None)
                self.deleted.add(fact.topic_id)
            case ProducerIdsReserved():
                self.next_producer_id = max(self.next_producer_id, fact.next_id)


class MetadataLog:
    """Appends facts and reads them back at start."""

    def __init__(self, log: PartitionLog, clock: Clock) -> None:
        self.log = log
        self.logs = (log,)  # for `CommitScheduler.when_durable`
        self._clock = clock

    @staticmethod
    def encode(fact: Fact) -> bytes:
        """The value of a fact's record."""
        return _encoder.encode(fact)

    def stage(self, fact: Fact) -> None:
        """Queue a fact for the next commit group. Raises SummitError as `PartitionLog.stage`."""
        now_ms = self._clock.now_ms()
        record = Record(
            offset=0, timestamp=now_ms, key=None, value=_encoder.encode(fact), headers=()
        )
        self.log.stage(build_batch([record]), now_ms)

    def replay(self) -> Facts:
        """What all facts come to. Raises: Corrupt("disk.file_damaged") for one that is none."""
        facts = Facts()
        for record in read_all(self.log):
            if record.value is None:
                continue
            try:
                facts.take(_decoder.decode(record.value))
            except msgspec.DecodeError as error:
                raise Corrupt("disk.file_damaged", path=self.log.directory) from error
        return facts
