"""Changing what exists: more partitions, a later start of a partition, the broker's own configs.

Each change is a fact in the metadata log and is answered when that is durable. Configs act as soon
as they are staged and are taken back should that fail. Partitions are made after their fact, so
that a start after a crash makes those that are missing.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.broker import broker_configs
from summit.broker.catalogue import PARTITIONS_MAX, Catalogue
from summit.broker.commit import CommitScheduler
from summit.broker.disk_thread import Worker
from summit.broker.metadata_log import (
    BrokerConfigured,
    Fact,
    Facts,
    MetadataLog,
    RecordsDeleted,
    TopicGrown,
)
from summit.broker.settings import BrokerSettings
from summit.broker.topics import Partition, Topic, TopicTable
from summit.log.partition import PartitionLog

Done = Callable[[SummitError | None], None]

EVERY_BROKER: Final = ""  # the name under which configs hold for all brokers

_log = get_logger(__name__)


class Altering:
    """Everything that changes a topic or the broker's configs. Loop thread only.

    Attributes:
        settings: What the broker was started with, and on top what was set at run time.
        on_settings: Hears other settings.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        catalogue: Catalogue,
        topics: TopicTable,
        disk: Worker,
        commit: CommitScheduler,
        metadata: MetadataLog,
    ) -> None:
        self.static = self.settings = settings
        self.on_settings: Callable[[BrokerSettings], None] = lambda settings: None
        self._catalogue = catalogue
        self._topics = topics
        self._disk = disk
        self._commit = commit
        self._metadata = metadata
        self._overrides: dict[str, dict[str, str]] = {}

    # ---- partitions ----

    @staticmethod
    def check_growth(topic: Topic, count: int) -> None:
        """Raise Invalid unless a topic may grow to `count` partitions."""
        if topic.is_internal:
            raise Invalid("topic.internal", topic=topic.name)
        current = len(topic.partitions)
        if count <= current:
            raise Invalid("topic.not_grown", topic=topic.name, current=current, partitions=count)
        if count > PARTITIONS_MAX:
            raise Invalid("topic.partitions_invalid", partitions=count, most=PARTITIONS_MAX)

    def grow(self, topic: Topic, count: int, done: Done) -> None:
        """Add partitions until there are `count`. Raises SummitError."""
        self.check_growth(topic, count)
        if topic.is_deleted:
            raise Unavailable("topic.being_deleted", topic=topic.name)
        if topic.is_changing:
            raise Unavailable("topic.being_changed", topic=topic.name)
        self._metadata.stage(TopicGrown(topic.name, topic.topic_id, count))
        topic.is_changing = True

        def durable(error: SummitError | None) -> None:
            if error is not None:
                grown(None, error)
                return
            indexes = range(len(topic.partitions), count)
            make = functools.partial(self._catalogue.make_partitions, topic, indexes)
            self._disk.run(make, grown)

        def grown(logs: list[PartitionLog] | None, error: SummitError | None) -> None:
            topic.is_changing = False
            if logs is not None:
                self._topics.extend(topic, [Partition(topic, log.index, log) for log in logs])
                _log.info("topic.grown", topic=topic.name, partitions=count)
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    # ---- records ----

    def delete_records(self, partition: Partition, offset: int, done: Done) -> None:
        """Delete the records below `offset`. Raises SummitError."""
        log, topic = partition.log, partition.topic
        if not 0 <= offset <= log.high_watermark:
            raise Invalid(
                "log.offset_out_of_range", topic=topic.name, partition=partition.index,
                offset=offset, first=log.start_offset, end=log.high_watermark,
            )  # fmt: skip
        if offset <= log.start_offset:
            done(None)
            return
        self._metadata.stage(RecordsDeleted(topic.topic_id, partition.index, offset))

        def durable(error: SummitError | None) -> None:
            if error is None and not topic.is_deleted:
                partition.deleted_to = max(partition.deleted_to, offset)
                log.advance_start(offset)
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    # ---- the broker's configs ----

    def overrides(self, name: str) -> dict[str, str]:
        """What was set at run time for a broker, or for every broker."""
        return self._overrides.get(name, {})

    def configure_broker(self, name: str, configs: Mapping[str, str | None], done: Done) -> None:
        """Replace all that is set at run time for a broker, or every one. Raises SummitError."""
        checked = broker_configs.validate(f"broker '{name}'", configs)
        self._metadata.stage(BrokerConfigured(name, checked))
        before = self.overrides(name)
        self._override(name, checked)

        def durable(error: SummitError | None) -> None:
            if error is not None and self.overrides(name) is checked:
                self._override(name, before)
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    def _override(self, name: str, configs: dict[str, str]) -> None:
        self._overrides[name] = configs
        own = str(self.static.broker_id)
        merged = {**self.overrides(EVERY_BROKER), **self.overrides(own)}
        self.settings = broker_configs.with_overrides(self.static, merged)
        self._catalogue.use(self.settings)
        self.on_settings(self.settings)

    # ---- at start and for the rewriter ----

    def restore_configs(self, facts: Facts) -> None:
        """Bring back what was set at run time; before the topics are."""
        for name, configs in facts.broker_configs.items():
            self._override(name, configs)

    def restore_starts(self, deleted_to: Mapping[tuple[uuid.UUID, int], int]) -> None:
        """Bring back the starts of partitions; after the topics are."""
        for (topic_id, index), wanted in deleted_to.items():
            topic = self._topics.with_id(topic_id)
            if topic is None or index >= len(topic.partitions):
                continue
            partition = topic.partitions[index]
            # A crash of the machine may have cost the end of the log; what is written there from
            # now on is not deleted.
            partition.deleted_to = min(wanted, partition.log.high_watermark)
            partition.log.advance_start(partition.deleted_to)
            if partition.deleted_to < wanted:
                self._metadata.stage(RecordsDeleted(topic_id, index, partition.deleted_to))

    def live_facts(self) -> list[Fact]:
        """Every fact of this class that the metadata log must hold."""
        facts: list[Fact] = [
            BrokerConfigured(name, configs) for name, configs in self._overrides.items() if configs
        ]
        facts += [
            RecordsDeleted(topic.topic_id, partition.index, partition.deleted_to)
            for topic in self._topics
            for partition in topic.partitions
            if partition.deleted_to
        ]
        return facts
