"""OffsetDelete: key 47, version 0, never flexible.

Behaviour: drops a group's commits to the named partitions; the top-level error is the group's.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class OffsetDeleteRequestPartition(Message):
    partition_index: int = field(INT32, "0+")


class OffsetDeleteRequestTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[OffsetDeleteRequestPartition] = field(
        ARRAY(OffsetDeleteRequestPartition), "0+"
    )


class OffsetDeleteRequest(Message):
    group_id: str = field(STRING, "0+")
    topics: list[OffsetDeleteRequestTopic] = field(ARRAY(OffsetDeleteRequestTopic), "0+")


class OffsetDeleteResponsePartition(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")


class OffsetDeleteResponseTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[OffsetDeleteResponsePartition] = field(
        ARRAY(OffsetDeleteResponsePartition), "0+"
    )


class OffsetDeleteResponse(Message):
    error_code: int = field(INT16, "0+")
    throttle_time_ms: int = field(INT32, "0+", default=0)
    topics: list[OffsetDeleteResponseTopic] = field(ARRAY(OffsetDeleteResponseTopic), "0+")


OFFSET_DELETE = Api(
    key=47,
    name="OffsetDelete",
    versions="0",
    flexible="",
    request=OffsetDeleteRequest,
    response=OffsetDeleteResponse,
)
