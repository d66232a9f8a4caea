"""Creating and deleting topics, durably, and bringing them back at start."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.broker import topic_configs
from summit.broker.commit import CommitScheduler
from summit.broker.metadata_log import MetadataLog, TopicCreated, TopicDeleted
from summit.broker.settings import BrokerSettings
from summit.broker.topics import Partition, Topic, TopicTable, check_topic_name
from summit.log.store import LogStore

# Hears the topic, or why there is none.
Created = Callable[[Topic | None, SummitError | None], None]
Deleted = Callable[[SummitError | None], None]

PARTITIONS_MAX = 10_000

_log = get_logger(__name__)


class Catalogue:
    """The only writer of the topic table. Loop thread only.

    A topic's partitions are made first and its fact is written second, so that a crash between
    the two leaves partitions without a fact, which the next start removes.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        rand: Rand,
        store: LogStore,
        topics: TopicTable,
        on_deleted: Callable[[Topic], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._topics = topics
        self._on_deleted = on_deleted
        self._creating: dict[str, list[Created]] = {}
        self._rand = rand
        self._commit: CommitScheduler | None = None
        self._metadata: MetadataLog | None = None

    def attach(self, commit: CommitScheduler, metadata: MetadataLog) -> None:
        """Make writing possible; until then only `restore` may be called."""
        self._commit = commit
        self._metadata = metadata

    # ---- creating ----

    def check(self, name: str, partitions: int, configs: Mapping[str, str | None]) -> dict[str, str]:
        """Everything that can be wrong with a new topic, without making it.

        Returns: The configs in canonical form.
        Raises: Invalid or Conflict("topic.exists").
        """
        check_topic_name(name)
        if self._topics.named(name) is not None or name in self._creating:
            raise Conflict("topic.exists", topic=name)
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise Invalid("topic.partitions_invalid", partitions=partitions, most=PARTITIONS_MAX)
        return topic_configs.validate(configs)

    def create(
        self, name: str, partitions: int, configs: Mapping[str, str | None], done: Created
    ) -> None:
        """Make a topic; `done` hears it when it is durable. Raises what `check` raises."""
        checked = self.check(name, partitions, configs)
        assert self._commit is not None
        assert self._metadata is not None
        topic_id = uuid.UUID(bytes=self._rand.bytes(16), version=4)
        topic = Topic(name, topic_id, checked)
        try:
            self._open_partitions(topic, partitions)
            self._metadata.stage(TopicCreated(name, topic_id, partitions, checked))
        except SummitError:
            self._store.delete_topic(name)
            raise
        self._creating[name] = [done]
        self._commit.when_durable(lambda error: self._created(topic, error))

    def ensure(self, name: str, done: Created) -> None:
        """Make a topic with the defaults unless it exists or is being made. Raises as `check`."""
        topic = self._topics.named(name)
        if topic is not None:
            done(topic, None)
        elif name in self._creating:
            self._creating[name].append(done)
        else:
            self.create(name, self._settings.num_partitions, {}, done)

    def _created(self, topic: Topic, error: SummitError | None) -> None:
        waiting = self._creating.pop(topic.name)
        if error is None:
            self._topics.add(topic)
            _log.info("topic.created", topic=topic.name, partitions=len(topic.partitions))
        else:
            self._store.delete_topic(topic.name)
        for done in waiting:
            done(topic if error is None else None, error)

    def _open_partitions(self, topic: Topic, count: int) -> None:
        values = topic_configs.effective(topic.configs, self._settings)
        topic.batch_max_bytes = int(values["max.message.bytes"])
        topic.min_insync_replicas = int(values["min.insync.replicas"])
        config = topic_configs.log_config(values)
        for index in range(count):
            log = self._store.partition(topic.name, index)
            if log is None:
                log = self._store.create_partition(topic.name, topic.topic_id, index, config)
            topic.partitions.append(Partition(topic, index, log))

    # ---- deleting ----

    def delete(self, topic: Topic, done: Deleted) -> None:
        """Delete a topic; from now on nothing more is written to it. Raises SummitError."""
        assert self._commit is not None
        assert self._metadata is not None
        if topic.is_deleted:
            raise Unavailable("topic.being_deleted", topic=topic.name)
        self._metadata.stage(TopicDeleted(topic.name, topic.topic_id))
        topic.is_deleted = True
        self._commit.when_durable(lambda error: self._deleted(topic, error, done))

    def _deleted(self, topic: Topic, error: SummitError | None, done: Deleted) -> None:
        if error is not None:
            topic.is_deleted = False
        else:
            self._topics.remove(topic)
            self._store.delete_topic(topic.name)
            self._on_deleted(topic)
            _log.info("topic.deleted", topic=topic.name)
        done(error)

    # ---- at start ----

    def restore(self, created: Mapping[str, TopicCreated]) -> None:
        """Bring the topics of the facts back and remove partitions that no fact names."""
        for fact in created.values():
            topic = Topic(fact.name, fact.topic_id, dict(fact.configs))
            self._open_partitions(topic, fact.partitions)
            self._topics.add(topic)
