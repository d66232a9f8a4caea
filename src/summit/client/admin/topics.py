"""Topics: create, delete, list, describe."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from summit.base.errors import Conflict, Invalid
from summit.client.admin.connection import UNKNOWN, Connection
from summit.client.topics import TopicConfig, TopicCreated
from summit.client.types import Partition, TopicMetadata
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.metadata import MetadataRequestTopic, MetadataResponseTopic
from summit.protocol.primitives import ZERO_UUID

_WISH: Final = "summit.replication.factor"  # our broker's topic config for an unmet wish
_COPIES: Final = 3  # of a topic that Summit needs, where so many brokers live


@dataclass
class _Plan:
    """What a topic is asked for, after what was refused."""

    replication_factor: int
    configs: dict[str, str]


class Topics(Connection):
    """The topics of a cluster."""

    async def create_topic(self, config: TopicConfig | Mapping[str, Any]) -> TopicCreated:
        """Create a topic; returns when it is durable and every broker knows its leaders.

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
        topic = await self._made(config.name)
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
            live = len((await self._asking().metadata([])).brokers)
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
        """Delete a topic and its records; returns when no broker knows it any more.

        Raises: Invalid("topic.unknown").
        """

        def act() -> Future[None]:
            futures = self._handle.delete_topics([name], request_timeout=self._timeout_s)
            deleted: Future[None] = futures[name]
            return deleted

        async def is_gone(node: int) -> bool:
            return (await self._known_at(node, name)).error_code in UNKNOWN

        await self._answer(act, topic=name)
        await self._settle(is_gone)

    async def list_topics(self) -> list[str]:
        """The names of all topics, sorted, with the broker's own (`__…`)."""
        handle, timeout_s = self._require(), self._timeout_s
        metadata = await self._call(lambda: handle.list_topics(timeout=timeout_s))
        return sorted(metadata.topics)

    async def create_if_missing(self, config: TopicConfig) -> TopicCreated | None:
        """Create a topic that Summit needs, unless it is there; None when it is.

        Where `config` does not say, it gets as many copies as brokers live, at most three, and
        with three no write is acknowledged that fewer than two of them have.
        """
        if config.name in await self.list_topics():
            return None
        if config.replication_factor is None:
            copies = min(_COPIES, len((await self._asking().metadata([])).brokers))
            least = config.min_in_sync_replicas
            if least is None and copies == _COPIES:
                least = _COPIES - 1
            config = config.replace(replication_factor=copies, min_in_sync_replicas=least)
        try:
            return await self.create_topic(config)
        except Conflict:
            await self._made(config.name)  # by somebody else, meanwhile
            return None

    async def describe_topics(self, names: Iterable[str] | None = None) -> list[TopicMetadata]:
        """Topics with ids, leaders and replicas; all of them without `names`.

        Raises: Invalid("topic.unknown").
        """
        wanted = None if names is None else list(names)
        if wanted == []:
            return []
        topics = None if wanted is None else [MetadataRequestTopic(name=name) for name in wanted]
        found: dict[str, TopicMetadata] = {}
        for topic in (await self._asking().metadata(topics)).topics:
            name = topic.name or "?"
            if topic.error_code == codes.INVALID_TOPIC_EXCEPTION:
                raise Invalid("topic.unknown", topic=name)  # what is no name is no topic
            if topic.error_code not in (codes.NONE, codes.LEADER_NOT_AVAILABLE):
                raise fault(topic.error_code, topic=name)
            found[name] = _topic(topic)
        return [found[name] for name in (sorted(found) if wanted is None else wanted)]

    async def _made(self, name: str) -> TopicMetadata:
        async def has_leaders(node: int) -> bool:
            topic = await self._known_at(node, name)
            parts = topic.partitions
            return topic.error_code == codes.NONE and all(p.leader_id >= 0 for p in parts)

        await self._settle(has_leaders)
        (topic,) = await self.describe_topics([name])
        return topic


def _topic(topic: MetadataResponseTopic) -> TopicMetadata:
    name = topic.name or "?"
    text = base64.urlsafe_b64encode(topic.topic_id.bytes).decode().rstrip("=")
    return TopicMetadata(
        name=name,
        topic_id=None if topic.topic_id == ZERO_UUID else text,
        is_internal=topic.is_internal,
        partitions=[
            Partition(
                topic=name,
                partition=part.partition_index,
                leader=part.leader_id,
                replicas=part.replica_nodes,
                isr=part.isr_nodes,
                offline_replicas=part.offline_replicas,
            )
            for part in sorted(topic.partitions, key=lambda part: part.partition_index)
        ],
    )
