"""DeleteRecords: key 21, versions 0-2.

Behaviour: moves the start of a partition to `offset` (-1: to the high watermark), durably; below
the start already there it changes nothing. What its connection asks next sees the new start.
Segments that end before it are removed by the next look at retention. OFFSET_OUT_OF_RANGE beyond
the high watermark, POLICY_VIOLATION where the cleanup policy does not delete,
INVALID_TOPIC_EXCEPTION for the broker's own topics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from summit.base.errors import Invalid, SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Partition
from summit.protocol import codes
from summit.protocol.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

_HIGH_WATERMARK: Final = -1


def handle(state: BrokerState, request: Request, message: DeleteRecordsRequest) -> None:
    """Delete what can be deleted and answer once that is durable."""
    topics = [
        DeleteRecordsTopicResult(
            name=topic.name,
            partitions=[
                DeleteRecordsPartitionResult(
                    partition_index=wanted.partition_index, low_watermark=-1, error_code=codes.NONE
                )
                for wanted in topic.partitions
            ],
        )
        for topic in message.topics
    ]
    waiting = sum(len(topic.partitions) for topic in topics)
    connection = request.connection

    def reply() -> None:
        request.reply(DeleteRecordsResponse(topics=topics))
        if connection.is_open:
            connection.release()

    def delete(
        name: str, wanted: DeleteRecordsPartition, result: DeleteRecordsPartitionResult
    ) -> None:
        partition = state.topics.partition(name, wanted.partition_index)

        def done(error: SummitError | None) -> None:
            nonlocal waiting
            if error is not None:
                result.error_code = codes.code_of(error)
            elif partition is not None:
                result.low_watermark = partition.log.start_offset
            waiting -= 1
            if waiting == 0:
                reply()

        try:
            _delete(state, name, partition, wanted, done)
        except SummitError as error:
            done(error)

    if waiting == 0:
        reply()
        return
    connection.hold()
    for topic, answer in zip(message.topics, topics, strict=True):
        for wanted, result in zip(topic.partitions, answer.partitions, strict=True):
            delete(topic.name, wanted, result)


def _delete(
    state: BrokerState,
    name: str,
    partition: Partition | None,
    wanted: DeleteRecordsPartition,
    done: Callable[[SummitError | None], None],
) -> None:
    if partition is None:
        raise Invalid("topic.unknown", topic=f"{name}-{wanted.partition_index}")
    if partition.topic.is_internal:
        raise Invalid("topic.name_invalid", topic=name)
    if not partition.log.config.delete:
        raise Invalid("records.kept", topic=name)
    at_end = wanted.offset == _HIGH_WATERMARK
    offset = partition.log.high_watermark if at_end else wanted.offset
    state.altering.delete_records(partition, offset, done)
