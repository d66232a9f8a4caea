"""DescribeProducers: key 61, version 0, flexible from 0.

Behaviour: what a partition knows of its idempotent and transactional producers;
`current_txn_start_offset` is -1 unless a transaction is open.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class DescribeProducersTopic(Message):
    name: str = field(STRING, "0+")
    partition_indexes: list[int] = field(ARRAY(INT32), "0+")


class DescribeProducersRequest(Message):
    topics: list[DescribeProducersTopic] = field(ARRAY(DescribeProducersTopic), "0+")


class ActiveProducer(Message):
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT32, "0+")
    last_sequence: int = field(INT32, "0+", default=-1)
    last_timestamp: int = field(INT64, "0+", default=-1)
    coordinator_epoch: int = field(INT32, "0+")
    current_txn_start_offset: int = field(INT64, "0+", default=-1)


class DescribeProducersPartition(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    active_producers: list[ActiveProducer] = field(ARRAY(ActiveProducer), "0+")


class DescribeProducersTopicResponse(Message):
    name: str = field(STRING, "0+")
    partitions: list[DescribeProducersPartition] = field(ARRAY(DescribeProducersPartition), "0+")


class DescribeProducersResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    topics: list[DescribeProducersTopicResponse] = field(
        ARRAY(DescribeProducersTopicResponse), "0+"
    )


DESCRIBE_PRODUCERS = Api(
    key=61,
    name="DescribeProducers",
    versions="0",
    flexible="0+",
    request=DescribeProducersRequest,
    response=DescribeProducersResponse,
)
