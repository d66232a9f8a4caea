"""AddPartitionsToTxn: key 24, versions 0-5.

Behaviour: opens the producer's transaction unless it is open and adds the partitions, durably. All
or nothing: with one unknown partition the others are OPERATION_NOT_ATTEMPTED. v4 and v5 are for
brokers and hold several transactions; with `verify_only` nothing is added.
Versions: 2 PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH · 5 TRANSACTION_ABORTABLE, before it
INVALID_TXN_STATE.
"""

from __future__ import annotations

from collections.abc import Callable

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)

Results = list[AddPartitionsToTxnTopicResult]


def handle(state: BrokerState, request: Request, message: AddPartitionsToTxnRequest) -> None:
    """Add the partitions, answer when that is durable."""
    if request.version < 4:
        asked = AddPartitionsToTxnTransaction(
            transactional_id=message.v3_and_below_transactional_id,
            producer_id=message.v3_and_below_producer_id,
            producer_epoch=message.v3_and_below_producer_epoch,
            topics=message.v3_and_below_topics,
        )
        _one(
            state,
            request,
            asked,
            lambda results: request.reply(
                AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results)
            ),
        )
        return
    answers: dict[int, AddPartitionsToTxnResult] = {}
    count = len(message.transactions)

    def done(number: int, results: Results) -> None:
        transactional_id = message.transactions[number].transactional_id
        answers[number] = AddPartitionsToTxnResult(
            transactional_id=transactional_id, topic_results=results
        )
        if len(answers) == count:
            request.reply(
                AddPartitionsToTxnResponse(
                    results_by_transaction=[answers[i] for i in range(count)]
                )
            )

    if not count:
        request.reply(AddPartitionsToTxnResponse())
    for number, asked in enumerate(message.transactions):
        _one(state, request, asked, lambda results, number=number: done(number, results))  # type: ignore[misc]


def _one(
    state: BrokerState,
    request: Request,
    asked: AddPartitionsToTxnTransaction,
    done: Callable[[Results], None],
) -> None:
    who = (asked.producer_id, asked.producer_epoch)
    wanted = [(topic.name, index) for topic in asked.topics for index in topic.partitions]
    if asked.verify_only:
        held = {
            where: _versioned(
                request.version, state.transactions.holds(asked.transactional_id, who, where)
            )
            for where in wanted
        }
        done(_results(asked.topics, held))
        return
    unknown = {where for where in wanted if not _exists(state, *where)}
    if unknown:
        done(
            _results(
                asked.topics,
                {
                    where: codes.UNKNOWN_TOPIC_OR_PARTITION
                    if where in unknown
                    else codes.OPERATION_NOT_ATTEMPTED
                    for where in wanted
                },
            )
        )
        return

    def added(error: int) -> None:
        code = _versioned(request.version, error)
        done(_results(asked.topics, dict.fromkeys(wanted, code)))

    state.transactions.add(
        asked.transactional_id,
        who,
        connection=request.connection.number,
        done=added,
        partitions=wanted,
    )


def _exists(state: BrokerState, topic: str, index: int) -> bool:
    partition = state.topics.partition(topic, index)
    return partition is not None and not partition.topic.is_internal


def _versioned(version: int, error: int) -> int:
    if error == codes.PRODUCER_FENCED and version < 2:
        return codes.INVALID_PRODUCER_EPOCH
    if error == codes.TRANSACTION_ABORTABLE and version < 5:
        return codes.INVALID_TXN_STATE
    return error


def _results(topics: list[AddPartitionsToTxnTopic], errors: dict[tuple[str, int], int]) -> Results:
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(
                    partition_index=index, partition_error_code=errors[topic.name, index]
                )
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]
