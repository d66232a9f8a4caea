"""LeaveGroup: key 13, versions 0-5.

Behaviour: versions 0-2 name one member, 3+ several, static ones also by instance id alone. Each
member of v3+ is answered on its own.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse


def handle(state: BrokerState, request: Request, message: LeaveGroupRequest) -> None:
    """Take the members out of their group."""
    coordinator = state.coordinator
    if request.version < 3:
        error = coordinator.leave(message.group_id, message.member_id, None)
        request.reply(LeaveGroupResponse(error_code=error))
        return
    if not message.group_id:
        request.reply(LeaveGroupResponse(error_code=codes.INVALID_GROUP_ID))
        return
    answers = [
        MemberResponse(
            member_id=each.member_id,
            group_instance_id=each.group_instance_id,
            error_code=coordinator.leave(message.group_id, each.member_id, each.group_instance_id),
        )
        for each in message.members
    ]
    request.reply(LeaveGroupResponse(error_code=codes.NONE, members=answers))
