"""ListGroups: key 16, versions 0-5, flexible from 3.

Behaviour: an empty filter lets every group through.

Versions: 1 throttle time · 3 flexible · 4 group state and its filter · 5 group type and its
filter.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class ListGroupsRequest(Message):
    states_filter: list[str] = field(ARRAY(STRING), "4+", default_factory=list)
    types_filter: list[str] = field(ARRAY(STRING), "5+", default_factory=list)


class ListedGroup(Message):
    group_id: str = field(STRING, "0+")
    protocol_type: str = field(STRING, "0+")
    group_state: str = field(STRING, "4+", default="")
    group_type: str = field(STRING, "5+", default="")


class ListGroupsResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "0+")
    groups: list[ListedGroup] = field(ARRAY(ListedGroup), "0+")


LIST_GROUPS = Api(
    key=16,
    name="ListGroups",
    versions="0-5",
    flexible="3+",
    request=ListGroupsRequest,
    response=ListGroupsResponse,
)
