"""TxnOffsetCommit: key 28, versions 0-5.

Behaviour: the offsets are kept durably with the transaction and become the group's when it commits.
Until then readers that require stable offsets are told to wait. The group's generation and member
are checked where they are given (v3+).
Versions: 4 TRANSACTION_ABORTABLE, before it INVALID_TXN_STATE · 5 the group joins the transaction
by this request; before it AddOffsetsToTxn must have been answered.
"""

from __future__ import annotations

from summit.broker.api.offset_commit import check_commit
from summit.broker.groups.offsets import Committed, TopicPartition
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.transactions.coordinator import ANY_CONNECTION
from summit.broker.transactions.transaction import State
from summit.protocol import codes
from summit.protocol.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)


def handle(state: BrokerState, request: Request, message: TxnOffsetCommitRequest) -> None:
    """Keep the offsets with the transaction."""
    now_ms = state.clock.now_ms()
    refused = _refused(state, request.version, message)
    commits: list[tuple[TopicPartition, Committed]] = []
    accepted: list[TxnOffsetCommitResponsePartition] = []
    answers = []
    for wanted in message.topics:
        answer = TxnOffsetCommitResponseTopic(name=wanted.name, partitions=[])
        answers.append(answer)
        for each in wanted.partitions:
            partition = state.topics.partition(wanted.name, each.partition_index)
            error = refused or check_commit(partition, each.committed_metadata)
            result = TxnOffsetCommitResponsePartition(
                partition_index=each.partition_index, error_code=error
            )
            answer.partitions.append(result)
            if error == codes.NONE:
                accepted.append(result)
                committed = Committed(
                    each.committed_offset,
                    each.committed_leader_epoch,
                    each.committed_metadata or "",
                    now_ms,
                )
                commits.append(((wanted.name, each.partition_index), committed))

    def done(error: int) -> None:
        for result in accepted:
            result.error_code = error
        request.reply(TxnOffsetCommitResponse(topics=answers))

    if not commits:
        done(codes.NONE)
        return
    state.transactions.add(
        message.transactional_id,
        (message.producer_id, message.producer_epoch),
        connection=ANY_CONNECTION,
        done=done,
        group_id=message.group_id,
        commits=commits,
    )


def _refused(state: BrokerState, version: int, message: TxnOffsetCommitRequest) -> int:
    """What stands against the request as a whole: an error code."""
    who = (message.producer_id, message.producer_epoch)
    error = state.transactions.check(message.transactional_id, who)
    if error == codes.PRODUCER_FENCED:
        return codes.INVALID_PRODUCER_EPOCH
    if error != codes.NONE:
        return error
    if not message.group_id:
        return codes.INVALID_GROUP_ID
    transaction = state.transactions.get(message.transactional_id)
    assert transaction is not None
    is_in = transaction.state is State.ONGOING and message.group_id in transaction.offsets
    if version < 5 and not is_in:
        return codes.TRANSACTION_ABORTABLE if version == 4 else codes.INVALID_TXN_STATE
    if message.generation_id < 0 and not message.member_id and message.group_instance_id is None:
        return codes.NONE  # a producer that does not know the group's members
    return state.coordinator.check_commit(
        message.group_id, message.member_id, message.group_instance_id, message.generation_id
    )
