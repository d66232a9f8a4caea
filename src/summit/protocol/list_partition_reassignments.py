"""ListPartitionReassignments: key 46, version 0, flexible.

Behaviour: the moves of partitions that are under way; null topics mean all.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class ListPartitionReassignmentsTopics(Message):
    name: str = field(STRING, "0+")
    partition_indexes: list[int] = field(ARRAY(INT32), "0+")


class ListPartitionReassignmentsRequest(Message):
    timeout_ms: int = field(INT32, "0+", default=60_000)
    topics: list[ListPartitionReassignmentsTopics] | None = field(
        ARRAY(ListPartitionReassignmentsTopics), "0+", nullable="0+", default=None
    )


class OngoingPartitionReassignment(Message):
    partition_index: int = field(INT32, "0+")
    replicas: list[int] = field(ARRAY(INT32), "0+")
    adding_replicas: list[int] = field(ARRAY(INT32), "0+")
    removing_replicas: list[int] = field(ARRAY(INT32), "0+")


class OngoingTopicReassignment(Message):
    name: str = field(STRING, "0+")
    partitions: list[OngoingPartitionReassignment] = field(
        ARRAY(OngoingPartitionReassignment), "0+"
    )


class ListPartitionReassignmentsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    topics: list[OngoingTopicReassignment] = field(ARRAY(OngoingTopicReassignment), "0+")


LIST_PARTITION_REASSIGNMENTS = Api(
    key=46,
    name="ListPartitionReassignments",
    versions="0",
    flexible="0+",
    request=ListPartitionReassignmentsRequest,
    response=ListPartitionReassignmentsResponse,
)
