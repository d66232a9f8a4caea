"""OffsetCommit: key 8, versions 2-10.

Behaviour: commits are answered when they are durable in `__consumer_offsets`. Members are checked
by generation and id, those of groups that the broker assigns by epoch and id, from v9; without
both, anybody may commit while the group has no members. Metadata comes back byte for byte; more
than 4,096 bytes of it is refused.
Versions: 6 leader epoch · 7 static members · 10 topics by id.
Deviations: `retention_time_ms` (2-4) is not kept per commit; the broker's retention holds.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.groups.coordinator import METADATA_BYTES_MAX
from summit.broker.groups.offsets import Committed, TopicPartition
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Partition, Topic
from summit.protocol import codes
from summit.protocol.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)


def handle(state: BrokerState, request: Request, message: OffsetCommitRequest) -> None:
    """Commit every partition that may be committed."""
    now_ms = state.clock.now_ms()
    refused = (
        codes.INVALID_GROUP_ID
        if not message.group_id
        else state.coordinator.check_commit(
            message.group_id,
            message.member_id,
            message.group_instance_id,
            message.generation_id_or_member_epoch,
            request.version,
        )
    )
    commits: list[tuple[TopicPartition, Committed]] = []
    accepted: list[OffsetCommitResponsePartition] = []
    answers = []
    for wanted in message.topics:
        answer = OffsetCommitResponseTopic(
            name=wanted.name, topic_id=wanted.topic_id, partitions=[]
        )
        answers.append(answer)
        by_id = request.version >= 10
        topic = state.topics.with_id(wanted.topic_id) if by_id else state.topics.named(wanted.name)
        for each in wanted.partitions:
            error = refused or _check(topic, each, by_id=by_id)
            result = OffsetCommitResponsePartition(
                partition_index=each.partition_index, error_code=error
            )
            answer.partitions.append(result)
            if error == codes.NONE and topic is not None:
                accepted.append(result)
                commits.append(((topic.name, each.partition_index), _committed(each, now_ms)))
    if not commits:
        request.reply(OffsetCommitResponse(topics=answers))
        return

    def done(error: SummitError | None) -> None:
        if error is not None:
            # What a Kafka coordinator says when its log cannot be written.
            for result in accepted:
                result.error_code = codes.COORDINATOR_NOT_AVAILABLE
        request.reply(OffsetCommitResponse(topics=answers))

    try:
        state.coordinator.commit_offsets(message.group_id, commits, done)
    except SummitError as error:
        done(error)


def check_commit(partition: Partition | None, metadata: str | None) -> int:
    """What stands against one commit: an error code."""
    if partition is None:
        return codes.UNKNOWN_TOPIC_OR_PARTITION
    if len((metadata or "").encode()) > METADATA_BYTES_MAX:
        return codes.OFFSET_METADATA_TOO_LARGE
    return codes.NONE


def _check(topic: Topic | None, wanted: OffsetCommitRequestPartition, *, by_id: bool) -> int:
    if topic is None:
        return codes.UNKNOWN_TOPIC_ID if by_id else codes.UNKNOWN_TOPIC_OR_PARTITION
    known = 0 <= wanted.partition_index < len(topic.partitions)
    partition = topic.partitions[wanted.partition_index] if known else None
    return check_commit(partition, wanted.committed_metadata)


def _committed(wanted: OffsetCommitRequestPartition, now_ms: int) -> Committed:
    return Committed(
        wanted.committed_offset,
        wanted.committed_leader_epoch,
        wanted.committed_metadata or "",
        now_ms,
    )
