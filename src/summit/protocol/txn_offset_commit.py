"""TxnOffsetCommit: key 28, versions 0-5, flexible from 3.

Behaviour: the offsets count when the transaction commits. From v5 the group joins the transaction
by this request alone (no AddOffsetsToTxn before it).

Versions: 2 leader epoch · 3 flexible, the group's generation and member · 4 TRANSACTION_ABORTABLE ·
5 transaction.version 2.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, Message, field


class TxnOffsetCommitRequestPartition(Message):
    partition_index: int = field(INT32, "0+")
    committed_offset: int = field(INT64, "0+")
    committed_leader_epoch: int = field(INT32, "2+", default=-1)
    committed_metadata: str | None = field(STRING, "0+", nullable="0+", default=None)


class TxnOffsetCommitRequestTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[TxnOffsetCommitRequestPartition] = field(
        ARRAY(TxnOffsetCommitRequestPartition), "0+"
    )


class TxnOffsetCommitRequest(Message):
    transactional_id: str = field(STRING, "0+")
    group_id: str = field(STRING, "0+")
    producer_id: int = field(INT64, "0+")
    producer_epoch: int = field(INT16, "0+")
    generation_id: int = field(INT32, "3+", default=-1)
    member_id: str = field(STRING, "3+", default="")
    group_instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    topics: list[TxnOffsetCommitRequestTopic] = field(ARRAY(TxnOffsetCommitRequestTopic), "0+")


class TxnOffsetCommitResponsePartition(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")


class TxnOffsetCommitResponseTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[TxnOffsetCommitResponsePartition] = field(
        ARRAY(TxnOffsetCommitResponsePartition), "0+"
    )


class TxnOffsetCommitResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    topics: list[TxnOffsetCommitResponseTopic] = field(ARRAY(TxnOffsetCommitResponseTopic), "0+")


TXN_OFFSET_COMMIT = Api(
    key=28,
    name="TxnOffsetCommit",
    versions="0-5",
    flexible="3+",
    request=TxnOffsetCommitRequest,
    response=TxnOffsetCommitResponse,
)
