"""SyncGroup: key 14, versions 0-5.

Behaviour: the leader brings the assignments; everybody's answer waits until they are durable.
Versions: 3 static members · 5 protocol type and name, which must be the group's.
"""

from __future__ import annotations

from summit.broker.groups.member import Reply, SyncAsk, SyncReply
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol.sync_group import SyncGroupRequest, SyncGroupResponse


def handle(state: BrokerState, request: Request, message: SyncGroupRequest) -> None:
    """Hand the sync to its group."""

    def answer(reply: Reply) -> None:
        assert isinstance(reply, SyncReply)
        request.reply(
            SyncGroupResponse(
                error_code=reply.error,
                protocol_type=reply.protocol_type,
                protocol_name=reply.protocol,
                assignment=reply.assignment,
            )
        )

    state.coordinator.sync(
        message.group_id,
        SyncAsk(
            member_id=message.member_id,
            instance_id=message.group_instance_id,
            generation=message.generation_id,
            protocol_type=message.protocol_type,
            protocol=message.protocol_name,
            assignments={each.member_id: each.assignment for each in message.assignments},
        ),
        answer,
    )
