"""SyncGroup: key 14, versions 0-5, flexible from 4.

Behaviour: `assignment` is opaque; only the leader sends `assignments`.

Versions: 1 throttle time · 3 static members · 4 flexible · 5 protocol type and name, which must
agree with the group's when given.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BYTES, INT16, INT32, STRING, Message, field


class SyncGroupRequestAssignment(Message):
    member_id: str = field(STRING, "0+")
    assignment: bytes = field(BYTES, "0+")


class SyncGroupRequest(Message):
    group_id: str = field(STRING, "0+")
    generation_id: int = field(INT32, "0+")
    member_id: str = field(STRING, "0+")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    protocol_type: str | None = field(STRING, "5+", nullable="5+", default=None)
    protocol_name: str | None = field(STRING, "5+", nullable="5+", default=None)
    assignments: list[SyncGroupRequestAssignment] = field(ARRAY(SyncGroupRequestAssignment), "0+")


class SyncGroupResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "0+")
    protocol_type: str | None = field(STRING, "5+", nullable="5+", default=None)
    protocol_name: str | None = field(STRING, "5+", nullable="5+", default=None)
    assignment: bytes = field(BYTES, "0+")


SYNC_GROUP = Api(
    key=14,
    name="SyncGroup",
    versions="0-5",
    flexible="4+",
    request=SyncGroupRequest,
    response=SyncGroupResponse,
)
