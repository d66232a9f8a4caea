"""Groups: their members, their states, and what they have committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import msgspec

from summit.base.errors import Conflict
from summit.client import librdkafka
from summit.client.admin.connection import Connection
from summit.client.faults import translate
from summit.client.types import TopicPartition
from summit.client.wire import GROUP, fault
from summit.protocol import codes
from summit.protocol.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)


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


class Groups(Connection):
    """The consumer groups of a cluster."""

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

    async def delete_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> None:
        """Forget what a group has committed for some partitions.

        Raises: Invalid("group.unknown"); Conflict("group.not_empty") while the group reads them.
        """
        topics: dict[str, list[int]] = {}
        for where in partitions:
            topics.setdefault(where.topic, []).append(where.partition)
        request = OffsetDeleteRequest(
            group_id=group_id,
            topics=[
                OffsetDeleteRequestTopic(
                    name=name,
                    partitions=[OffsetDeleteRequestPartition(partition_index=i) for i in indexes],
                )
                for name, indexes in topics.items()
            ],
        )
        wire = self._asking()
        node = await wire.coordinator(GROUP, group_id)
        answer = await wire.ask(OFFSET_DELETE, request, node=node)
        if answer.error_code != codes.NONE:
            raise fault(answer.error_code, group=group_id)
        for topic in answer.topics:
            for part in topic.partitions:
                if part.error_code != codes.NONE:
                    raise fault(
                        part.error_code, group=group_id, topic=topic.name,
                        partition=part.partition_index,
                    )  # fmt: skip


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
