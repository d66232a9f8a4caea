"""DescribeTransactions: key 65, version 0.

Behaviour: the state, identity and partitions of each transactional id; the groups whose offsets a
transaction holds stand for partition 0 of `__consumer_offsets`. Unknown ids are
TRANSACTIONAL_ID_NOT_FOUND, empty ones INVALID_REQUEST.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import OFFSETS_TOPIC
from summit.broker.transactions.transaction import Transaction
from summit.protocol import codes
from summit.protocol.describe_transactions import (
    DescribedTransaction,
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionTopic,
)


def handle(state: BrokerState, request: Request, message: DescribeTransactionsRequest) -> None:
    """Describe each of them."""
    request.reply(
        DescribeTransactionsResponse(
            transaction_states=[
                _describe(key, state.transactions.get(key))
                for key in dict.fromkeys(message.transactional_ids)
            ]
        )
    )


def _describe(key: str, found: Transaction | None) -> DescribedTransaction:
    if found is None:
        return DescribedTransaction(
            error_code=codes.TRANSACTIONAL_ID_NOT_FOUND if key else codes.INVALID_REQUEST,
            transactional_id=key,
            transaction_state="",
            transaction_timeout_ms=0,
            transaction_start_time_ms=0,
            producer_id=-1,
            producer_epoch=-1,
            topics=[],
        )
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(found.partitions):
        by_topic.setdefault(topic, []).append(index)
    if found.offsets and not found.is_idle:
        by_topic[OFFSETS_TOPIC] = [0]
    return DescribedTransaction(
        error_code=codes.NONE,
        transactional_id=key,
        transaction_state=found.state.value,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.started_ms,
        producer_id=found.producer_id,
        producer_epoch=found.epoch,
        topics=[
            TransactionTopic(topic=topic, partitions=indexes) for topic, indexes in by_topic.items()
        ],
    )
