"""OffsetDelete: key 47, version 0.

Behaviour: drops a group's commits, partition by partition. GROUP_ID_NOT_FOUND when there is no
such group; GROUP_SUBSCRIBED_TO_TOPIC for a topic that a living consumer group reads;
NON_EMPTY_GROUP for the whole request when a group with members is not one of consumers. A
partition without a commit is no error. The answer waits until all is durable.
"""

from __future__ import annotations

from summit.base.errors import SummitError
from summit.broker.groups.offsets import TopicPartition
from summit.broker.groups.subscription import subscribed_topics
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


def handle(state: BrokerState, request: Request, message: OffsetDeleteRequest) -> None:
    """Drop the commits that may be dropped and answer once that is durable."""
    refused = _group_error(state, message.group_id)
    if refused != codes.NONE:
        request.reply(OffsetDeleteResponse(error_code=refused, topics=[]))
        return
    group = state.coordinator.group(message.group_id)
    newer = state.coordinator.consumers.groups.get(message.group_id)
    read: frozenset[str] | None = frozenset()
    if group is not None:
        read = subscribed_topics(group)
    elif newer is not None:
        read = newer.subscribed
    gone: list[TopicPartition] = []
    accepted: list[OffsetDeleteResponsePartition] = []
    answers = []
    for topic in message.topics:
        answer = OffsetDeleteResponseTopic(name=topic.name, partitions=[])
        answers.append(answer)
        for wanted in topic.partitions:
            index = wanted.partition_index
            error = codes.NONE
            if state.topics.partition(topic.name, index) is None:
                error = codes.UNKNOWN_TOPIC_OR_PARTITION
            elif read is None or topic.name in read:
                error = codes.GROUP_SUBSCRIBED_TO_TOPIC
            result = OffsetDeleteResponsePartition(partition_index=index, error_code=error)
            answer.partitions.append(result)
            if error == codes.NONE:
                accepted.append(result)
                gone.append((topic.name, index))

    def done(error: int) -> None:
        for result in accepted:
            result.error_code = error
        request.reply(OffsetDeleteResponse(error_code=codes.NONE, topics=answers))

    try:
        state.coordinator.delete_offsets(message.group_id, gone, done)
    except SummitError as error:
        done(codes.code_of(error))


def _group_error(state: BrokerState, group_id: str) -> int:
    if not group_id:
        return codes.INVALID_GROUP_ID
    if not state.coordinator.exists(group_id):
        return codes.GROUP_ID_NOT_FOUND
    group = state.coordinator.group(group_id)
    if group is not None and group.members and group.protocol_type != "consumer":
        return codes.NON_EMPTY_GROUP
    return codes.NONE
