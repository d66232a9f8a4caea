"""Partitions: more of them, who leads them, and who shall."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Final

import msgspec

from summit.client.admin.topics import Topics
from summit.client.types import Partition, TopicPartition
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.elect_leaders import (
    ELECT_LEADERS,
    ElectLeadersRequest,
    ElectLeadersTopic,
)
from summit.protocol.metadata import MetadataRequestTopic

_PREFERRED: Final = 0


class PartitionState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One partition's copies at this moment, as one broker knows them; ids are broker ids.

    `leader` is -1 while nobody serves it; `leader_epoch` grows with each leader.
    """

    topic: str
    partition: int
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline_replicas: list[int]

    @property
    def is_offline(self) -> bool:
        """Whether nobody serves it."""
        return self.leader < 0

    @property
    def is_under_replicated(self) -> bool:
        """Whether a copy is missing or behind."""
        return len(self.isr) < len(self.replicas)


class Partitions(Topics):
    """The partitions of topics."""

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

        async def has_grown(node: int) -> bool:
            known = (await self._known_at(node, topic)).partitions
            return len(known) >= partitions and all(part.leader_id >= 0 for part in known)

        await self._answer(act, topic=topic)
        if not validate_only:
            await self._settle(has_grown)

    async def partitions(self, topic: str) -> list[Partition]:
        """Who serves the partitions of a topic. Raises Invalid("topic.unknown")."""
        (found,) = await self.describe_topics([topic])
        return found.partitions

    async def partition_states(self, topics: Iterable[str] | None = None) -> list[PartitionState]:
        """Leaders, copies and epochs of the partitions of some topics, or of all.

        Raises: Invalid("topic.unknown").
        """
        names = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        found = []
        for topic in (await self._asking().metadata(names)).topics:
            name = topic.name or "?"
            if topic.error_code not in (codes.NONE, codes.LEADER_NOT_AVAILABLE):
                raise fault(topic.error_code, topic=name)
            found += [
                PartitionState(
                    topic=name,
                    partition=part.partition_index,
                    leader=part.leader_id,
                    leader_epoch=part.leader_epoch,
                    replicas=part.replica_nodes,
                    isr=part.isr_nodes,
                    offline_replicas=part.offline_replicas,
                )
                for part in topic.partitions
            ]
        return sorted(found, key=lambda state: (state.topic, state.partition))

    async def elect_leaders(
        self, partitions: Iterable[TopicPartition] | None = None
    ) -> list[TopicPartition]:
        """Let the first of each partition's replicas lead it, where it does not.

        Args:
            partitions: Which; all of them when None.
        Returns: Those whose leader has changed.
        Raises: Invalid("client.unsupported") by a broker that is too old; Unavailable when a
            first replica is not in sync.
        """

        topics: dict[str, list[int]] | None = None
        if partitions is not None:
            topics = {}
            for where in partitions:
                topics.setdefault(where.topic, []).append(where.partition)
        request = ElectLeadersRequest(
            election_type=_PREFERRED,
            topic_partitions=None
            if topics is None
            else [ElectLeadersTopic(topic=name, partitions=each) for name, each in topics.items()],
            timeout_ms=self.config.request_timeout_ms,
        )
        answer = await self._asking().ask(ELECT_LEADERS, request)
        if answer.error_code != codes.NONE:
            raise fault(answer.error_code)
        changed = []
        for topic in answer.replica_election_results:
            for part in topic.partition_result:
                if part.error_code == codes.NONE:
                    changed.append(TopicPartition(topic.topic, part.partition_id))
                elif part.error_code != codes.ELECTION_NOT_NEEDED:
                    raise fault(part.error_code, topic=topic.topic, partition=part.partition_id)
        return sorted(changed)
