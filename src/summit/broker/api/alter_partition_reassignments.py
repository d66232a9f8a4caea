"""AlterPartitionReassignments: key 45, versions 0-1.

Behaviour: a partition is on this broker: to have it there is done already, any other broker is
INVALID_REPLICA_ASSIGNMENT, and there is never a move to cancel.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


def handle(
    state: BrokerState, request: Request, message: AlterPartitionReassignmentsRequest
) -> None:
    """Check each partition."""
    responses = []
    for wanted in message.topics:
        answers = []
        for each in wanted.partitions:
            known = state.topics.partition(wanted.name, each.partition_index) is not None
            code, reason = _fault(each, state.broker_id, known=known)
            answers.append(
                ReassignablePartitionResponse(
                    partition_index=each.partition_index, error_code=code, error_message=reason
                )
            )
        responses.append(ReassignableTopicResponse(name=wanted.name, partitions=answers))
    request.reply(
        AlterPartitionReassignmentsResponse(
            allow_replication_factor_change=message.allow_replication_factor_change,
            error_code=codes.NONE,
            responses=responses,
        )
    )


def _fault(each: ReassignablePartition, broker_id: int, *, known: bool) -> tuple[int, str | None]:
    if not known:
        return codes.UNKNOWN_TOPIC_OR_PARTITION, "there is no such partition"
    if each.replicas is None:
        return codes.NO_REASSIGNMENT_IN_PROGRESS, "no move of this partition is under way"
    if each.replicas != [broker_id]:
        return codes.INVALID_REPLICA_ASSIGNMENT, f"broker {broker_id} is the only one"
    return codes.NONE, None
