"""The broker's own facts, in an internal one-partition log: topics, configs, users, producer ids.

Each record is a JSON object; its member `type` says which of the classes below it is. Later
records win. Written and made durable through the same commit as everything else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Corrupt
from summit.log.partition import PartitionLog
from summit.records import Record, build_batch, iter_records, parse_header, split_batches

METADATA_TOPIC_ID: Final = uuid.UUID(int=1)
_READ_BYTES: Final = 1 << 20


class TopicCreated(msgspec.Struct, tag="topicCreated", frozen=True, rename="camel"):
    """A topic came to be, or this is how it stands: the last one of its id holds."""

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


class TopicGrown(msgspec.Struct, tag="topicGrown", frozen=True, rename="camel"):
    """A topic has, or is to get, this many partitions; a start makes those that are missing."""

    name: str
    topic_id: uuid.UUID
    partitions: int


class TopicConfigured(msgspec.Struct, tag="topicConfigured", frozen=True, rename="camel"):
    """These are all the configs that are set for a topic."""

    name: str
    topic_id: uuid.UUID
    configs: dict[str, str]


class RecordsDeleted(msgspec.Struct, tag="recordsDeleted", frozen=True, rename="camel"):
    """The records of a partition below `offset` were deleted on request."""

    topic_id: uuid.UUID
    partition: int
    offset: int


class BrokerConfigured(msgspec.Struct, tag="brokerConfigured", frozen=True, rename="camel"):
    """These are all the configs set at run time for a broker, or with no name for all of them."""

    name: str
    configs: dict[str, str]


class UserCredential(msgspec.Struct, tag="userCredential", frozen=True, rename="camel"):
    """What is kept of a user's password for a SCRAM mechanism; `protocol.scram` makes it."""

    user: str
    mechanism: str
    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class UserCredentialDeleted(
    msgspec.Struct, tag="userCredentialDeleted", frozen=True, rename="camel"
):
    """A user has no credential for a SCRAM mechanism any more."""

    user: str
    mechanism: str


class AccessEntry(msgspec.Struct, tag="accessEntry", frozen=True, rename="camel"):
    """An entry of the access control lists, in Kafka's numbers (`protocol.acls`)."""

    resource: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int


class AccessDeleted(msgspec.Struct, tag="accessDeleted", frozen=True, rename="camel"):
    """An entry is gone."""

    entry: AccessEntry


class QuotaSet(msgspec.Struct, tag="quotaSet", frozen=True, rename="camel"):
    """These are all the quotas of an entity: kinds with names, null for the default of a kind."""

    entity: list[tuple[str, str | None]]
    values: dict[str, float]


Fact = (
    TopicCreated
    | TopicDeleted
    | TopicGrown
    | TopicConfigured
    | RecordsDeleted
    | BrokerConfigured
    | ProducerIdsReserved
    | UserCredential
    | UserCredentialDeleted
    | AccessEntry
    | AccessDeleted
    | QuotaSet
)

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
            batch = memoryview(data)[position : position + size]
            for record in iter_records(batch):
                if record.offset >= offset:
                    yield record
            offset = parse_header(batch).last_offset + 1  # compaction leaves holes


@dataclass(slots=True)
class Facts:
    """The outcome of all facts: what exists, what was deleted, which producer ids are used."""

    created: dict[str, TopicCreated] = field(default_factory=dict)
    deleted: set[uuid.UUID] = field(default_factory=set)
    next_producer_id: int = 0
    deleted_to: dict[tuple[uuid.UUID, int], int] = field(default_factory=dict)
    broker_configs: dict[str, dict[str, str]] = field(default_factory=dict)
    credentials: dict[tuple[str, str], UserCredential] = field(default_factory=dict)
    access: dict[AccessEntry, None] = field(default_factory=dict)
    quotas: dict[tuple[tuple[str, str | None], ...], QuotaSet] = field(default_factory=dict)

    def take(self, fact: Fact) -> None:
        """Apply the next fact."""
        match fact:
            case TopicCreated():
                self.created[fact.name] = fact
            case TopicDeleted():
                self.created.pop(fact.name, None)
                self.deleted.add(fact.topic_id)
            case TopicGrown():
                self._change(fact.name, fact.topic_id, partitions=fact.partitions)
            case TopicConfigured():
                self._change(fact.name, fact.topic_id, configs=fact.configs)
            case RecordsDeleted():
                self.deleted_to[fact.topic_id, fact.partition] = fact.offset
            case BrokerConfigured():
                self.broker_configs[fact.name] = fact.configs
            case UserCredential():
                self.credentials[fact.user, fact.mechanism] = fact
            case UserCredentialDeleted():
                self.credentials.pop((fact.user, fact.mechanism), None)
            case AccessEntry():
                self.access[fact] = None
            case AccessDeleted():
                self.access.pop(fact.entry, None)
            case QuotaSet():
                self.quotas[tuple(fact.entity)] = fact
            case ProducerIdsReserved():
                self.next_producer_id = max(self.next_producer_id, fact.next_id)

    def _change(self, name: str, topic_id: uuid.UUID, **fields: Any) -> None:
        known = self.created.get(name)
        if known is not None and known.topic_id == topic_id:
            self.created[name] = msgspec.structs.replace(known, **fields)


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
