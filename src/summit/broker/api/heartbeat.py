"""Heartbeat: key 12, versions 0-4.

Behaviour: keeps the member's session alive and tells it, by REBALANCE_IN_PROGRESS, to join again.
Versions: 3 static members.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol.heartbeat import HeartbeatRequest, HeartbeatResponse


def handle(state: BrokerState, request: Request, message: HeartbeatRequest) -> None:
    """Answer with the group's word."""
    error = state.coordinator.heartbeat(
        message.group_id, message.member_id, message.group_instance_id, message.generation_id
    )
    request.reply(HeartbeatResponse(error_code=error))
