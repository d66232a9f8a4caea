"""Groups: their members, their states, and what they have committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

import msgspec

from summit.base.errors import Conflict, Unavailable
from summit.client.admin.connection import Connection
from summit.client.faults import translate
from summit.client.types import TopicPartition
from summit.client.wire import GROUP, RETRIABLE, fault
from summit.protocol import codes
from summit.protocol.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from summit.protocol.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
)

_HAS_MEMBERS: Final = (
    codes.UNKNOWN_MEMBER_ID, codes.ILLEGAL_GENERATION, codes.REBALANCE_IN_PROGRESS,
)  # fmt: skip
_OFFSET_FETCH_BY_NAME: Final = 9  # the last versions that name topics; later ones want ids
_OFFSET_COMMIT_BY_NAME: Final = 9
_RETRY_S: Final = 0.1

_LOADING: Final = "COORDINATOR_LOAD_IN_PROGRESS"
_LOAD_TRIES: Final = 25
_LOAD_PAUSE_S: Final = 0.2


class Commit(NamedTuple):
    """A committed next offset, with the text that its consumer kept beside it."""

    offset: int
    metadata: str = ""


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
        for _ in range(_LOAD_TRIES):
            if not any(error.name() == _LOADING for error in answer.errors or []):
                break
            await asyncio.sleep(_LOAD_PAUSE_S)  # a coordinator reads what it took over
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
        commits = await self.group_commits(group_id)
        return {where: commit.offset for where, commit in commits.items()}

    async def group_commits(self, group_id: str) -> dict[TopicPartition, Commit]:
        """What a group has committed, whole; empty for a group that never did."""
        group = OffsetFetchRequestGroup(group_id=group_id, topics=None)
        request = OffsetFetchRequest(group_id=group_id, topics=None, groups=[group])
        found: OffsetFetchResponseGroup | OffsetFetchResponse | None = None
        async for node in self._coordinators(group_id):
            answer = await self._asking().ask(
                OFFSET_FETCH, request, node=node, newest=_OFFSET_FETCH_BY_NAME
            )
            found = answer.groups[0] if answer.groups else answer
            if found.error_code not in RETRIABLE:
                break
        assert found is not None
        if found.error_code != codes.NONE:
            raise fault(found.error_code, group=group_id)
        return {
            TopicPartition(topic.name, part.partition_index): Commit(
                part.committed_offset, part.metadata or ""
            )
            for topic in found.topics
            for part in topic.partitions
            if part.committed_offset >= 0
        }

    async def stable_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The committed next offsets of these partitions, once no transaction is about to
        change them; those without any are left out.

        Raises: Unavailable("group.unstable") when that does not come within `requestTimeoutMs`.
        """
        by_topic: dict[str, list[int]] = {}
        for topic, partition in partitions:
            by_topic.setdefault(topic, []).append(partition)
        topics = [
            OffsetFetchRequestTopics(name=name, partition_indexes=sorted(indexes))
            for name, indexes in sorted(by_topic.items())
        ]
        group = OffsetFetchRequestGroup(group_id=group_id, topics=topics)
        request = OffsetFetchRequest(groups=[group], require_stable=True)
        async for node in self._coordinators(group_id):
            answer = await self._asking().ask(
                OFFSET_FETCH, request, node=node, newest=_OFFSET_FETCH_BY_NAME
            )
            found = answer.groups[0]
            errors = {part.error_code for topic in found.topics for part in topic.partitions}
            errors.add(found.error_code)
            if codes.UNSTABLE_OFFSET_COMMIT in errors or errors & set(RETRIABLE):
                continue
            for error in errors - {codes.NONE, codes.UNKNOWN_TOPIC_OR_PARTITION}:
                raise fault(error, group=group_id)
            return {
                TopicPartition(topic.name, part.partition_index): part.committed_offset
                for topic in found.topics
                for part in topic.partitions
                if part.committed_offset >= 0
            }
        raise Unavailable("group.unstable", group=group_id)

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

    async def set_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, int | Commit]
    ) -> None:
        """Commit next offsets in the name of a group that has no members.

        Raises: Conflict("group.not_empty"); Invalid("topic.unknown").
        """
        topics: dict[str, list[OffsetCommitRequestPartition]] = {}
        for where, wanted in offsets.items():
            commit = wanted if isinstance(wanted, Commit) else Commit(wanted)
            topics.setdefault(where.topic, []).append(
                OffsetCommitRequestPartition(
                    partition_index=where.partition,
                    committed_offset=commit.offset,
                    committed_metadata=commit.metadata,
                )
            )
        if not topics:
            return
        request = OffsetCommitRequest(
            group_id=group_id,
            topics=[
                OffsetCommitRequestTopic(name=name, partitions=parts)
                for name, parts in topics.items()
            ],
        )
        refused: list[tuple[str, int, int]] = []
        async for node in self._coordinators(group_id):
            answer = await self._asking().ask(
                OFFSET_COMMIT, request, node=node, newest=_OFFSET_COMMIT_BY_NAME
            )
            refused = [
                (topic.name, part.partition_index, part.error_code)
                for topic in answer.topics
                for part in topic.partitions
                if part.error_code != codes.NONE
            ]
            if not any(code in RETRIABLE for _, _, code in refused):
                break
        for topic, partition, code in refused:
            if code in _HAS_MEMBERS:
                raise Conflict("group.not_empty", group=group_id)
            raise fault(code, group=group_id, topic=topic, partition=partition)

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
        answer = None
        async for node in self._coordinators(group_id):
            answer = await self._asking().ask(OFFSET_DELETE, request, node=node)
            if answer.error_code not in RETRIABLE:
                break
        assert answer is not None
        if answer.error_code != codes.NONE:
            raise fault(answer.error_code, group=group_id)
        for topic in answer.topics:
            for part in topic.partitions:
                if part.error_code != codes.NONE:
                    raise fault(
                        part.error_code, group=group_id, topic=topic.name,
                        partition=part.partition_index,
                    )  # fmt: skip

    async def _coordinators(self, group_id: str) -> AsyncIterator[int]:
        """The broker that keeps a group, again and again while that moves; bounded in time.

        librdkafka's own calls for offsets are not used: versions up to 2.16 end the process when
        the coordinator answers that it is another one, or not ready.
        """
        wire = self._asking()
        until = asyncio.get_running_loop().time() + self._timeout_s
        while True:
            yield await wire.coordinator(GROUP, group_id)
            if asyncio.get_running_loop().time() > until:
                return
            await asyncio.sleep(_RETRY_S)


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
