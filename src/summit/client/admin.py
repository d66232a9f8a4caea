"""`Admin`: topics, partitions and offsets of a cluster; its groups are in group_admin.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid, Unavailable
from summit.base.limits import TOPIC_HEARD_OF_MS, TOPIC_UNKNOWN_AFTER_MS
from summit.client import librdkafka
from summit.client.addresses import format_address
from summit.client.admin_calls import look_pauses_s
from summit.client.faults import translate
from summit.client.group_admin import GroupAdmin
from summit.client.topics import TopicConfig, TopicCreated
from summit.client.types import Cluster, Partition, TopicMetadata, TopicPartition

_WISH: Final = "summit.replication.factor"  # our broker's topic config for an unmet wish


@dataclass
class _Plan:
    """What a topic is asked for, after what was refused."""

    replication_factor: int
    configs: dict[str, str]


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One config of a topic; `name` is Kafka's."""

    name: str
    value: str | None
    is_default: bool
    is_read_only: bool


class Admin(GroupAdmin):
    """Asks and changes a cluster; one loop's, from `connect` to `close`. Also `async with`.

    On a cluster of several brokers they hear of a change one after the other: what is asked right
    after one may show the state before it.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
    """

    # ---- topics ----

    async def create_topic(self, config: TopicConfig | Mapping[str, Any]) -> TopicCreated:
        """Create a topic; returns when it is durable, has leaders, and a broker knows of it.

        Two wishes are lowered with a warning where the cluster cannot meet them: more replicas
        than brokers live, and a codec that the broker would have to recompress batches with.

        Raises: Conflict("topic.exists"); Invalid.
        """
        if not isinstance(config, TopicConfig):
            config = TopicConfig.from_dict(config)
        plan = _Plan(config.replication_factor or -1, config.kafka_configs())
        warnings: list[str] = []
        while True:
            try:
                await self._create(config, plan)
                break
            except Invalid as error:
                warning = await self._lower(plan, config, error)
                if warning is None:
                    raise
                if warning:
                    warnings.append(warning)
        topic = await self._led(config.name, config.partitions or 1)
        copies = len(topic.partitions[0].replicas) if topic.partitions else 1
        return TopicCreated(
            name=config.name,
            topic_id=topic.topic_id,
            partitions=len(topic.partitions),
            replication_factor=copies,
            wanted_replication_factor=config.replication_factor or copies,
            warnings=warnings,
        )

    async def _lower(self, plan: _Plan, config: TopicConfig, error: Invalid) -> str | None:
        """Ask for less after a refusal: a warning ("" = nothing was lost), or None = give up."""
        refusal = error.details.get("kafka_error")
        if refusal == "INVALID_REPLICATION_FACTOR" and plan.replication_factor > 1:
            live = len(await self.brokers())
            wanted, plan.replication_factor = plan.replication_factor, live
            if wanted <= live:
                return None
            plan.configs[_WISH] = str(wanted)
            return (
                f"replicationFactor {wanted} needs {wanted} brokers, {live} live: the topic has "
                f"{live} and its partitions count as under-replicated"
            )
        if refusal == "INVALID_CONFIG" and plan.configs.pop(_WISH, None):
            return ""  # Apache Kafka does not know it
        return None

    async def _create(self, config: TopicConfig, plan: _Plan) -> None:
        def act() -> Future[None]:
            topic = self._library.NewTopic(
                config.name,
                num_partitions=-1 if config.partitions is None else config.partitions,
                replication_factor=plan.replication_factor,
                config=plan.configs,
            )
            futures = self._handle.create_topics([topic], request_timeout=self._timeout_s)
            created: Future[None] = futures[config.name]
            return created

        await self._answer(act, topic=config.name)

    async def _led(self, name: str, partitions: int) -> TopicMetadata:
        """A topic once it can be seen with so many partitions and leaders for them.

        Raises: Unavailable("client.timeout").
        """
        self._made(name, partitions)
        for pause_s in look_pauses_s(self._timeout_s):
            (topic,) = await self.describe_topics([name])
            if all(part.leader >= 0 for part in topic.partitions):
                return topic
            await asyncio.sleep(pause_s)
        raise Unavailable("client.timeout", reason=f"topic {name} is made, but not led yet")

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises Invalid("topic.unknown")."""

        def act() -> Future[None]:
            futures = self._handle.delete_topics([name], request_timeout=self._timeout_s)
            deleted: Future[None] = futures[name]
            return deleted

        self._fresh.pop(name, None)
        await self._answer(act, topic=name)

    async def create_partitions(
        self, topic: str, partitions: int, *, validate_only: bool = False
    ) -> None:
        """Let a topic have this many partitions; it can only grow.

        Records that are there stay where they are; keys may go to other partitions from now on.

        Args:
            validate_only: Only see whether it could be done.
        Raises: Invalid("topic.unknown"); Invalid when it would not be an increase.
        """

        def act() -> Future[None]:
            wanted = self._library.NewPartitions(topic, partitions)
            futures = self._handle.create_partitions(
                [wanted], validate_only=validate_only, request_timeout=self._timeout_s
            )
            grown: Future[None] = futures[topic]
            return grown

        await self._answer(act, topic=topic)
        if not validate_only:
            await self._led(topic, partitions)

    async def delete_records(self, topic: str, before: Mapping[int, int] | None = None) -> None:
        """Delete the records of each partition below its offset; all records without `before`.

        Raises: Invalid("topic.unknown" | "consumer.offset_out_of_range").
        """
        ends = await self.offsets(topic)
        wanted = {index: end for index, (_, end) in ends.items()} if before is None else before

        def act() -> list[Future[Any]]:
            make = librdkafka.load().TopicPartition
            parts = [make(topic, index, offset) for index, offset in wanted.items()]
            futures = self._handle.delete_records(parts, request_timeout=self._timeout_s)
            return list(futures.values())

        for future in await self._call(act) if wanted else ():
            await self._answered(future, topic=topic)

    async def topic_configs(self, topic: str) -> dict[str, ConfigValue]:
        """Every config of a topic with its value and where that is from.

        Raises: Invalid("topic.unknown").
        """

        def act() -> Future[Any]:
            resource = self._library.ConfigResource(self._library.ResourceType.TOPIC, topic)
            futures = self._handle.describe_configs([resource], request_timeout=self._timeout_s)
            (found,) = futures.values()
            return found  # type: ignore[no-any-return]

        answer = await self._answer(act, topic=topic)
        return {
            name: ConfigValue(
                name=name, value=entry.value, is_default=entry.is_default,
                is_read_only=entry.is_read_only,
            )
            for name, entry in sorted(answer.items())
        }  # fmt: skip

    async def alter_topic(self, topic: str, changes: Mapping[str, str | None]) -> None:
        """Set some configs of a topic, in Kafka's words; None means back to the default.

        They hold at once. Raises: Invalid("topic.unknown"); Invalid for a refused value, nothing
        changed.
        """

        def act() -> Future[None]:
            library = self._library
            operations = library.AlterConfigOpType
            entries = [
                library.ConfigEntry(
                    name,
                    value,
                    incremental_operation=operations.DELETE if value is None else operations.SET,
                )
                for name, value in changes.items()
            ]
            resource = library.ConfigResource(
                library.ResourceType.TOPIC, topic, incremental_configs=entries
            )
            futures = self._handle.incremental_alter_configs(
                [resource], request_timeout=self._timeout_s
            )
            (changed,) = futures.values()
            return changed  # type: ignore[no-any-return]

        if changes:
            await self._answer(act, topic=topic)

    async def list_topics(self) -> list[str]:
        """The names of all topics, sorted, with the broker's own (`__…`)."""
        return list((await self.cluster()).topics)

    async def describe_topics(self, names: Iterable[str] | None = None) -> list[TopicMetadata]:
        """Topics with ids, leaders and replicas; all of them without `names`.

        Raises: Invalid("topic.unknown").
        """
        wanted = list(await self.list_topics() if names is None else names)
        if not wanted:
            return []

        def act(asked: list[str]) -> dict[str, Future[Any]]:
            collection = librdkafka.load().TopicCollection(asked)
            futures: dict[str, Future[Any]] = self._handle.describe_topics(
                collection, request_timeout=self._timeout_s
            )
            return futures

        futures = await self._call(partial(act, wanted))
        return [await self._described(name, futures[name], act) for name in wanted]

    async def _described(
        self, name: str, future: Future[Any], act: Callable[[list[str]], dict[str, Future[Any]]]
    ) -> TopicMetadata:
        """One topic's description; asked for again when the broker has not heard of a change."""
        for pause_s in look_pauses_s(TOPIC_HEARD_OF_MS / 1000):
            try:
                topic = _topic(await self._answered(future, topic=name))
            except Invalid as error:
                if error.code != "topic.unknown" or not self._is_fresh(name):
                    raise
            else:
                if not self._is_fresh(name, len(topic.partitions)):
                    return topic
            await asyncio.sleep(pause_s)
            future = (await self._call(partial(act, [name])))[name]
        return _topic(await self._answered(future, topic=name))

    # ---- brokers ----

    async def cluster(self) -> Cluster:
        """All brokers and partitions as one broker sees them now.

        Unlike `describe_topics` this waits for no particular broker, so it is what to ask while
        brokers come and go.
        """
        handle, timeout_s = self._require(), self._timeout_s
        metadata = await self._call(lambda: handle.list_topics(timeout=timeout_s))
        return Cluster(
            brokers={
                node.id: format_address(node.host, node.port)
                for _, node in sorted(metadata.brokers.items())
            },
            topics={
                name: [
                    Partition(
                        topic=name,
                        partition=part.id,
                        leader=part.leader,
                        replicas=list(part.replicas),
                        isr=list(part.isrs),
                    )
                    for _, part in sorted(topic.partitions.items())
                ]
                for name, topic in sorted(metadata.topics.items())
            },
        )

    async def partitions(self, topic: str) -> list[Partition]:
        """Who serves the partitions of a topic, as `cluster`. Raises Invalid("topic.unknown")."""
        for pause_s in look_pauses_s(TOPIC_HEARD_OF_MS / 1000):
            found = (await self.cluster()).topics.get(topic)
            if not self._is_fresh(topic, len(found or ())):
                break
            await asyncio.sleep(pause_s)
        if found is None:
            raise Invalid("topic.unknown", topic=topic)
        return found

    async def brokers(self) -> dict[int, str]:
        """The brokers that live: id to `host:port`."""
        return (await self.cluster()).brokers

    async def elect_leaders(
        self, partitions: Iterable[TopicPartition] | None = None
    ) -> list[TopicPartition]:
        """Let the first of each partition's replicas lead it, where it does not; all by default.

        Returns: The partitions whose leader changed.
        Raises: Invalid("client.unsupported") by a broker that elects nobody;
            Invalid("topic.unknown"); Unavailable when a first replica is not in sync.
        """

        def act() -> Future[Any]:
            library = librdkafka.load()
            wanted = partitions and [library.TopicPartition(*where) for where in partitions]
            # Without `request_timeout`: confluent-kafka 2.16 cannot take it here (SystemError).
            elected: Future[Any] = self._handle.elect_leaders(
                library.ElectionType.PREFERRED, wanted or None
            )
            return elected

        changed = []
        for part, fault in (await self._answer(act)).items():
            where = TopicPartition(part.topic, part.partition)
            if fault is None:
                changed.append(where)
            elif fault.name() != "ELECTION_NOT_NEEDED":
                raise translate(fault, topic=where.topic, partition=where.partition)
        return sorted(changed)

    # ---- offsets ----

    async def offsets(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition, first kept and next readable offset. Raises Invalid("topic.unknown")."""
        first = await self._list_offsets(topic, self._spec("earliest"))
        last = await self._list_offsets(topic, self._spec("latest"))
        return {partition: (first[partition], last[partition]) for partition in first}

    async def offsets_for_time(self, topic: str, timestamp_ms: int) -> dict[int, int | None]:
        """Per partition, the first offset whose time is `timestamp_ms` or later; None = none."""
        spec = self._spec("for_timestamp", timestamp_ms)
        found = await self._list_offsets(topic, spec)
        return {partition: at if at >= 0 else None for partition, at in found.items()}

    def _spec(self, name: str, *args: int) -> Any:
        self._require()
        return getattr(self._library.OffsetSpec, name)(*args)

    async def _list_offsets(self, topic: str, spec: Any) -> dict[int, int]:
        partitions = await self.partitions(topic)
        pauses = iter(look_pauses_s(TOPIC_UNKNOWN_AFTER_MS / 1000))
        while True:
            try:
                return await self._list_offsets_of(partitions, spec)
            except Invalid as error:
                # A new partition's leader may be the last to hear of it.
                pause_s = next(pauses, None)
                if error.code != "topic.unknown" or pause_s is None:
                    raise
            await asyncio.sleep(pause_s)

    async def _list_offsets_of(self, partitions: list[Partition], spec: Any) -> dict[int, int]:
        def act() -> dict[Any, Future[Any]]:
            make = librdkafka.load().TopicPartition
            wanted = {make(part.topic, part.partition): spec for part in partitions}
            futures: dict[Any, Future[Any]] = self._handle.list_offsets(
                wanted, request_timeout=self._timeout_s
            )
            return futures

        futures = await self._call(act)
        found: dict[int, int] = {}
        for part, future in futures.items():
            answer = await self._answered(future, topic=part.topic, partition=part.partition)
            found[part.partition] = answer.offset
        return dict(sorted(found.items()))


def _topic(described: Any) -> TopicMetadata:
    topic_id = str(described.topic_id).replace("+", "-").replace("/", "_")
    return TopicMetadata(
        name=described.name,
        topic_id=None if set(topic_id) == {"A"} else topic_id,
        is_internal=described.is_internal,
        partitions=[
            Partition(
                topic=described.name,
                partition=part.id,
                leader=-1 if part.leader is None else part.leader.id,
                replicas=[node.id for node in part.replicas],
                isr=[node.id for node in part.isr],
                offline_replicas=[],
            )
            for part in described.partitions
        ],
    )
