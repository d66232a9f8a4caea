"""OffsetForLeaderEpoch: key 23, versions 2-4.

Behaviour: for each partition the largest epoch not above the one asked for and where it ended;
for the current epoch the high watermark; -1 and -1 for none and for an epoch that is yet to come.
A consumer whose position lies beyond that end knows that the log was cut after it read.
`current_leader_epoch` that is older than the broker's is FENCED_LEADER_EPOCH, a newer one
UNKNOWN_LEADER_EPOCH.
Versions: 3 replica id, ignored: every client here is a consumer.
"""

from __future__ import annotations

from summit.broker.epochs import UNKNOWN_EPOCH, epoch_error
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


def handle(state: BrokerState, request: Request, message: OffsetForLeaderEpochRequest) -> None:
    """Answer every partition on its own."""
    topics = [
        OffsetForLeaderTopicResult(
            topic=topic.topic,
            partitions=[_find(state, topic.topic, wanted) for wanted in topic.partitions],
        )
        for topic in message.topics
    ]
    request.reply(OffsetForLeaderEpochResponse(topics=topics))


def _find(state: BrokerState, topic: str, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
    answer = EpochEndOffset(error_code=codes.NONE, partition=wanted.partition)
    partition = state.topics.partition(topic, wanted.partition)
    if partition is None:
        answer.error_code = codes.UNKNOWN_TOPIC_OR_PARTITION
        return answer
    log = partition.log
    answer.error_code = epoch_error(log, wanted.current_leader_epoch)
    if answer.error_code == codes.NONE and wanted.leader_epoch != UNKNOWN_EPOCH:
        answer.leader_epoch, answer.end_offset = log.end_offset_for_epoch(wanted.leader_epoch)
    return answer
