"""InitProducerId: key 22, versions 0-5, flexible from 2.

Behaviour: without a transactional id a fresh producer id with epoch 0 is given. v6 (two-phase
commit) is not stable in Kafka 4.3 and is not served.

Versions: 2 flexible · 3 the producer's current id and epoch · 4 PRODUCER_FENCED · 5
TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import INT16, INT32, INT64, STRING, Message, field


class InitProducerIdRequest(Message):
    transactional_id: str | None = field(STRING, "0+", nullable="0+")
    transaction_timeout_ms: int = field(INT32, "0+")
    producer_id: int = field(INT64, "3+", default=-1)
    producer_epoch: int = field(INT16, "3+", default=-1)


class InitProducerIdResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    producer_id: int = field(INT64, "0+", default=-1)
    producer_epoch: int = field(INT16, "0+")


INIT_PRODUCER_ID = Api(
    key=22,
    name="InitProducerId",
    versions="0-5",
    flexible="2+",
    request=InitProducerIdRequest,
    response=InitProducerIdResponse,
)
