"""JoinGroup: key 11, versions 0-9, flexible from 6.

Behaviour: `metadata` is opaque. From v4 a new member without an id is told MEMBER_ID_REQUIRED
together with the id to come back with. v0 has no rebalance timeout: the session timeout serves.

Versions: 1 rebalance timeout · 2 throttle time · 5 static members · 6 flexible · 7 protocol type
and null protocol name in the response · 8 reason · 9 `skip_assignment`.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, BYTES, INT16, INT32, STRING, Message, field


class JoinGroupRequestProtocol(Message):
    name: str = field(STRING, "0+")
    metadata: bytes = field(BYTES, "0+")


class JoinGroupRequest(Message):
    group_id: str = field(STRING, "0+")
    session_timeout_ms: int = field(INT32, "0+")
    rebalance_timeout_ms: int = field(INT32, "1+", default=-1)
    member_id: str = field(STRING, "0+")
    group_instance_id: str | None = field(STRING, "5+", nullable="5+", default=None)
    protocol_type: str = field(STRING, "0+")
    protocols: list[JoinGroupRequestProtocol] = field(ARRAY(JoinGroupRequestProtocol), "0+")
    reason: str | None = field(STRING, "8+", nullable="8+", default=None)


class JoinGroupResponseMember(Message):
    member_id: str = field(STRING, "0+")
    group_instance_id: str | None = field(STRING, "5+", nullable="5+", default=None)
    metadata: bytes = field(BYTES, "0+")


class JoinGroupResponse(Message):
    throttle_time_ms: int = field(INT32, "2+", default=0)
    error_code: int = field(INT16, "0+")
    generation_id: int = field(INT32, "0+", default=-1)
    protocol_type: str | None = field(STRING, "7+", nullable="7+", default=None)
    protocol_name: str | None = field(STRING, "0+", nullable="7+")
    leader: str = field(STRING, "0+")
    skip_assignment: bool = field(BOOL, "9+", default=False)
    member_id: str = field(STRING, "0+")
    members: list[JoinGroupResponseMember] = field(ARRAY(JoinGroupResponseMember), "0+")


JOIN_GROUP = Api(
    key=11,
    name="JoinGroup",
    versions="0-9",
    flexible="6+",
    request=JoinGroupRequest,
    response=JoinGroupResponse,
)
