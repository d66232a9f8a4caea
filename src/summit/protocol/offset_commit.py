"""OffsetCommit: key 8, versions 2-10, flexible from 8.

Behaviour: `committed_metadata` comes back byte for byte from OffsetFetch. Generation -1 with an
empty member id is a commit from outside a group.

Versions: 2-4 `retention_time_ms` · 3 throttle time · 6 leader epoch · 7 static members · 8
flexible · 9 member epochs of the newer group protocol · 10 topics by id.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, INT64, STRING, UUID, Message, field
from summit.protocol.primitives import ZERO_UUID


class OffsetCommitRequestPartition(Message):
    partition_index: int = field(INT32, "0+")
    committed_offset: int = field(INT64, "0+")
    committed_leader_epoch: int = field(INT32, "6+", default=-1)
    committed_metadata: str | None = field(STRING, "0+", nullable="0+", default=None)


class OffsetCommitRequestTopic(Message):
    name: str = field(STRING, "0-9", default="")
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    partitions: list[OffsetCommitRequestPartition] = field(
        ARRAY(OffsetCommitRequestPartition), "0+"
    )


class OffsetCommitRequest(Message):
    group_id: str = field(STRING, "0+")
    generation_id_or_member_epoch: int = field(INT32, "1+", default=-1)
    member_id: str = field(STRING, "1+", default="")
    group_instance_id: str | None = field(STRING, "7+", nullable="7+", default=None)
    retention_time_ms: int = field(INT64, "2-4", default=-1)
    topics: list[OffsetCommitRequestTopic] = field(ARRAY(OffsetCommitRequestTopic), "0+")


class OffsetCommitResponsePartition(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")


class OffsetCommitResponseTopic(Message):
    name: str = field(STRING, "0-9", default="")
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    partitions: list[OffsetCommitResponsePartition] = field(
        ARRAY(OffsetCommitResponsePartition), "0+"
    )


class OffsetCommitResponse(Message):
    throttle_time_ms: int = field(INT32, "3+", default=0)
    topics: list[OffsetCommitResponseTopic] = field(ARRAY(OffsetCommitResponseTopic), "0+")


OFFSET_COMMIT = Api(
    key=8,
    name="OffsetCommit",
    versions="2-10",
    flexible="8+",
    request=OffsetCommitRequest,
    response=OffsetCommitResponse,
)
