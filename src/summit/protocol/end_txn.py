"""EndTxn: key 26, versions 0-5, flexible from 3.

Behaviour: `committed` false aborts. With v5 the epoch goes up with every transaction and the answer
holds the id and epoch for the next one.

Versions: 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE · 5 transaction.version 2.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import BOOL, INT16, INT32, INT64, STRING, Message, field


class EndTxnRequest(Message):
    transactional_id: str = field(STRING, "0+")
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT16, "0+")
    committed: bool = field(BOOL, "0+")


class EndTxnResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    producer_id: int = field(INT64, "5+", default=-1)
    producer_epoch: int = field(INT16, "5+", default=-1)


END_TXN = Api(
    key=26,
    name="EndTxn",
    versions="0-5",
    flexible="3+",
    request=EndTxnRequest,
    response=EndTxnResponse,
)
