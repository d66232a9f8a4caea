"""DescribeTopicPartitions: key 75, version 0.

Behaviour: topics in the order of their names, at most `response_partition_limit` partitions (2000
when less than 1 or more are asked for); `next_cursor` names the first that did not fit. A cursor
skips every topic before its own. No topics means all of them; a topic that does not exist is
answered with its error, and is never made.
"""

from __future__ import annotations

from typing import Final

from summit.base.errors import Invalid
from summit.broker.operations import ON_TOPIC
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Partition, check_topic_name
from summit.protocol import codes
from summit.protocol.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

_PARTITIONS_MAX: Final = 2_000


def handle(state: BrokerState, request: Request, message: DescribeTopicPartitionsRequest) -> None:
    """Describe one page of partitions."""
    names = sorted({topic.name for topic in message.topics}) or sorted(
        topic.name for topic in state.topics
    )
    first = 0
    cursor = message.cursor
    if cursor is not None:
        names = [name for name in names if name >= cursor.topic_name]
        if names and names[0] == cursor.topic_name:
            first = max(cursor.partition_index, 0)
    room = message.response_partition_limit
    if not 1 <= room <= _PARTITIONS_MAX:
        room = _PARTITIONS_MAX
    answer = DescribeTopicPartitionsResponse(topics=[])
    for name in names:
        if room <= 0:
            answer.next_cursor = Cursor(topic_name=name, partition_index=0)
            break
        described, rest = _describe(state, name, first, room)
        answer.topics.append(described)
        room -= len(described.partitions)
        if rest:
            at = first + len(described.partitions)
            answer.next_cursor = Cursor(topic_name=name, partition_index=at)
            break
        first = 0
    request.reply(answer)


def _describe(
    state: BrokerState, name: str, first: int, room: int
) -> tuple[DescribeTopicPartitionsResponseTopic, bool]:
    """One topic from a partition on, and whether some of it did not fit."""
    topic = state.topics.named(name)
    if topic is None:
        error = codes.UNKNOWN_TOPIC_OR_PARTITION
        try:
            check_topic_name(name)
        except Invalid as wrong:
            error = codes.code_of(wrong)
        return DescribeTopicPartitionsResponseTopic(
            error_code=error, name=name, partitions=[]
        ), False
    return (
        DescribeTopicPartitionsResponseTopic(
            error_code=codes.NONE,
            name=name,
            topic_id=topic.topic_id,
            is_internal=topic.is_internal,
            topic_authorized_operations=ON_TOPIC,
            partitions=[
                _partition(state.broker_id, partition)
                for partition in topic.partitions[first : first + room]
            ],
        ),
        len(topic.partitions) > first + room,
    )


def _partition(node: int, partition: Partition) -> DescribeTopicPartitionsResponsePartition:
    return DescribeTopicPartitionsResponsePartition(
        error_code=codes.NONE,
        partition_index=partition.index,
        leader_id=node,
        leader_epoch=partition.log.leader_epoch,
        replica_nodes=[node],
        isr_nodes=[node],
        eligible_leader_replicas=[],
        last_known_elr=[],
    )
