"""AddPartitionsToTxn: key 24, versions 0-5, flexible from 3.

Behaviour: clients send v0-v3, one transaction a request; v4 and v5 are for brokers, several
transactions, and may ask only whether the partitions are in them (`verify_only`).

Versions: 2 PRODUCER_FENCED · 3 flexible · 4 batches, verification · 5 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, INT64, STRING, Message, field


class AddPartitionsToTxnTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class AddPartitionsToTxnTransaction(Message):
    transactional_id: str = field(STRING, "4+")
    producer_id: int = field(INT64, "4+")
    producer_epoch: int = field(INT16, "4+")
    verify_only: bool = field(BOOL, "4+", default=False)
    topics: list[AddPartitionsToTxnTopic] = field(ARRAY(AddPartitionsToTxnTopic), "4+")


class AddPartitionsToTxnRequest(Message):
    transactions: list[AddPartitionsToTxnTransaction] = field(
        ARRAY(AddPartitionsToTxnTransaction), "4+", default_factory=list
    )
    v3_and_below_transactional_id: str = field(STRING, "0-3", default="")
    v3_and_below_producer_id: int = field(INT64, "0-3", default=0)
    v3_and_below_producer_epoch: int = field(INT16, "0-3", default=0)
    v3_and_below_topics: list[AddPartitionsToTxnTopic] = field(
        ARRAY(AddPartitionsToTxnTopic), "0-3", default_factory=list
    )


class AddPartitionsToTxnPartitionResult(Message):
    partition_index: int = field(INT32, "0+")
    partition_error_code: int = field(INT16, "0+")


class AddPartitionsToTxnTopicResult(Message):
    name: str = field(STRING, "0+")
    results_by_partition: list[AddPartitionsToTxnPartitionResult] = field(
        ARRAY(AddPartitionsToTxnPartitionResult), "0+"
    )


class AddPartitionsToTxnResult(Message):
    transactional_id: str = field(STRING, "4+")
    topic_results: list[AddPartitionsToTxnTopicResult] = field(
        ARRAY(AddPartitionsToTxnTopicResult), "4+"
    )


class AddPartitionsToTxnResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "4+", default=0)
    results_by_transaction: list[AddPartitionsToTxnResult] = field(
        ARRAY(AddPartitionsToTxnResult), "4+", default_factory=list
    )
    results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult] = field(
        ARRAY(AddPartitionsToTxnTopicResult), "0-3", default_factory=list
    )


ADD_PARTITIONS_TO_TXN = Api(
    key=24,
    name="AddPartitionsToTxn",
    versions="0-5",
    flexible="3+",
    request=AddPartitionsToTxnRequest,
    response=AddPartitionsToTxnResponse,
)
