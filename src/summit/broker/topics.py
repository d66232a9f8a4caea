"""The topics of this broker as the loop sees them: names, ids, partitions, settings."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from summit.base.errors import Invalid
from summit.broker.metrics import TopicCounters
from summit.broker.preparing import BatchRules
from summit.log.partition import PartitionLog
from summit.protocol.primitives import uuid_of

if TYPE_CHECKING:
    from summit.broker.fetch_wait import FetchWait

OFFSETS_TOPIC: Final = "__consumer_offsets"
METADATA_TOPIC: Final = "__cluster_metadata"
TRANSACTIONS_TOPIC: Final = "__transaction_state"
INTERNAL_TOPICS: Final = frozenset({OFFSETS_TOPIC, METADATA_TOPIC, TRANSACTIONS_TOPIC})

_LEGAL_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def check_topic_name(name: str) -> None:
    """Raise Invalid("topic.name_invalid") unless Kafka allows the name."""
    if not _LEGAL_NAME.fullmatch(name) or name in (".", ".."):
        raise Invalid("topic.name_invalid", topic=name)


def flat_name(name: str) -> str:
    """The name as Kafka's metrics show it, where '.' and '_' cannot be told apart."""
    return name.replace(".", "_")


class Partition:
    """One partition: its log and the fetches that wait for it."""

    __slots__ = ("bytes_in", "deleted_to", "index", "log", "topic", "waits")

    def __init__(self, topic: Topic, index: int, log: PartitionLog) -> None:
        self.topic = topic
        self.index = index
        self.log = log
        self.bytes_in = 0  # staged since the start; tells a waiting fetch what may have come
        self.deleted_to = 0  # the offset below which records were deleted on request
        self.waits: dict[FetchWait, None] = {}  # in the order they came


class Topic:
    """One topic. `configs` holds only the keys that were set for it."""

    __slots__ = (
        "batch_max_bytes",
        "configs",
        "counters",
        "is_changing",
        "is_deleted",
        "is_internal",
        "min_insync_replicas",
        "name",
        "partitions",
        "rules",
        "topic_id",
    )

    def __init__(self, name: str, topic_id: uuid.UUID, configs: dict[str, str]) -> None:
        self.name = name
        self.topic_id = topic_id
        self.configs = configs
        self.partitions: list[Partition] = []
        self.is_internal = name in INTERNAL_TOPICS
        self.is_deleted = False
        self.is_changing = False  # partitions are being added
        self.batch_max_bytes = 0
        self.min_insync_replicas = 1
        self.rules = BatchRules()
        self.counters = TopicCounters()


class TopicTable:
    """Topics by name and by id. Loop thread only."""

    def __init__(self) -> None:
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[uuid.UUID, Topic] = {}
        self._flat: dict[str, str] = {}  # names as metrics show them, with '_' for '.'
        self._by_log: dict[PartitionLog, Partition] = {}
        self.version = 0  # another number after every topic that comes, goes or grows

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Topic | None:
        """The topic of that name."""
        return self._by_name.get(name)

    def with_id(self, topic_id: uuid.UUID) -> Topic | None:
        """The topic of that id."""
        return self._by_id.get(topic_id)

    def keyed(self, key: str | bytes) -> Topic | None:
        """The topic that a message names, or whose id it gives as 16 bytes."""
        return self._by_name.get(key) if isinstance(key, str) else self._by_id.get(uuid_of(key))

    def colliding(self, name: str) -> str | None:
        """The topic whose name differs from this one in nothing but '.' and '_'."""
        other = self._flat.get(flat_name(name))
        return None if other == name else other

    def partition(self, name: str, index: int) -> Partition | None:
        """One partition by topic name."""
        topic = self._by_name.get(name)
        if topic is None or not 0 <= index < len(topic.partitions):
            return None
        return topic.partitions[index]

    def of_log(self, log: PartitionLog) -> Partition | None:
        """The partition that a log belongs to, unless it was deleted."""
        return self._by_log.get(log)

    def add(self, topic: Topic) -> None:
        """Make a topic visible."""
        assert topic.name not in self._by_name
        self.version += 1
        self._by_name[topic.name] = topic
        self._flat.setdefault(flat_name(topic.name), topic.name)
        self._by_id[topic.topic_id] = topic
        for partition in topic.partitions:
            self._by_log[partition.log] = partition

    def extend(self, topic: Topic, partitions: list[Partition]) -> None:
        """Make further partitions of a topic visible."""
        self.version += 1
        topic.partitions = [*topic.partitions, *partitions]
        for partition in partitions:
            self._by_log[partition.log] = partition

    def remove(self, topic: Topic) -> None:
        """Take a topic out of sight."""
        topic.is_deleted = True
        self.version += 1
        del self._by_name[topic.name]
        if self._flat.get(flat_name(topic.name)) == topic.name:
            del self._flat[flat_name(topic.name)]
        del self._by_id[topic.topic_id]
        for partition in topic.partitions:
            self._by_log.pop(partition.log, None)
