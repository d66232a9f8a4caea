"""ElectLeaders: key 43, versions 0-2, flexible from 2.

Behaviour: gives partitions back to their preferred leaders (`election_type` 0), or takes any
replica (1), which may lose records. `topic_partitions` None means all partitions. Our own
broker leads everything.
Versions: 1 election type, top-level error code · 2 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class ElectLeadersTopic(Message):
    topic: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class ElectLeadersRequest(Message):
    election_type: int = field(INT8, "1+")
    topic_partitions: list[ElectLeadersTopic] | None = field(
        ARRAY(ElectLeadersTopic), "0+", nullable="0+"
    )
    timeout_ms: int = field(INT32, "0+", default=60_000)


class ElectLeadersPartitionResult(Message):
    partition_id: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+")


class ElectLeadersTopicResult(Message):
    topic: str = field(STRING, "0+")
    partition_result: list[ElectLeadersPartitionResult] = field(
        ARRAY(ElectLeadersPartitionResult), "0+"
    )


class ElectLeadersResponse(Message):
    throttle_time_ms: int = field(INT32, "0+")
    error_code: int = field(INT16, "1+")
    replica_election_results: list[ElectLeadersTopicResult] = field(
        ARRAY(ElectLeadersTopicResult), "0+"
    )


ELECT_LEADERS = Api(
    key=43,
    name="ElectLeaders",
    versions="0-2",
    flexible="2+",
    request=ElectLeadersRequest,
    response=ElectLeadersResponse,
)
