"""DeleteGroups: key 42, versions 0-2, flexible from 2.

Behaviour: each group succeeds or fails alone.

Versions: 2 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class DeleteGroupsRequest(Message):
    groups_names: list[str] = field(ARRAY(STRING), "0+")


class DeletableGroupResult(Message):
    group_id: str = field(STRING, "0+")
    error_code: int = field(INT16, "0+")


class DeleteGroupsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[DeletableGroupResult] = field(ARRAY(DeletableGroupResult), "0+")


DELETE_GROUPS = Api(
    key=42,
    name="DeleteGroups",
    versions="0-2",
    flexible="2+",
    request=DeleteGroupsRequest,
    response=DeleteGroupsResponse,
)
