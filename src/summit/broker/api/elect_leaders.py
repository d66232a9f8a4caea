"""ElectLeaders: key 43, versions 0-2.

Behaviour: this broker leads every partition: ELECTION_NOT_NEEDED for each that is named; when all
are meant, every topic is named with none of its partitions.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import METADATA_TOPIC
from summit.protocol import codes
from summit.protocol.elect_leaders import (
    ElectLeadersPartitionResult,
    ElectLeadersRequest,
    ElectLeadersResponse,
    ElectLeadersTopicResult,
)


def handle(state: BrokerState, request: Request, message: ElectLeadersRequest) -> None:
    """Say that nothing is to be done."""
    results = [
        ElectLeadersTopicResult(
            topic=wanted.topic,
            partition_result=[
                _result(index, known=state.topics.partition(wanted.topic, index) is not None)
                for index in wanted.partitions
            ],
        )
        for wanted in message.topic_partitions or ()
    ]
    if message.topic_partitions is None:
        results = [
            ElectLeadersTopicResult(topic=topic.name, partition_result=[])
            for topic in state.topics
            if topic.name != METADATA_TOPIC
        ]
    request.reply(
        ElectLeadersResponse(
            throttle_time_ms=0, error_code=codes.NONE, replica_election_results=results
        )
    )


def _result(index: int, *, known: bool) -> ElectLeadersPartitionResult:
    return ElectLeadersPartitionResult(
        partition_id=index,
        error_code=codes.ELECTION_NOT_NEEDED if known else codes.UNKNOWN_TOPIC_OR_PARTITION,
        error_message="this broker leads it already" if known else "there is no such partition",
    )
