"""DescribeGroups: key 15, versions 0-6.

Behaviour: a group that has members or committed offsets is described as it stands; one that has
neither is Dead, from v6 with GROUP_ID_NOT_FOUND. So is one whose partitions the broker assigns:
ConsumerGroupDescribe describes it.
"""

from __future__ import annotations

from summit.broker.groups.group import Group
from summit.broker.groups.states import State
from summit.broker.operations import ON_GROUP
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)


def handle(state: BrokerState, request: Request, message: DescribeGroupsRequest) -> None:
    """Describe each group."""
    # Once each: a request that repeats a name must not multiply what is said of it.
    wanted = dict.fromkeys(message.groups)
    groups = [_describe(state, request.version, group_id) for group_id in wanted]
    if message.include_authorized_operations:
        for group in groups:
            if group.error_code == codes.NONE:
                group.authorized_operations = ON_GROUP
    request.reply(DescribeGroupsResponse(groups=groups))


def _describe(state: BrokerState, version: int, group_id: str) -> DescribedGroup:
    coordinator = state.coordinator
    group = coordinator.group(group_id)
    if group is not None:
        return _living(group)
    answer = DescribedGroup(
        error_code=codes.NONE,
        group_id=group_id,
        group_state=State.EMPTY.value,
        protocol_type="consumer",
        protocol_data="",
        members=[],
    )
    is_newer = group_id in coordinator.consumers.groups
    if is_newer or not coordinator.offsets.of_group(group_id):
        answer.group_state = State.DEAD.value
        answer.protocol_type = ""
        if version >= 6:
            answer.error_code = codes.GROUP_ID_NOT_FOUND
            reason = "is not a classic group" if is_newer else "does not exist"
            answer.error_message = f"group {group_id} {reason}"
    return answer


def _living(group: Group) -> DescribedGroup:
    is_stable = group.state is State.STABLE
    return DescribedGroup(
        error_code=codes.NONE,
        group_id=group.group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol or "") if is_stable else "",
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata(group.protocol) if is_stable else b"",
                member_assignment=member.assignment if is_stable else b"",
            )
            for member in group.members.values()
        ],
    )
