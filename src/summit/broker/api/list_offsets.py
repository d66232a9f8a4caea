"""ListOffsets: key 2, versions 1-11.

Behaviour, by timestamp: -1 the high watermark · -2 and -4 the log start · -3 the record with the
largest timestamp · -5 and -6 nothing, since nothing is tiered or uploaded · t >= 0 the first
record whose timestamp is not smaller. Nothing found is offset -1 without an error. A special
timestamp that is newer than the request's version is UNSUPPORTED_VERSION for its partition. A
partition that is named twice is INVALID_REQUEST, as in Kafka.
Versions: 2 isolation level: under `read_committed` the latest offset is the last stable one, and
nothing at or beyond it is found by its time · 4 leader epochs: the client's is checked, the
offset's is answered.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.broker.epochs import epoch_at, epoch_error
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

_log = get_logger(__name__)

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6
_READ_COMMITTED: Final = 1

_FIRST_VERSION: Final = {
    LATEST: 1,
    EARLIEST: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}


def handle(state: BrokerState, request: Request, message: ListOffsetsRequest) -> None:
    """Answer every partition on its own."""
    committed = message.isolation_level == _READ_COMMITTED
    counts = Counter(
        (topic.name, wanted.partition_index)
        for topic in message.topics
        for wanted in topic.partitions
    )
    topics = [
        ListOffsetsTopicResponse(
            name=topic.name,
            partitions=[
                _find(state, request.version, topic.name, wanted, committed=committed)
                if counts[topic.name, wanted.partition_index] == 1
                else ListOffsetsPartitionResponse(
                    partition_index=wanted.partition_index, error_code=codes.INVALID_REQUEST
                )
                for wanted in topic.partitions
            ],
        )
        for topic in message.topics
    ]
    request.reply(ListOffsetsResponse(topics=topics))


def _find(
    state: BrokerState, version: int, topic: str, wanted: ListOffsetsPartition, *, committed: bool
) -> ListOffsetsPartitionResponse:
    answer = ListOffsetsPartitionResponse(
        partition_index=wanted.partition_index, error_code=codes.NONE
    )
    timestamp = wanted.timestamp
    partition = state.topics.partition(topic, wanted.partition_index)
    if partition is None:
        answer.error_code = codes.UNKNOWN_TOPIC_OR_PARTITION
        return answer
    if timestamp < 0 and version < _FIRST_VERSION.get(timestamp, 1 << 15):
        answer.error_code = codes.UNSUPPORTED_VERSION
        return answer
    log = partition.log
    answer.error_code = epoch_error(log, wanted.current_leader_epoch)
    if answer.error_code != codes.NONE:
        return answer
    try:
        if timestamp == LATEST:
            answer.offset = log.last_stable_offset if committed else log.high_watermark
        elif timestamp in (EARLIEST, EARLIEST_LOCAL):
            answer.offset = log.start_offset
        elif timestamp == MAX_TIMESTAMP:
            found = log.max_timestamp()
            if found is not None:
                answer.offset, answer.timestamp = found
        elif timestamp >= 0:
            found = log.offset_for_timestamp(timestamp)
            if found is not None and not (committed and found[0] >= log.last_stable_offset):
                answer.offset, answer.timestamp = found
    except SummitError as error:
        answer.error_code = codes.code_of(error)
    except OSError as error:
        _log.error("list_offsets.read_failed", topic=topic, error=str(error))
        answer.error_code = codes.KAFKA_STORAGE_ERROR
    if answer.offset >= 0:
        answer.leader_epoch = epoch_at(log, answer.offset)
    return answer
