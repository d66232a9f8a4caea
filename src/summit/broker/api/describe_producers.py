"""DescribeProducers: key 61, version 0.

Behaviour: the producers that each partition remembers, and where their open transactions began.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_producers import (
    ActiveProducer,
    DescribeProducersPartition,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersTopicResponse,
)


def handle(state: BrokerState, request: Request, message: DescribeProducersRequest) -> None:
    """Describe each partition's producers, once each."""
    wanted: dict[str, dict[int, None]] = {}
    for topic in message.topics:
        wanted.setdefault(topic.name, {}).update(dict.fromkeys(topic.partition_indexes))
    request.reply(
        DescribeProducersResponse(
            topics=[
                DescribeProducersTopicResponse(
                    name=name, partitions=[_describe(state, name, index) for index in indexes]
                )
                for name, indexes in wanted.items()
            ]
        )
    )


def _describe(state: BrokerState, topic: str, index: int) -> DescribeProducersPartition:
    partition = state.topics.partition(topic, index)
    if partition is None:
        return DescribeProducersPartition(
            partition_index=index,
            error_code=codes.UNKNOWN_TOPIC_OR_PARTITION,
            active_producers=[],
        )
    return DescribeProducersPartition(
        partition_index=index,
        error_code=codes.NONE,
        active_producers=[
            ActiveProducer(
                producer_id=producer_id,
                producer_epoch=entry.epoch,
                last_sequence=entry.batches[-1].last_sequence if entry.batches else -1,
                last_timestamp=entry.written_ms,
                coordinator_epoch=entry.coordinator_epoch,
                current_txn_start_offset=entry.open_offset,
            )
            for producer_id, entry in partition.log.published_producers().items()
        ],
    )
