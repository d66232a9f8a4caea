"""Consumer groups: members that join, share partitions, commit and vanish; and who looks them up.

What is committed for a partition grows by one with every attempt, so a commit is told from every
other. Members commit only what their generation has given them.
"""

from __future__ import annotations

import json
from typing import Any

from tests.sim.actors.actor import AGAIN, Actor, Stage
from tests.sim.actors.client import Lost
from tests.sim.actors.history import Topic

from summit.protocol import codes
from summit.protocol.heartbeat import HEARTBEAT, HeartbeatRequest
from summit.protocol.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
)
from summit.protocol.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from summit.protocol.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from summit.protocol.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from summit.protocol.sync_group import (
    SYNC_GROUP,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
)

_OUT = (
    codes.UNKNOWN_MEMBER_ID,
    codes.ILLEGAL_GENERATION,
    codes.REBALANCE_IN_PROGRESS,
    codes.FENCED_INSTANCE_ID,
    codes.COORDINATOR_NOT_AVAILABLE,
    codes.MEMBER_ID_REQUIRED,
    codes.INCONSISTENT_GROUP_PROTOCOL,
)


class Rejoin(Exception):
    """The member has to join again."""


class GroupActor(Actor):
    """Somebody who commits to a group or asks what it has committed."""

    def __init__(self, stage: Stage, name: str, group_id: str, topic: Topic) -> None:
        super().__init__(stage, name)
        self.group_id = group_id
        self.topic = topic

    async def commit(self, indexes: list[int], **member: Any) -> int:
        """Commit the next offset of some partitions. Returns: the worst error. Raises Lost."""
        version = self.version(OFFSET_COMMIT, 7 if member.get("group_instance_id") else 0)
        commits = []
        parts = []
        for index in indexes:
            where = (self.group_id, self.topic.name, index)
            offset = len(self.history.commits.get(where, ())) + 1
            text = f"{self.name}/{offset}"
            commits.append(self.history.committing(where, offset, text))
            parts.append(
                OffsetCommitRequestPartition(
                    partition_index=index, committed_offset=offset, committed_metadata=text
                )
            )
        by_id = version >= 10
        topic = OffsetCommitRequestTopic(name="" if by_id else self.topic.name, partitions=parts)
        if by_id:
            topic.topic_id = self.topic.topic_id
        request = OffsetCommitRequest(group_id=self.group_id, topics=[topic], **member)
        self.doing = "committing"
        answer = await self.client.ask(OFFSET_COMMIT, version, request)
        worst = codes.NONE
        for commit, part in zip(commits, answer.topics[0].partitions, strict=True):
            error = part.error_code
            if error == codes.NONE:
                commit.answered_us = self.stage.world.now_us
                self.history.count("commits")
            else:
                worst = error
                # With COORDINATOR_NOT_AVAILABLE the disk has failed: it may be there or not.
                commit.is_refused = error != codes.COORDINATOR_NOT_AVAILABLE
                if error not in AGAIN and error not in _OUT:
                    raise self.wrong(f"a commit was answered {codes.name_of(error)}")
        return worst

    async def look_up(self, indexes: list[int]) -> None:
        """Ask what was committed. Raises Lost."""
        version = self.version(OFFSET_FETCH)
        sent_us = self.stage.world.now_us
        self.doing = "looking up offsets"
        is_all = version >= 2 and self.chance.random() < 0.3
        if version < 8:
            request = OffsetFetchRequest(
                group_id=self.group_id,
                topics=None
                if is_all
                else [OffsetFetchRequestTopic(name=self.topic.name, partition_indexes=indexes)],
            )
        else:
            topic = OffsetFetchRequestTopics(
                name=self.topic.name, topic_id=self.topic.topic_id, partition_indexes=indexes
            )
            group = OffsetFetchRequestGroup(
                group_id=self.group_id, topics=None if is_all else [topic]
            )
            request = OffsetFetchRequest(groups=[group])
        answer = await self.client.ask(OFFSET_FETCH, version, request)
        topics = answer.topics if version < 8 else answer.groups[0].topics
        found = {
            part.partition_index: part
            for topic in topics
            for part in topic.partitions
            if topic.name == self.topic.name or topic.topic_id == self.topic.topic_id
        }
        for index in indexes:
            part = found.get(index)
            if part is not None and part.error_code != codes.NONE:
                continue
            offset = -1 if part is None else part.committed_offset
            text = "" if part is None else part.metadata or ""
            where = (self.group_id, self.topic.name, index)
            self.history.looked_up(where, sent_us, offset, text, self.name)


class Looker(GroupActor):
    """Asks again and again what a group has committed."""

    async def run(self) -> None:
        indexes = list(range(self.topic.partition_count))
        while not self.stage.is_closing:
            try:
                await self.look_up(indexes)
            except Lost:
                pass
            await self.sleep_ms(5, 600)


class Committer(GroupActor):
    """Commits from outside the group's membership."""

    async def run(self) -> None:
        while not self.stage.is_closing:
            try:
                await self.commit([self.chance.randrange(self.topic.partition_count)])
            except Lost:
                self.history.count("lost answers")
            await self.sleep_ms(1, 400)


class Member(GroupActor):
    """One member of a group in the classic protocol."""

    def __init__(
        self, stage: Stage, name: str, group_id: str, topic: Topic, instance_id: str | None
    ) -> None:
        super().__init__(stage, name, group_id, topic)
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.session_ms = self.chance.choice([1_000, 2_000, 6_000])

    async def run(self) -> None:
        while not self.stage.is_closing:
            try:
                assigned = await self._join()
                if assigned:
                    await self.look_up(assigned)
                await self._stay(assigned)
            except (Lost, Rejoin):
                await self.sleep_ms(10, 300)
        try:
            await self._leave()
        except Lost:
            pass

    async def _stay(self, assigned: list[int]) -> None:
        self.history.count("generations joined")
        for _ in range(self.chance.randint(3, 40)):
            if self.stage.is_closing:
                return
            if assigned and self.chance.random() < 0.7:
                error = await self.commit(
                    assigned,
                    generation_id_or_member_epoch=self.generation,
                    member_id=self.member_id,
                    **self._instance(),
                )
                self._check(error, "a commit")
            else:
                await self._beat()
            await self.sleep_ms(1, self.session_ms / 3)
        if self.chance.random() < 0.3:
            self._vanish()
        elif self.chance.random() < 0.3:
            await self._leave()

    def _instance(self) -> dict[str, Any]:
        return {} if self.instance_id is None else {"group_instance_id": self.instance_id}

    def _vanish(self) -> None:
        """As a process that is killed: nobody is told."""
        self.client.close()
        self.member_id = ""

    def _check(self, error: int, what: str) -> None:
        if error in (codes.UNKNOWN_MEMBER_ID, codes.FENCED_INSTANCE_ID):
            self.member_id = ""
        if error != codes.NONE:
            if error not in _OUT and error not in AGAIN:
                raise self.wrong(f"{what} was answered {codes.name_of(error)}")
            raise Rejoin

    def _least(self, first: int) -> int:
        return first if self.instance_id is not None else 0

    async def _join(self) -> list[int]:
        """Join and sync. Returns: the partitions this member has in the generation."""
        version = self.version(JOIN_GROUP, self._least(5))
        self.doing = "joining"
        protocol = JoinGroupRequestProtocol(name="range", metadata=b"any")
        request = JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=self.session_ms,
            rebalance_timeout_ms=self.session_ms,
            member_id=self.member_id,
            protocol_type="consumer",
            protocols=[protocol],
            **self._instance(),
        )
        answer = await self.client.ask(JOIN_GROUP, version, request, timeout_s=30)
        if answer.error_code == codes.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            raise Rejoin
        self._check(answer.error_code, "a join")
        self.member_id = answer.member_id
        self.generation = answer.generation_id
        assignments = []
        if answer.leader == self.member_id and answer.members:
            ids = sorted(each.member_id for each in answer.members)
            for number, member_id in enumerate(ids):
                mine = list(range(number, self.topic.partition_count, len(ids)))
                assignments.append(
                    SyncGroupRequestAssignment(
                        member_id=member_id, assignment=json.dumps(mine).encode()
                    )
                )
        self.doing = "syncing"
        synced = await self.client.ask(
            SYNC_GROUP,
            self.version(SYNC_GROUP, self._least(3)),
            SyncGroupRequest(
                group_id=self.group_id,
                generation_id=self.generation,
                member_id=self.member_id,
                assignments=assignments,
                **self._instance(),
            ),
            timeout_s=30,
        )
        self._check(synced.error_code, "a sync")
        return list(json.loads(bytes(synced.assignment) or b"[]"))

    async def _beat(self) -> None:
        self.doing = "beating"
        answer = await self.client.ask(
            HEARTBEAT,
            self.version(HEARTBEAT, self._least(3)),
            HeartbeatRequest(
                group_id=self.group_id,
                generation_id=self.generation,
                member_id=self.member_id,
                **self._instance(),
            ),
        )
        self._check(answer.error_code, "a heartbeat")

    async def _leave(self) -> None:
        if not self.member_id:
            return
        self.doing = "leaving"
        version = self.version(LEAVE_GROUP)
        me = MemberIdentity(member_id=self.member_id)
        request = LeaveGroupRequest(
            group_id=self.group_id,
            member_id=self.member_id if version < 3 else "",
            members=[me] if version >= 3 else [],
        )
        self.member_id = ""
        await self.client.ask(LEAVE_GROUP, version, request)
