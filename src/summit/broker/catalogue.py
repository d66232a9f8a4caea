"""Creating and deleting topics, durably, and bringing them back at start."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Container, Iterable, Mapping

from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.broker import topic_configs
from summit.broker.commit import CommitScheduler
from summit.broker.disk_thread import Worker, attempt
from summit.broker.metadata_log import (
    METADATA_TOPIC_ID,
    Fact,
    MetadataLog,
    TopicConfigured,
    TopicCreated,
    TopicDeleted,
)
from summit.broker.preparing import batch_rules
from summit.broker.settings import BrokerSettings
from summit.broker.topics import (
    INTERNAL_TOPICS,
    METADATA_TOPIC,
    OFFSETS_TOPIC,
    TRANSACTIONS_TOPIC,
    Partition,
    Topic,
    TopicTable,
    check_topic_name,
)
from summit.log.partition import PartitionLog
from summit.log.settings import LogConfig
from summit.log.store import LogStore

# Hears the topic, or why there is none.
Created = Callable[[Topic | None, SummitError | None], None]
Deleted = Callable[[SummitError | None], None]
Changed = Callable[[SummitError | None], None]

PARTITIONS_MAX = 10_000
# Made anew with the same id when their fact got lost.
_OWN_LOGS = (OFFSETS_TOPIC, TRANSACTIONS_TOPIC)
# Data and markers are written before the state of their transaction, a decision before the offsets
# that follow from it: a kill in between leaves what a start can finish.
_WRITE_RANKS = {TRANSACTIONS_TOPIC: 1, OFFSETS_TOPIC: 2}

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
        disk: Worker,
        on_deleted: Callable[[Topic], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._topics = topics
        self._disk = disk
        self._on_deleted = on_deleted
        self._creating: dict[str, list[Created]] = {}
        self._rand = rand
        self._commit: CommitScheduler | None = None
        self._metadata: MetadataLog | None = None

    def attach(self, commit: CommitScheduler, metadata: MetadataLog) -> None:
        """Make writing possible; until then only `restore` may be called."""
        self._commit = commit
        self._metadata = metadata

    def volume_bytes(self, path: str) -> tuple[int, int]:
        """The size of the volume that a log directory is on, and what is free of it.

        Raises: SummitError when the directory cannot be asked.
        """
        return self._store.volume_bytes(path)

    # ---- creating ----

    def check(
        self, name: str, partitions: int, configs: Mapping[str, str | None]
    ) -> dict[str, str]:
        """Everything that can be wrong with a new topic, without making it.

        Returns: The configs in canonical form.
        Raises: Invalid or Conflict("topic.exists").
        """
        check_topic_name(name)
        if name in INTERNAL_TOPICS:
            raise Conflict("topic.exists", topic=name)
        if self._topics.named(name) is not None or name in self._creating:
            raise Conflict("topic.exists", topic=name)
        other = self._topics.colliding(name)
        if other is not None:
            raise Invalid("topic.name_collides", topic=name, other=other)
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise Invalid("topic.partitions_invalid", partitions=partitions, most=PARTITIONS_MAX)
        return topic_configs.validate(configs)

    def create(
        self, name: str, partitions: int, configs: Mapping[str, str | None], done: Created
    ) -> None:
        """Make a topic; `done` hears it when it is durable. Raises what `check` raises.

        While another request makes it, `done` waits too: who hears that a topic exists asks for
        it next, and must find it.
        """
        if name in self._creating:
            self._creating[name].append(functools.partial(_was_made, name, done))
            return
        checked = self.check(name, partitions, configs)
        topic = self._new_topic(name, uuid.UUID(bytes=self._rand.bytes(16), version=4), checked)
        self._creating[name] = [done]
        self._disk.run(
            functools.partial(self.make_partitions, topic, range(partitions)),
            functools.partial(self._made, topic, partitions),
        )

    def ensure(self, name: str, done: Created) -> None:
        """Make a topic with the defaults unless it exists or is being made. Raises as `check`."""
        topic = self._topics.named(name)
        if topic is not None:
            done(topic, None)
        elif name in self._creating:
            self._creating[name].append(done)
        else:
            self.create(name, self._settings.num_partitions, {}, done)

    def _new_topic(self, name: str, topic_id: uuid.UUID, configs: dict[str, str]) -> Topic:
        topic = Topic(name, topic_id, configs)
        values = topic_configs.effective(configs, self._settings)
        self._take_values(topic, values)
        return topic

    def _take_values(self, topic: Topic, values: Mapping[str, str]) -> None:
        topic.batch_max_bytes = int(values["max.message.bytes"])
        topic.min_insync_replicas = int(values["min.insync.replicas"])
        topic.rules = batch_rules(values)

    def _log_config(self, topic: Topic) -> LogConfig:
        if topic.is_internal:
            is_table = topic.name in _OWN_LOGS
            return topic_configs.COMPACTED if is_table else topic_configs.KEPT_FOR_EVER
        return topic_configs.log_config(topic_configs.effective(topic.configs, self._settings))

    def make_partitions(self, topic: Topic, indexes: Iterable[int]) -> list[PartitionLog]:
        """Disk thread only, or at start."""
        config = self._log_config(topic)
        return self._store.create_partitions(topic.name, topic.topic_id, indexes, config)

    def _made(
        self, topic: Topic, count: int, logs: list[PartitionLog] | None, error: SummitError | None
    ) -> None:
        assert self._commit is not None
        assert self._metadata is not None
        if logs is not None:
            topic.partitions = [Partition(topic, log.index, log) for log in logs]
            fact = TopicCreated(topic.name, topic.topic_id, count, topic.configs)
            try:
                self._metadata.stage(fact)
            except SummitError as refused:
                error = refused
            else:
                self._commit.when_durable(
                    functools.partial(self._created, topic), self._metadata.logs
                )
                return
        self._created(topic, error)

    def _created(self, topic: Topic, error: SummitError | None) -> None:
        waiting = self._creating.pop(topic.name)
        if error is None:
            self._topics.add(topic)
            _log.info("topic.created", topic=topic.name, partitions=len(topic.partitions))
        else:
            if topic.partitions:
                self._remove_files(topic)
            _log.warning("topic.not_created", topic=topic.name, error=str(error))
        for done in waiting:
            done(topic if error is None else None, error)

    # ---- changing ----

    def set_configs(
        self,
        topic: Topic,
        configs: Mapping[str, str | None],
        done: Changed,
        *,
        validate_only: bool = False,
    ) -> None:
        """Replace all configs that are set for a topic; what is left out falls to its default.

        They hold at once, for batches and segments from now on, so that a change made next sees
        them; `done` hears when they are durable. If that fails, the old ones hold again.

        Raises: Invalid("topic.config_invalid" | "topic.internal"), nothing changed.
        """
        assert self._commit is not None
        assert self._metadata is not None
        if topic.is_internal:
            raise Invalid("topic.internal", topic=topic.name)
        if topic.is_deleted:
            raise Unavailable("topic.being_deleted", topic=topic.name)
        checked = topic_configs.validate(configs)
        if validate_only:
            done(None)
            return
        before = topic.configs
        self._metadata.stage(TopicConfigured(topic.name, topic.topic_id, checked))
        self._apply(topic, checked)

        def durable(error: SummitError | None) -> None:
            if error is not None and topic.configs is checked:
                self._apply(topic, before)
            elif error is None:
                _log.info("topic.configured", topic=topic.name, configs=checked)
            done(error)

        self._commit.when_durable(durable, self._metadata.logs)

    def _apply(self, topic: Topic, configs: dict[str, str]) -> None:
        topic.configs = configs
        self._take_values(topic, topic_configs.effective(configs, self._settings))
        config = self._log_config(topic)
        for partition in topic.partitions:
            partition.log.config = config

    def use(self, settings: BrokerSettings) -> None:
        """Take other defaults; topics that do not say otherwise follow at once."""
        self._settings = settings
        for topic in self._topics:
            self._apply(topic, topic.configs)

    # ---- deleting ----

    def delete(self, topic: Topic, done: Deleted) -> None:
        """Delete a topic; from now on nothing more is written to it. Raises SummitError."""
        assert self._commit is not None
        assert self._metadata is not None
        if topic.is_deleted:
            raise Unavailable("topic.being_deleted", topic=topic.name)
        if topic.is_changing:
            raise Unavailable("topic.being_changed", topic=topic.name)
        self._metadata.stage(TopicDeleted(topic.name, topic.topic_id))
        topic.is_deleted = True
        self._commit.when_durable(
            lambda error: self._deleted(topic, error, done), self._metadata.logs
        )

    def _deleted(self, topic: Topic, error: SummitError | None, done: Deleted) -> None:
        if error is not None:
            topic.is_deleted = False
        else:
            self._topics.remove(topic)
            self._remove_files(topic)
            self._on_deleted(topic)
            _log.info("topic.deleted", topic=topic.name)
        done(error)

    def _remove_files(self, topic: Topic) -> None:
        _, error = attempt(lambda: self._store.delete_topic(topic.name))
        if error is not None:  # the next start finds them and removes them
            _log.error("topic.files_left", topic=topic.name, error=str(error))

    def live_facts(self) -> list[Fact] | None:
        """Every fact about topics that the metadata log must hold; None while one is changing."""
        if self._creating or any(topic.is_deleted or topic.is_changing for topic in self._topics):
            return None
        return [
            TopicCreated(topic.name, topic.topic_id, len(topic.partitions), topic.configs)
            for topic in self._topics
        ]

    # ---- at start ----

    def restore(self, created: Mapping[str, TopicCreated], deleted: Container[uuid.UUID]) -> None:
        """Bring the topics of the facts back; deal with partitions that no fact names."""
        self._sort_out_strangers(created, deleted)
        for fact in created.values():
            topic = self._new_topic(fact.name, fact.topic_id, dict(fact.configs))
            self._open(topic, fact.partitions)

    def ensure_internal(self, name: str) -> PartitionLog:
        """The log of a one-partition topic of the broker's own, made if it is missing.

        Its fact is only staged: should it get lost, the next start makes it again.
        """
        assert self._metadata is not None
        topic = self._topics.named(name)
        if topic is None:
            # The id follows from the name, so that a crash in between cannot make two of them.
            topic_id = uuid.uuid5(METADATA_TOPIC_ID, name)
            configs = {"cleanup.policy": "compact", "segment.bytes": str(4 << 20)}
            topic = self._new_topic(name, topic_id, configs)
            self._open(topic, 1)
            self._metadata.stage(TopicCreated(name, topic_id, 1, topic.configs))
        return topic.partitions[0].log

    def _open(self, topic: Topic, count: int) -> None:
        config = self._log_config(topic)
        missing = [i for i in range(count) if self._store.partition(topic.name, i) is None]
        if missing:
            self.make_partitions(topic, missing)
        # More than `count` are there when growing was cut short; they count from now on.
        for log in self._store.partitions(topic.name):
            log.config = config
            log.write_rank = _WRITE_RANKS.get(topic.name, 0)
            topic.partitions.append(Partition(topic, log.index, log))
        self._topics.add(topic)

    def _sort_out_strangers(
        self, created: Mapping[str, TopicCreated], deleted: Container[uuid.UUID]
    ) -> None:
        """Remove what a crash left of creating or deleting a topic; never remove data unasked."""
        strangers: dict[str, list[PartitionLog]] = {}
        for log in self._store.partitions():
            fact = created.get(log.topic)
            if log.topic != METADATA_TOPIC and (fact is None or fact.topic_id != log.topic_id):
                strangers.setdefault(log.topic, []).append(log)
        for name, logs in strangers.items():
            has_data = any(log.high_watermark for log in logs)
            if name in _OWN_LOGS or (has_data and logs[0].topic_id not in deleted):
                if name in created or name in _OWN_LOGS:
                    continue
                _log.error("topic.adopted", topic=name, reason="its partitions hold records")
                topic = self._new_topic(name, logs[0].topic_id, {})
                self._open(topic, 1 + max(log.index for log in logs))
            else:
                self._store.delete_topic(name)
                _log.info("topic.removed", topic=name)


def _was_made(name: str, done: Created, topic: Topic | None, error: SummitError | None) -> None:
    done(None, error if topic is None else Conflict("topic.exists", topic=name))
