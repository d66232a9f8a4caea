"""AlterPartitionReassignments: key 45, versions 0-1, flexible.

Behaviour: has partitions moved to other brokers; null replicas cancel a move.
Versions: 1 whether the number of replicas may change.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, STRING, Message, field


class ReassignablePartition(Message):
    partition_index: int = field(INT32, "0+")
    replicas: list[int] | None = field(ARRAY(INT32), "0+", nullable="0+", default=None)


class ReassignableTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[ReassignablePartition] = field(ARRAY(ReassignablePartition), "0+")


class AlterPartitionReassignmentsRequest(Message):
    timeout_ms: int = field(INT32, "0+", default=60_000)
    allow_replication_factor_change: bool = field(BOOL, "1+", default=True)
    topics: list[ReassignableTopic] = field(ARRAY(ReassignableTopic), "0+")


class ReassignablePartitionResponse(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)


class ReassignableTopicResponse(Message):
    name: str = field(STRING, "0+")
    partitions: list[ReassignablePartitionResponse] = field(
        ARRAY(ReassignablePartitionResponse), "0+"
    )


class AlterPartitionReassignmentsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    allow_replication_factor_change: bool = field(BOOL, "1+", default=True)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    responses: list[ReassignableTopicResponse] = field(ARRAY(ReassignableTopicResponse), "0+")


ALTER_PARTITION_REASSIGNMENTS = Api(
    key=45,
    name="AlterPartitionReassignments",
    versions="0-1",
    flexible="0+",
    request=AlterPartitionReassignmentsRequest,
    response=AlterPartitionReassignmentsResponse,
)
