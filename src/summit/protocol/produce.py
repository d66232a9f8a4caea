"""Produce: key 0, versions 3-13 (advertised from 0), flexible from 9.

Behaviour: `acks=0` is never answered. Records are opaque here. v3-v8 are served by the same
broker code as v13; only the naming of topics changes.

Versions: 3 transactional id · 5 `log_start_offset` in the response · 8 `record_errors` and
`error_message` · 9 flexible · 10 `current_leader` and `node_endpoints` (tagged) · 12 implicit
AddPartitionsToTxn · 13 topics by id instead of name.

Deviation: `advertise_min=0` because librdkafka reads its features off a Produce that starts at 0;
versions 0-2 are refused all the same, as real Kafka 4 does.
Names: `topics`, `partitions` and `index` stand for Kafka's TopicData/Responses, PartitionData/
PartitionResponses and Index.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import (
    ARRAY,
    INT16,
    INT32,
    INT64,
    RECORDS,
    STRING,
    STRUCT,
    UUID,
    Message,
    field,
)
from summit.protocol.primitives import ZERO_UUID, Buffer


class PartitionProduceData(Message):
    index: int = field(INT32, "0+")
    records: Buffer | list[Buffer] | None = field(RECORDS, "0+", nullable="0+")


class TopicProduceData(Message):
    name: str = field(STRING, "0-12", default="")
    topic_id: uuid.UUID = field(UUID, "13+", default=ZERO_UUID)
    partitions: list[PartitionProduceData] = field(ARRAY(PartitionProduceData), "0+")


class ProduceRequest(Message):
    transactional_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    acks: int = field(INT16, "0+")
    timeout_ms: int = field(INT32, "0+")
    topics: list[TopicProduceData] = field(ARRAY(TopicProduceData), "0+")


class BatchIndexAndErrorMessage(Message):
    batch_index: int = field(INT32, "8+")
    batch_index_error_message: str | None = field(STRING, "8+", nullable="8+", default=None)


class ProduceLeaderIdAndEpoch(Message):
    leader_id: int = field(INT32, "10+", default=-1)
    leader_epoch: int = field(INT32, "10+", default=-1)


class PartitionProduceResponse(Message):
    index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    base_offset: int = field(INT64, "0+")
    log_append_time_ms: int = field(INT64, "2+", default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1)
    record_errors: list[BatchIndexAndErrorMessage] = field(
        ARRAY(BatchIndexAndErrorMessage), "8+", default_factory=list
    )
    error_message: str | None = field(STRING, "8+", nullable="8+", default=None)
    current_leader: ProduceLeaderIdAndEpoch | None = field(
        STRUCT(ProduceLeaderIdAndEpoch), "10+", tag=0, default=None
    )


class TopicProduceResponse(Message):
    name: str = field(STRING, "0-12", default="")
    topic_id: uuid.UUID = field(UUID, "13+", default=ZERO_UUID)
    partitions: list[PartitionProduceResponse] = field(ARRAY(PartitionProduceResponse), "0+")


class ProduceNodeEndpoint(Message):
    node_id: int = field(INT32, "10+")
    host: str = field(STRING, "10+")
    port: int = field(INT32, "10+")
    rack: str | None = field(STRING, "10+", nullable="10+", default=None)


class ProduceResponse(Message):
    topics: list[TopicProduceResponse] = field(ARRAY(TopicProduceResponse), "0+")
    throttle_time_ms: int = field(INT32, "1+", default=0)
    node_endpoints: list[ProduceNodeEndpoint] = field(
        ARRAY(ProduceNodeEndpoint), "10+", tag=0, default_factory=list
    )


PRODUCE = Api(
    key=0,
    name="Produce",
    versions="3-13",
    flexible="9+",
    request=ProduceRequest,
    response=ProduceResponse,
    advertise_min=0,
)
