"""WriteTxnMarkers: key 27, versions 1-2, flexible from 1.

Behaviour: ends transactions in the partitions named. On one broker only an administrator sends it,
to end a transaction that nobody else will.

Versions: 1 flexible · 2 transaction version of the marker.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, INT64, STRING, Message, field


class WritableTxnMarkerTopic(Message):
    name: str = field(STRING, "0+")
    partition_indexes: list[int] = field(ARRAY(INT32), "0+")


class WritableTxnMarker(Message):
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT16, "0+")
    transaction_result: bool = field(BOOL, "0+")
    topics: list[WritableTxnMarkerTopic] = field(ARRAY(WritableTxnMarkerTopic), "0+")
    coordinator_epoch: int = field(INT32, "0+")
    transaction_version: int = field(INT8, "2+", default=0)


class WriteTxnMarkersRequest(Message):
    markers: list[WritableTxnMarker] = field(ARRAY(WritableTxnMarker), "0+")


class WritableTxnMarkerPartitionResult(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")


class WritableTxnMarkerTopicResult(Message):
    name: str = field(STRING, "0+")
    partitions: list[WritableTxnMarkerPartitionResult] = field(
        ARRAY(WritableTxnMarkerPartitionResult), "0+"
    )


class WritableTxnMarkerResult(Message):
    producer_id: int = field(INT64, "0+")
    topics: list[WritableTxnMarkerTopicResult] = field(ARRAY(WritableTxnMarkerTopicResult), "0+")


class WriteTxnMarkersResponse(Message):
    markers: list[WritableTxnMarkerResult] = field(ARRAY(WritableTxnMarkerResult), "0+")


WRITE_TXN_MARKERS = Api(
    key=27,
    name="WriteTxnMarkers",
    versions="1-2",
    flexible="1+",
    request=WriteTxnMarkersRequest,
    response=WriteTxnMarkersResponse,
)
