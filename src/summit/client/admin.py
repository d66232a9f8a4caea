"""`Admin`: topics, offsets and groups of a cluster.

Over confluent-kafka's admin client; what it does on its own threads comes back as futures, what
blocks runs on a thread of ours. What a broker cannot do is `Invalid("client.unsupported")`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import msgspec

from summit.base.errors import Closed, Conflict, Invalid
from summit.client import librdkafka
from summit.client.addresses import resolve_addresses
from summit.client.faults import translate
from summit.client.settings import AdminConfig
from summit.client.threads import CallThread
from summit.client.topics import TopicConfig, TopicCreated
from summit.client.types import Partition, TopicMetadata, TopicPartition

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


class GroupMember(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One member of a group and what it reads."""

    member_id: str
    client_id: str
    host: str
    partitions: list[TopicPartition]


class GroupDescription(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A group: `state` is Kafka's word for it (stable, empty, dead, …)."""

    group_id: str
    state: str
    assignor: str
    members: list[GroupMember]


class Admin:
    """Asks and changes a cluster; one loop's, from `connect` to `close`. Also `async with`.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
    """

    def __init__(self, config: AdminConfig | Mapping[str, Any]) -> None:
        self.config = config if isinstance(config, AdminConfig) else AdminConfig.from_dict(config)
        self.addresses: list[str] = []
        self._library: Any = None
        self._handle: Any = None
        self._calls: CallThread | None = None
        self._closed = False

    async def connect(self, brokers: Any = None) -> None:
        """Dial the brokers and see that one answers; arguments and errors as elsewhere."""
        if self._closed:
            raise Closed("client.closed", what="admin")
        if self._calls is not None:
            raise Conflict("client.connected", what="admin")
        addresses = resolve_addresses(brokers, self.config.servers)
        self._calls = CallThread("summit-admin")
        try:
            await self._calls.run(partial(self._dial, addresses))
        except BaseException:
            self._calls.close()
            self._calls = None
            raise
        self.addresses = addresses

    def _dial(self, addresses: list[str]) -> None:
        self._library = librdkafka.load_admin()
        failures = librdkafka.load().KafkaException
        try:
            handle = self._library.AdminClient(librdkafka.admin_settings(self.config, addresses))
            handle.list_topics(timeout=self.config.connect_timeout_ms / 1000)
        except failures as error:
            raise translate(error, brokers=", ".join(addresses)) from error
        self._handle = handle

    async def close(self) -> None:
        """Let go of the cluster. Idempotent."""
        self._closed = True
        if self._calls is not None:
            calls, self._calls = self._calls, None
            await calls.run(self._drop)
            calls.close()

    def _drop(self) -> None:
        self._handle = None  # on our thread: ending librdkafka may block

    async def __aenter__(self) -> Self:
        if self._calls is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- topics ----

    async def create_topic(self, config: TopicConfig | Mapping[str, Any]) -> TopicCreated:
        """Create a topic; returns when it is durable and has leaders.

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
        (topic,) = await self.describe_topics([config.name])
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
            live = await self._broker_count()
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

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises Invalid("topic.unknown")."""

        def act() -> Future[None]:
            futures = self._handle.delete_topics([name], request_timeout=self._timeout_s)
            deleted: Future[None] = futures[name]
            return deleted

        await self._answer(act, topic=name)

    async def create_partitions(self, topic: str, partitions: int) -> None:
        """Let a topic have this many partitions; it can only grow.

        Records that are there stay where they are; keys may go to other partitions from now on.
        Raises: Invalid("topic.unknown"); Invalid when it would not be an increase.
        """

        def act() -> Future[None]:
            wanted = self._library.NewPartitions(topic, partitions)
            futures = self._handle.create_partitions([wanted], request_timeout=self._timeout_s)
            grown: Future[None] = futures[topic]
            return grown

        await self._answer(act, topic=topic)

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
        handle, timeout_s = self._require(), self._timeout_s
        metadata = await self._call(lambda: handle.list_topics(timeout=timeout_s))
        return sorted(metadata.topics)

    async def describe_topics(self, names: Iterable[str] | None = None) -> list[TopicMetadata]:
        """Topics with ids, leaders and replicas; all of them without `names`.

        Raises: Invalid("topic.unknown").
        """
        wanted = list(await self.list_topics() if names is None else names)
        if not wanted:
            return []

        def act() -> dict[str, Future[Any]]:
            collection = librdkafka.load().TopicCollection(wanted)
            futures: dict[str, Future[Any]] = self._handle.describe_topics(
                collection, request_timeout=self._timeout_s
            )
            return futures

        futures = await self._call(act)
        return [_topic(await self._answered(futures[name], topic=name)) for name in wanted]

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
        (described,) = await self.describe_topics([topic])

        def act() -> dict[Any, Future[Any]]:
            make = librdkafka.load().TopicPartition
            wanted = {make(topic, part.partition): spec for part in described.partitions}
            futures: dict[Any, Future[Any]] = self._handle.list_offsets(
                wanted, request_timeout=self._timeout_s
            )
            return futures

        futures = await self._call(act)
        found: dict[int, int] = {}
        for part, future in futures.items():
            answer = await self._answered(future, topic=topic, partition=part.partition)
            found[part.partition] = answer.offset
        return dict(sorted(found.items()))

    # ---- groups ----

    async def list_groups(self) -> list[str]:
        """Ids of all consumer groups, sorted. Raises Invalid("client.unsupported")."""

        def act() -> Future[Any]:
            listing: Future[Any] = self._handle.list_consumer_groups(
                request_timeout=self._timeout_s
            )
            return listing

        answer = await self._answer(act)
        for error in answer.errors or []:
            raise translate(error)
        return sorted(group.group_id for group in answer.valid or [])

    async def describe_group(self, group_id: str) -> GroupDescription:
        """Members and assignments of one group. Raises Invalid("client.unsupported")."""

        def act() -> Future[Any]:
            futures = self._handle.describe_consumer_groups(
                [group_id], request_timeout=self._timeout_s
            )
            described: Future[Any] = futures[group_id]
            return described

        answer = await self._answer(act, group=group_id)
        return GroupDescription(
            group_id=answer.group_id,
            state=answer.state.name.lower(),
            assignor=answer.partition_assignor,
            members=[_member(member) for member in answer.members],
        )

    async def group_offsets(self, group_id: str) -> dict[TopicPartition, int]:
        """The committed next offsets of a group; empty for a group that never committed."""

        def act() -> Future[Any]:
            request = librdkafka.load().ConsumerGroupTopicPartitions(group_id)
            futures = self._handle.list_consumer_group_offsets(
                [request], request_timeout=self._timeout_s
            )
            listed: Future[Any] = futures[group_id]
            return listed

        answer = await self._answer(act, group=group_id)
        return {
            TopicPartition(part.topic, part.partition): part.offset
            for part in answer.topic_partitions
            if part.offset >= 0
        }

    async def delete_group(self, group_id: str) -> None:
        """Delete a group and what it committed.

        Raises: Invalid("group.unknown"); Conflict("group.not_empty") while it has members.
        """

        def act() -> Future[None]:
            futures = self._handle.delete_consumer_groups(
                [group_id], request_timeout=self._timeout_s
            )
            deleted: Future[None] = futures[group_id]
            return deleted

        await self._answer(act, group=group_id)

    async def set_group_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit next offsets in the name of a group that has no members.

        Raises: Conflict("group.not_empty"); Invalid("topic.unknown").
        """
        if not offsets:
            return

        def act() -> Future[Any]:
            library = librdkafka.load()
            parts = [
                library.TopicPartition(where.topic, where.partition, offset)
                for where, offset in offsets.items()
            ]
            request = library.ConsumerGroupTopicPartitions(group_id, parts)
            futures = self._handle.alter_consumer_group_offsets(
                [request], request_timeout=self._timeout_s
            )
            changed: Future[Any] = futures[group_id]
            return changed

        try:
            answer = await self._answer(act, group=group_id)
        except Conflict as error:
            raise Conflict("group.not_empty", group=group_id) from error
        for part in answer.topic_partitions:
            if part.error is not None:
                raise translate(part.error, topic=part.topic, partition=part.partition)

    # ---- small parts ----

    @property
    def _timeout_s(self) -> float:
        return self.config.request_timeout_ms / 1000

    def _require(self) -> Any:
        if self._closed:
            raise Closed("client.closed", what="admin")
        if self._handle is None:
            raise Invalid("client.not_connected", what="admin")
        return self._handle

    async def _call(self, fn: Any, **details: Any) -> Any:
        """Run a blocking call on our thread, with its errors in our words."""
        self._require()
        assert self._calls is not None
        library = librdkafka.load()
        try:
            return await self._calls.run(fn)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(self.addresses), **details) from error
        except (ValueError, TypeError) as error:
            raise Invalid("client.refused", reason=str(error)) from error

    async def _answer(self, fn: Any, **details: Any) -> Any:
        """Run a call that gives a future, and wait for that."""
        return await self._answered(await self._call(fn, **details), **details)

    async def _answered(self, future: Future[Any], **details: Any) -> Any:
        library = librdkafka.load()
        try:
            return await asyncio.wrap_future(future)
        except library.KafkaException as error:
            raise translate(error, brokers=", ".join(self.addresses), **details) from error

    async def _broker_count(self) -> int:
        handle, timeout_s = self._require(), self._timeout_s
        metadata = await self._call(lambda: handle.list_topics(timeout=timeout_s))
        return len(metadata.brokers)


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


def _member(member: Any) -> GroupMember:
    return GroupMember(
        member_id=member.member_id,
        client_id=member.client_id,
        host=member.host,
        partitions=[
            TopicPartition(part.topic, part.partition)
            for part in member.assignment.topic_partitions
        ],
    )
