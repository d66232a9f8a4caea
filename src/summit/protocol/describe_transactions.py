"""DescribeTransactions: key 65, version 0, flexible from 0.

Behaviour: each transactional id is answered alone; one that is not known with
TRANSACTIONAL_ID_NOT_FOUND.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class DescribeTransactionsRequest(Message):
    transactional_ids: list[str] = field(ARRAY(STRING), "0+")


class TransactionTopic(Message):
    topic: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class DescribedTransaction(Message):
    error_code: int = field(INT16, "0+")
    transactional_id: str = field(STRING, "0+")
    transaction_state: str = field(STRING, "0+")
    transaction_timeout_ms: int = field(INT32, "0+")
    transaction_start_time_ms: int = field(INT64, "0+")
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT16, "0+")
    topics: list[TransactionTopic] = field(ARRAY(TransactionTopic), "0+")


class DescribeTransactionsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    transaction_states: list[DescribedTransaction] = field(ARRAY(DescribedTransaction), "0+")


DESCRIBE_TRANSACTIONS = Api(
    key=65,
    name="DescribeTransactions",
    versions="0",
    flexible="0+",
    request=DescribeTransactionsRequest,
    response=DescribeTransactionsResponse,
)
