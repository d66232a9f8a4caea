"""JoinGroup: key 11, versions 0-9.

Behaviour: the classic group protocol; the answer waits until the generation is complete. From v4
a new dynamic member first gets MEMBER_ID_REQUIRED and the id to come back with. Metadata is
opaque.
Versions: 0 the session timeout is the rebalance timeout · 5 static members · 9 a returning static
leader is told to skip the assignment.
"""

from __future__ import annotations

from summit.broker.groups.member import JoinAsk, JoinReply, Reply
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)


def handle(state: BrokerState, request: Request, message: JoinGroupRequest) -> None:
    """Hand the member to its group."""
    version = request.version
    client_id = request.client_id or ""
    rebalance_ms = message.rebalance_timeout_ms
    ask = JoinAsk(
        member_id=message.member_id,
        fresh_member_id=state.coordinator.fresh_member_id(message.group_instance_id or client_id),
        instance_id=message.group_instance_id,
        client_id=client_id,
        client_host=f"/{request.connection.peer_host}",
        protocol_type=message.protocol_type,
        protocols=[(each.name, each.metadata) for each in message.protocols],
        session_timeout_ms=message.session_timeout_ms,
        rebalance_timeout_ms=rebalance_ms if rebalance_ms >= 0 else message.session_timeout_ms,
        must_know_id=version >= 4,
        may_skip_assignment=version >= 9,
    )

    def answer(reply: Reply) -> None:
        assert isinstance(reply, JoinReply)
        # Before v7 the name may not be null; an error answer has none.
        protocol = reply.protocol if version >= 7 else reply.protocol or ""
        request.reply(
            JoinGroupResponse(
                error_code=reply.error,
                generation_id=reply.generation,
                protocol_type=reply.protocol_type,
                protocol_name=protocol,
                leader=reply.leader_id,
                skip_assignment=reply.skip_assignment,
                member_id=reply.member_id,
                members=[
                    JoinGroupResponseMember(
                        member_id=member_id, group_instance_id=instance_id, metadata=metadata
                    )
                    for member_id, instance_id, metadata in reply.members
                ],
            )
        )

    state.coordinator.join(message.group_id, ask, answer)
