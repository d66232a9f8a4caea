"""ListOffsets: key 2, versions 1-11, flexible from 6.

Behaviour: `timestamp` -1 asks for the end (the last stable offset under read_committed), -2 for
the start, -3 (v7+) for the record with the largest timestamp, -4 (v8+) for the local start, -5
(v9+) for the last tiered offset, -6 (v11+) for the earliest pending upload; any other value for
the first offset whose timestamp is not smaller.

Versions: 2 isolation level, throttle time · 4 leader epochs · 6 flexible · 10 `timeout_ms`.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, INT64, STRING, Message, field


class ListOffsetsPartition(Message):
    partition_index: int = field(INT32, "0+")
    current_leader_epoch: int = field(INT32, "4+", default=-1)
    timestamp: int = field(INT64, "0+")


class ListOffsetsTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[ListOffsetsPartition] = field(ARRAY(ListOffsetsPartition), "0+")


class ListOffsetsRequest(Message):
    replica_id: int = field(INT32, "0+", default=-1)
    isolation_level: int = field(INT8, "2+", default=0)
    topics: list[ListOffsetsTopic] = field(ARRAY(ListOffsetsTopic), "0+")
    timeout_ms: int = field(INT32, "10+", default=0)


class ListOffsetsPartitionResponse(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    timestamp: int = field(INT64, "1+", default=-1)
    offset: int = field(INT64, "1+", default=-1)
    leader_epoch: int = field(INT32, "4+", default=-1)


class ListOffsetsTopicResponse(Message):
    name: str = field(STRING, "0+")
    partitions: list[ListOffsetsPartitionResponse] = field(
        ARRAY(ListOffsetsPartitionResponse), "0+"
    )


class ListOffsetsResponse(Message):
    throttle_time_ms: int = field(INT32, "2+", default=0)
    topics: list[ListOffsetsTopicResponse] = field(ARRAY(ListOffsetsTopicResponse), "0+")


LIST_OFFSETS = Api(
    key=2,
    name="ListOffsets",
    versions="1-11",
    flexible="6+",
    request=ListOffsetsRequest,
    response=ListOffsetsResponse,
)
