"""DescribeQuorum: key 55, versions 0-2.

Behaviour: the metadata log has one voter, this broker, which leads it and has all of it. Any other
partition is UNKNOWN_TOPIC_OR_PARTITION.
Deviations: there is no controller beside the broker: the node's listener is the one the client came
in on.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import METADATA_TOPIC
from summit.protocol import codes
from summit.protocol.describe_quorum import (
    DescribeQuorumPartition,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumTopic,
    QuorumListener,
    QuorumNode,
    ReplicaState,
)


def handle(state: BrokerState, request: Request, message: DescribeQuorumRequest) -> None:
    """Describe the one voter."""
    host, port = state.endpoint(request.connection)
    listener = QuorumListener(name=request.connection.listener.name, host=host, port=port)
    is_known = all(
        topic.topic_name == METADATA_TOPIC and each.partition_index == 0
        for topic in message.topics
        for each in topic.partitions
    )
    request.reply(
        DescribeQuorumResponse(
            error_code=codes.NONE,
            error_message=None,
            topics=[
                DescribeQuorumTopic(
                    topic_name=topic.topic_name,
                    partitions=[
                        _describe(state, topic.topic_name, each.partition_index)
                        for each in topic.partitions
                    ],
                )
                for topic in message.topics
            ],
            nodes=[QuorumNode(node_id=state.broker_id, listeners=[listener])] if is_known else [],
        )
    )


def _describe(state: BrokerState, topic: str, index: int) -> DescribeQuorumPartition:
    if (topic, index) != (METADATA_TOPIC, 0):
        return DescribeQuorumPartition(
            partition_index=index,
            error_code=codes.UNKNOWN_TOPIC_OR_PARTITION,
            leader_id=0,
            leader_epoch=0,
            high_watermark=0,
            current_voters=[],
            observers=[],
        )
    (log,) = state.metadata.logs
    now_ms = state.clock.now_ms()
    voter = ReplicaState(
        replica_id=state.broker_id,
        log_end_offset=log.high_watermark,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    return DescribeQuorumPartition(
        partition_index=index,
        error_code=codes.NONE,
        leader_id=state.broker_id,
        leader_epoch=log.leader_epoch,
        high_watermark=log.high_watermark,
        current_voters=[voter],
        observers=[],
    )
