"""DescribeTopicPartitions: key 75, version 0, flexible.

Behaviour: at most `response_partition_limit` partitions, topics in the order of their names;
`next_cursor` says where the next request goes on, None at the end. No topics means all.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, STRING, STRUCT, UUID, Message, field
from summit.protocol.metadata import OPERATIONS_NOT_ASKED
from summit.protocol.primitives import ZERO_UUID


class TopicRequest(Message):
    name: str = field(STRING, "0+")


class Cursor(Message):
    topic_name: str = field(STRING, "0+")
    partition_index: int = field(INT32, "0+")


class DescribeTopicPartitionsRequest(Message):
    topics: list[TopicRequest] = field(ARRAY(TopicRequest), "0+")
    response_partition_limit: int = field(INT32, "0+", default=2000)
    cursor: Cursor | None = field(STRUCT(Cursor), "0+", nullable="0+", default=None)


class DescribeTopicPartitionsResponsePartition(Message):
    error_code: int = field(INT16, "0+")
    partition_index: int = field(INT32, "0+")
    leader_id: int = field(INT32, "0+")
    leader_epoch: int = field(INT32, "0+", default=-1)
    replica_nodes: list[int] = field(ARRAY(INT32), "0+")
    isr_nodes: list[int] = field(ARRAY(INT32), "0+")
    eligible_leader_replicas: list[int] | None = field(
        ARRAY(INT32), "0+", nullable="0+", default=None
    )
    last_known_elr: list[int] | None = field(ARRAY(INT32), "0+", nullable="0+", default=None)
    offline_replicas: list[int] = field(ARRAY(INT32), "0+", default_factory=list)


class DescribeTopicPartitionsResponseTopic(Message):
    error_code: int = field(INT16, "0+")
    name: str | None = field(STRING, "0+", nullable="0+")
    topic_id: uuid.UUID = field(UUID, "0+", default=ZERO_UUID)
    is_internal: bool = field(BOOL, "0+", default=False)
    partitions: list[DescribeTopicPartitionsResponsePartition] = field(
        ARRAY(DescribeTopicPartitionsResponsePartition), "0+"
    )
    topic_authorized_operations: int = field(INT32, "0+", default=OPERATIONS_NOT_ASKED)


class DescribeTopicPartitionsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    topics: list[DescribeTopicPartitionsResponseTopic] = field(
        ARRAY(DescribeTopicPartitionsResponseTopic), "0+"
    )
    next_cursor: Cursor | None = field(STRUCT(Cursor), "0+", nullable="0+", default=None)


DESCRIBE_TOPIC_PARTITIONS = Api(
    key=75,
    name="DescribeTopicPartitions",
    versions="0",
    flexible="0+",
    request=DescribeTopicPartitionsRequest,
    response=DescribeTopicPartitionsResponse,
)
