"""DescribeQuorum: key 55, versions 0-2, flexible.

Behaviour: who leads the metadata log of a KRaft cluster, and how far its voters have come. A
broker passes the question on to the controller. Our own broker is the only voter.
Versions: 1 times of the last fetch · 2 directory ids, error messages, nodes.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import (
    ARRAY,
    INT16,
    INT32,
    INT64,
    STRING,
    UINT16,
    UUID,
    Message,
    field,
)
from summit.protocol.primitives import ZERO_UUID


class DescribeQuorumRequestPartition(Message):
    partition_index: int = field(INT32, "0+")


class DescribeQuorumRequestTopic(Message):
    topic_name: str = field(STRING, "0+")
    partitions: list[DescribeQuorumRequestPartition] = field(
        ARRAY(DescribeQuorumRequestPartition), "0+"
    )


class DescribeQuorumRequest(Message):
    topics: list[DescribeQuorumRequestTopic] = field(ARRAY(DescribeQuorumRequestTopic), "0+")


class ReplicaState(Message):
    replica_id: int = field(INT32, "0+")
    replica_directory_id: uuid.UUID = field(UUID, "2+", default=ZERO_UUID)
    log_end_offset: int = field(INT64, "0+")
    last_fetch_timestamp: int = field(INT64, "1+", default=-1)
    last_caught_up_timestamp: int = field(INT64, "1+", default=-1)


class DescribeQuorumPartition(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "2+", nullable="2+", default=None)
    leader_id: int = field(INT32, "0+")
    leader_epoch: int = field(INT32, "0+")
    high_watermark: int = field(INT64, "0+")
    current_voters: list[ReplicaState] = field(ARRAY(ReplicaState), "0+")
    observers: list[ReplicaState] = field(ARRAY(ReplicaState), "0+")


class DescribeQuorumTopic(Message):
    topic_name: str = field(STRING, "0+")
    partitions: list[DescribeQuorumPartition] = field(ARRAY(DescribeQuorumPartition), "0+")


class QuorumListener(Message):
    name: str = field(STRING, "2+")
    host: str = field(STRING, "2+")
    port: int = field(UINT16, "2+")


class QuorumNode(Message):
    node_id: int = field(INT32, "2+")
    listeners: list[QuorumListener] = field(ARRAY(QuorumListener), "2+")


class DescribeQuorumResponse(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "2+", nullable="2+", default=None)
    topics: list[DescribeQuorumTopic] = field(ARRAY(DescribeQuorumTopic), "0+")
    nodes: list[QuorumNode] = field(ARRAY(QuorumNode), "2+", default_factory=list)


DESCRIBE_QUORUM = Api(
    key=55,
    name="DescribeQuorum",
    versions="0-2",
    flexible="0+",
    request=DescribeQuorumRequest,
    response=DescribeQuorumResponse,
)
