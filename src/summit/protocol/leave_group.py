"""LeaveGroup: key 13, versions 0-5, flexible from 4.

Versions: 1 throttle time · 3 several members (`members` replaces `member_id`) · 4 flexible · 5
reason.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class MemberIdentity(Message):
    member_id: str = field(STRING, "3+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    reason: str | None = field(STRING, "5+", nullable="5+", default=None)


class LeaveGroupRequest(Message):
    group_id: str = field(STRING, "0+")
    member_id: str = field(STRING, "0-2", default="")
    members: list[MemberIdentity] = field(ARRAY(MemberIdentity), "3+", default_factory=list)


class MemberResponse(Message):
    member_id: str = field(STRING, "3+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    error_code: int = field(INT16, "3+")


class LeaveGroupResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "0+")
    members: list[MemberResponse] = field(ARRAY(MemberResponse), "3+", default_factory=list)


LEAVE_GROUP = Api(
    key=13,
    name="LeaveGroup",
    versions="0-5",
    flexible="4+",
    request=LeaveGroupRequest,
    response=LeaveGroupResponse,
)
