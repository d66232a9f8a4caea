"""DeleteRecords: key 21, versions 0-2, flexible from 2.

Behaviour: every record below `offset` goes; -1 means the high watermark. `low_watermark` is the
start of the log afterwards, -1 with an error.

Versions: 2 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class DeleteRecordsPartition(Message):
    partition_index: int = field(INT32, "0+")
    offset: int = field(INT64, "0+")


class DeleteRecordsTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[DeleteRecordsPartition] = field(ARRAY(DeleteRecordsPartition), "0+")


class DeleteRecordsRequest(Message):
    topics: list[DeleteRecordsTopic] = field(ARRAY(DeleteRecordsTopic), "0+")
    timeout_ms: int = field(INT32, "0+")


class DeleteRecordsPartitionResult(Message):
    partition_index: int = field(INT32, "0+")
    low_watermark: int = field(INT64, "0+")
    error_code: int = field(INT16, "0+")


class DeleteRecordsTopicResult(Message):
    name: str = field(STRING, "0+")
    partitions: list[DeleteRecordsPartitionResult] = field(
        ARRAY(DeleteRecordsPartitionResult), "0+"
    )


class DeleteRecordsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    topics: list[DeleteRecordsTopicResult] = field(ARRAY(DeleteRecordsTopicResult), "0+")


DELETE_RECORDS = Api(
    key=21,
    name="DeleteRecords",
    versions="0-2",
    flexible="2+",
    request=DeleteRecordsRequest,
    response=DeleteRecordsResponse,
)
