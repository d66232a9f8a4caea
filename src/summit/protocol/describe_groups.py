"""DescribeGroups: key 15, versions 0-6, flexible from 5.

Behaviour: a group that does not exist is answered as `Dead` without members (v0-v5), or with
GROUP_ID_NOT_FOUND and a message (v6).

Versions: 1 throttle time · 3 authorized operations · 4 static members · 5 flexible · 6 error
message.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, BYTES, INT16, INT32, STRING, Message, field
from summit.protocol.metadata import OPERATIONS_NOT_ASKED


class DescribeGroupsRequest(Message):
    groups: list[str] = field(ARRAY(STRING), "0+")
    include_authorized_operations: bool = field(BOOL, "3+", default=False)


class DescribedGroupMember(Message):
    member_id: str = field(STRING, "0+")
    group_instance_id: str | None = field(STRING, "4+", nullable="4+", default=None)
    client_id: str = field(STRING, "0+")
    client_host: str = field(STRING, "0+")
    member_metadata: bytes = field(BYTES, "0+")
    member_assignment: bytes = field(BYTES, "0+")


class DescribedGroup(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "6+", nullable="6+", default=None)
    group_id: str = field(STRING, "0+")
    group_state: str = field(STRING, "0+")
    protocol_type: str = field(STRING, "0+")
    protocol_data: str = field(STRING, "0+")
    members: list[DescribedGroupMember] = field(ARRAY(DescribedGroupMember), "0+")
    authorized_operations: int = field(INT32, "3+", default=OPERATIONS_NOT_ASKED)


class DescribeGroupsResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    groups: list[DescribedGroup] = field(ARRAY(DescribedGroup), "0+")


DESCRIBE_GROUPS = Api(
    key=15,
    name="DescribeGroups",
    versions="0-6",
    flexible="5+",
    request=DescribeGroupsRequest,
    response=DescribeGroupsResponse,
)
