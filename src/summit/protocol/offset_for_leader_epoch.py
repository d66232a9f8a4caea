"""OffsetForLeaderEpoch: key 23, versions 2-4, flexible from 4.

Behaviour: the last epoch that is not larger than the one asked for, and where it ends. Both -1
when there is none.

Versions: 3 replica id · 4 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class OffsetForLeaderPartition(Message):
    partition: int = field(INT32, "0+")
    current_leader_epoch: int = field(INT32, "2+", default=-1)
    leader_epoch: int = field(INT32, "0+")


class OffsetForLeaderTopic(Message):
    topic: str = field(STRING, "0+")
    partitions: list[OffsetForLeaderPartition] = field(ARRAY(OffsetForLeaderPartition), "0+")


class OffsetForLeaderEpochRequest(Message):
    replica_id: int = field(INT32, "3+", default=-2)
    topics: list[OffsetForLeaderTopic] = field(ARRAY(OffsetForLeaderTopic), "0+")


class EpochEndOffset(Message):
    error_code: int = field(INT16, "0+")
    partition: int = field(INT32, "0+")
    leader_epoch: int = field(INT32, "1+", default=-1)
    end_offset: int = field(INT64, "0+", default=-1)


class OffsetForLeaderTopicResult(Message):
    topic: str = field(STRING, "0+")
    partitions: list[EpochEndOffset] = field(ARRAY(EpochEndOffset), "0+")


class OffsetForLeaderEpochResponse(Message):
    throttle_time_ms: int = field(INT32, "2+", default=0)
    topics: list[OffsetForLeaderTopicResult] = field(ARRAY(OffsetForLeaderTopicResult), "0+")


OFFSET_FOR_LEADER_EPOCH = Api(
    key=23,
    name="OffsetForLeaderEpoch",
    versions="2-4",
    flexible="4+",
    request=OffsetForLeaderEpochRequest,
    response=OffsetForLeaderEpochResponse,
)
