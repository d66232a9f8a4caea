"""ConsumerGroupDescribe: key 69, versions 0-1, flexible.

Behaviour: epochs, members and assignments of consumer groups whose partitions the broker assigns.
Versions: 1 whether a member speaks the classic protocol (0) or the newer one (1).
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import (
    ARRAY,
    BOOL,
    INT8,
    INT16,
    INT32,
    STRING,
    STRUCT,
    UUID,
    Message,
    field,
)
from summit.protocol.metadata import OPERATIONS_NOT_ASKED


class ConsumerGroupDescribeRequest(Message):
    group_ids: list[str] = field(ARRAY(STRING), "0+")
    include_authorized_operations: bool = field(BOOL, "0+", default=False)


class DescribedTopicPartitions(Message):
    topic_id: uuid.UUID = field(UUID, "0+")
    topic_name: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class DescribedAssignment(Message):
    topic_partitions: list[DescribedTopicPartitions] = field(ARRAY(DescribedTopicPartitions), "0+")


class DescribedMember(Message):
    member_id: str = field(STRING, "0+")
    instance_id: str | None = field(STRING, "0+", nullable="0+", default=None)
    rack_id: str | None = field(STRING, "0+", nullable="0+", default=None)
    member_epoch: int = field(INT32, "0+")
    client_id: str = field(STRING, "0+")
    client_host: str = field(STRING, "0+")
    subscribed_topic_names: list[str] = field(ARRAY(STRING), "0+")
    subscribed_topic_regex: str | None = field(STRING, "0+", nullable="0+", default=None)
    assignment: DescribedAssignment = field(STRUCT(DescribedAssignment), "0+")
    target_assignment: DescribedAssignment = field(STRUCT(DescribedAssignment), "0+")
    member_type: int = field(INT8, "1+", default=-1)


class DescribedConsumerGroup(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    group_id: str = field(STRING, "0+")
    group_state: str = field(STRING, "0+", default="")
    group_epoch: int = field(INT32, "0+", default=0)
    assignment_epoch: int = field(INT32, "0+", default=0)
    assignor_name: str = field(STRING, "0+", default="")
    members: list[DescribedMember] = field(ARRAY(DescribedMember), "0+", default_factory=list)
    authorized_operations: int = field(INT32, "0+", default=OPERATIONS_NOT_ASKED)


class ConsumerGroupDescribeResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    groups: list[DescribedConsumerGroup] = field(ARRAY(DescribedConsumerGroup), "0+")


CONSUMER_GROUP_DESCRIBE = Api(
    key=69,
    name="ConsumerGroupDescribe",
    versions="0-1",
    flexible="0+",
    request=ConsumerGroupDescribeRequest,
    response=ConsumerGroupDescribeResponse,
)
