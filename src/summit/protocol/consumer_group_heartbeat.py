"""ConsumerGroupHeartbeat: key 68, versions 0-1, flexible.

Behaviour: joins, stays in and leaves a group whose partitions the broker assigns (KIP-848). Epoch 0
joins, -1 leaves, -2 is a static member that will be back. Null fields, and a rebalance time-out of
-1, have not changed since the last heartbeat; a null assignment neither.
Versions: 1 subscription by regular expression, the member makes its own id.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, STRUCT, UUID, Message, field


class HeartbeatTopicPartitions(Message):
    topic_id: uuid.UUID = field(UUID, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class ConsumerGroupHeartbeatRequest(Message):
    group_id: str = field(STRING, "0+")
    member_id: str = field(STRING, "0+")
    member_epoch: int = field(INT32, "0+")
    instance_id: str | None = field(STRING, "0+", nullable="0+", default=None)
    rack_id: str | None = field(STRING, "0+", nullable="0+", default=None)
    rebalance_timeout_ms: int = field(INT32, "0+", default=-1)
    subscribed_topic_names: list[str] | None = field(
        ARRAY(STRING), "0+", nullable="0+", default=None
    )
    subscribed_topic_regex: str | None = field(STRING, "1+", nullable="1+", default=None)
    server_assignor: str | None = field(STRING, "0+", nullable="0+", default=None)
    topic_partitions: list[HeartbeatTopicPartitions] | None = field(
        ARRAY(HeartbeatTopicPartitions), "0+", nullable="0+", default=None
    )


class HeartbeatAssignment(Message):
    topic_partitions: list[HeartbeatTopicPartitions] = field(ARRAY(HeartbeatTopicPartitions), "0+")


class ConsumerGroupHeartbeatResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    member_id: str | None = field(STRING, "0+", nullable="0+", default=None)
    member_epoch: int = field(INT32, "0+", default=0)
    heartbeat_interval_ms: int = field(INT32, "0+", default=0)
    assignment: HeartbeatAssignment | None = field(
        STRUCT(HeartbeatAssignment), "0+", nullable="0+", default=None
    )


CONSUMER_GROUP_HEARTBEAT = Api(
    key=68,
    name="ConsumerGroupHeartbeat",
    versions="0-1",
    flexible="0+",
    request=ConsumerGroupHeartbeatRequest,
    response=ConsumerGroupHeartbeatResponse,
)
