"""ConsumerGroupDescribe: key 69, versions 0-1.

Behaviour: epochs, members, what each has and is to have, of groups whose partitions the broker
assigns; GROUP_ID_NOT_FOUND for any other. Topics that are gone are left out.
Versions: 1 which protocol a member speaks: 0 classic, 1 the newer one.
"""

from __future__ import annotations

from summit.broker.groups.assignment import NOWHERE, Places, by_topic
from summit.broker.groups.consumer_group import ConsumerGroup
from summit.broker.groups.consumer_member import ConsumerMember
from summit.broker.operations import ON_GROUP
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedAssignment,
    DescribedConsumerGroup,
    DescribedMember,
    DescribedTopicPartitions,
)


def handle(state: BrokerState, request: Request, message: ConsumerGroupDescribeRequest) -> None:
    """Describe each group, once."""
    groups = [_describe(state, group_id) for group_id in dict.fromkeys(message.group_ids)]
    if message.include_authorized_operations:
        for group in groups:
            if group.error_code == codes.NONE:
                group.authorized_operations = ON_GROUP
    request.reply(ConsumerGroupDescribeResponse(groups=groups))


def _describe(state: BrokerState, group_id: str) -> DescribedConsumerGroup:
    if not group_id:
        return DescribedConsumerGroup(error_code=codes.INVALID_GROUP_ID, group_id=group_id)
    group = state.coordinator.consumers.groups.get(group_id)
    if group is None:
        return DescribedConsumerGroup(
            error_code=codes.GROUP_ID_NOT_FOUND,
            error_message=f"there is no consumer group {group_id}",
            group_id=group_id,
        )
    return DescribedConsumerGroup(
        error_code=codes.NONE,
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.assignor,
        members=[_member(state, group, member) for member in group.members.values()],
    )


def _member(state: BrokerState, group: ConsumerGroup, member: ConsumerMember) -> DescribedMember:
    return DescribedMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=member.names,
        subscribed_topic_regex=member.pattern or "",
        assignment=_assignment(state, member.assigned),
        target_assignment=_assignment(state, group.targets.get(member.member_id, NOWHERE)),
        member_type=1 if member.classic is None else 0,
    )


def _assignment(state: BrokerState, places: Places) -> DescribedAssignment:
    found = []
    for topic_id, indexes in by_topic(places).items():
        topic = state.topics.with_id(topic_id)
        if topic is not None:
            found.append(
                DescribedTopicPartitions(
                    topic_id=topic_id, topic_name=topic.name, partitions=indexes
                )
            )
    return DescribedAssignment(topic_partitions=found)
