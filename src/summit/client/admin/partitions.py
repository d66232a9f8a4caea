"""Partitions: more of them, who leads them, and who shall."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final

import msgspec

from summit.client import librdkafka
from summit.client.admin.connection import Connection
from summit.client.faults import translate
from summit.client.types import TopicPartition
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.metadata import MetadataRequestTopic

_NO_CHANGE: Final = ("ELECTION_NOT_NEEDED", "PREFERRED_LEADER_NOT_AVAILABLE")


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


class Partitions(Connection):
    """The partitions of topics."""

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

        async def has_grown(node: int) -> bool:
            known = (await self._known_at(node, topic)).partitions
            return len(known) >= partitions and all(part.leader_id >= 0 for part in known)

        await self._answer(act, topic=topic)
        await self._settle(has_grown)

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
        """Give partitions back to their preferred leaders (the first replica), where it lives.

        Args:
            partitions: Which; all of them when None.
        Returns: Those whose leader has changed.
        Raises: Invalid("client.unsupported") by a broker that is alone.
        """

        def act() -> Future[Any]:
            library = librdkafka.load()
            wanted = (
                None
                if partitions is None
                else [library.TopicPartition(each.topic, each.partition) for each in partitions]
            )
            elected: Future[Any] = self._handle.elect_leaders(
                library.ElectionType.PREFERRED, wanted, request_timeout=self._timeout_s
            )
            return elected

        changed = []
        for part, error in (await self._answer(act)).items():
            where = TopicPartition(part.topic, part.partition)
            if error is None:
                changed.append(where)
            elif error.args[0].name() not in (
                "ELECTION_NOT_NEEDED",
                "PREFERRED_LEADER_NOT_AVAILABLE",
            ):
                raise translate(error, topic=where.topic, partition=where.partition)
        return sorted(changed)
