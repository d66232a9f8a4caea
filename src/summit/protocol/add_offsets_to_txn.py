"""AddOffsetsToTxn: key 25, versions 0-4, flexible from 3.

Behaviour: announces that a transaction will commit offsets of a group.

Versions: 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import INT16, INT32, INT64, STRING, Message, field


class AddOffsetsToTxnRequest(Message):
    transactional_id: str = field(STRING, "0+")
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT16, "0+")
    group_id: str = field(STRING, "0+")


class AddOffsetsToTxnResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")


ADD_OFFSETS_TO_TXN = Api(
    key=25,
    name="AddOffsetsToTxn",
    versions="0-4",
    flexible="3+",
    request=AddOffsetsToTxnRequest,
    response=AddOffsetsToTxnResponse,
)
