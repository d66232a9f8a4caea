"""Fetch: key 1, versions 4-18, flexible from 12.

Behaviour: a long poll (`max_wait_ms`, `min_bytes`); whole batches, at least one of them even when
it is larger than the limits; `session_id` 0 in the answer means that no session was made, which
is always allowed.

Versions: 4 isolation level, last stable offset, aborted transactions · 5 log start offset · 7
sessions and forgotten topics · 9 current leader epoch · 11 rack id, preferred read replica · 12
flexible, last fetched epoch, tagged leader hints · 13 topics by id · 15 replica state (tagged)
replaces replica id · 16 node endpoints (tagged) · 17 replica directory id (tagged) · 18 high
watermark of the fetcher (tagged).

Names: `topics`, `partitions`, `index` and `name` stand for Kafka's Responses, Partitions,
Partition/PartitionIndex and Topic.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import (
    ARRAY,
    INT8,
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


class FetchReplicaState(Message):
    replica_id: int = field(INT32, "15+", default=-1)
    replica_epoch: int = field(INT64, "15+", default=-1)


class FetchPartition(Message):
    index: int = field(INT32, "0+")
    current_leader_epoch: int = field(INT32, "9+", default=-1)
    fetch_offset: int = field(INT64, "0+")
    last_fetched_epoch: int = field(INT32, "12+", default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1)
    partition_max_bytes: int = field(INT32, "0+")
    replica_directory_id: uuid.UUID = field(UUID, "17+", tag=0, default=ZERO_UUID)
    high_watermark: int = field(INT64, "18+", tag=1, default=0x7FFF_FFFF_FFFF_FFFF)


class FetchTopic(Message):
    name: str = field(STRING, "0-12", default="")
    topic_id: uuid.UUID = field(UUID, "13+", default=ZERO_UUID)
    partitions: list[FetchPartition] = field(ARRAY(FetchPartition), "0+")


class ForgottenTopic(Message):
    name: str = field(STRING, "7-12", default="")
    topic_id: uuid.UUID = field(UUID, "13+", default=ZERO_UUID)
    partitions: list[int] = field(ARRAY(INT32), "7+")


class FetchRequest(Message):
    cluster_id: str | None = field(STRING, "12+", nullable="12+", tag=0, default=None)
    replica_id: int = field(INT32, "0-14", default=-1)
    replica_state: FetchReplicaState | None = field(
        STRUCT(FetchReplicaState), "15+", tag=1, default=None
    )
    max_wait_ms: int = field(INT32, "0+")
    min_bytes: int = field(INT32, "0+")
    max_bytes: int = field(INT32, "3+", default=0x7FFF_FFFF)
    isolation_level: int = field(INT8, "4+", default=0)
    session_id: int = field(INT32, "7+", default=0)
    session_epoch: int = field(INT32, "7+", default=-1)
    topics: list[FetchTopic] = field(ARRAY(FetchTopic), "0+")
    forgotten_topics: list[ForgottenTopic] = field(
        ARRAY(ForgottenTopic), "7+", default_factory=list
    )
    rack_id: str = field(STRING, "11+", default="")


class EpochEndOffset(Message):
    epoch: int = field(INT32, "12+", default=-1)
    end_offset: int = field(INT64, "12+", default=-1)


class FetchLeaderIdAndEpoch(Message):
    leader_id: int = field(INT32, "12+", default=-1)
    leader_epoch: int = field(INT32, "12+", default=-1)


class FetchSnapshotId(Message):
    end_offset: int = field(INT64, "0+", default=-1)
    epoch: int = field(INT32, "0+", default=-1)


class AbortedTransaction(Message):
    producer_id: int = field(INT64, "4+")
    first_offset: int = field(INT64, "4+")


class FetchPartitionData(Message):
    index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")
    high_watermark: int = field(INT64, "0+")
    last_stable_offset: int = field(INT64, "4+", default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1)
    diverging_epoch: EpochEndOffset | None = field(
        STRUCT(EpochEndOffset), "12+", tag=0, default=None
    )
    current_leader: FetchLeaderIdAndEpoch | None = field(
        STRUCT(FetchLeaderIdAndEpoch), "12+", tag=1, default=None
    )
    snapshot_id: FetchSnapshotId | None = field(STRUCT(FetchSnapshotId), "12+", tag=2, default=None)
    aborted_transactions: list[AbortedTransaction] | None = field(
        ARRAY(AbortedTransaction), "4+", nullable="4+", default=None
    )
    preferred_read_replica: int = field(INT32, "11+", default=-1)
    records: Buffer | list[Buffer] | None = field(RECORDS, "0+", nullable="0+")


class FetchTopicResponse(Message):
    name: str = field(STRING, "0-12", default="")
    topic_id: uuid.UUID = field(UUID, "13+", default=ZERO_UUID)
    partitions: list[FetchPartitionData] = field(ARRAY(FetchPartitionData), "0+")


class FetchNodeEndpoint(Message):
    node_id: int = field(INT32, "16+")
    host: str = field(STRING, "16+")
    port: int = field(INT32, "16+")
    rack: str | None = field(STRING, "16+", nullable="16+", default=None)


class FetchResponse(Message):
    throttle_time_ms: int = field(INT32, "1+", default=0)
    error_code: int = field(INT16, "7+", default=0)
    session_id: int = field(INT32, "7+", default=0)
    topics: list[FetchTopicResponse] = field(ARRAY(FetchTopicResponse), "0+")
    node_endpoints: list[FetchNodeEndpoint] = field(
        ARRAY(FetchNodeEndpoint), "16+", tag=0, default_factory=list
    )


FETCH = Api(
    key=1,
    name="Fetch",
    versions="4-18",
    flexible="12+",
    request=FetchRequest,
    response=FetchResponse,
)
