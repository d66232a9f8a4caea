"""OffsetFetch: key 9, versions 1-10, flexible from 6.

Behaviour: `topics` None asks for every committed partition of the group. A partition without a
commit is answered with offset -1 and no error. v1-v7 ask for one group (`group_id`, `topics`),
v8+ for several (`groups`).

Versions: 2 null topics, group error code · 3 throttle time · 5 leader epoch · 6 flexible · 7
`require_stable` · 8 several groups · 9 member id and epoch · 10 topics by id.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, INT64, STRING, UUID, Message, field
from summit.protocol.primitives import ZERO_UUID


class OffsetFetchRequestTopic(Message):
    name: str = field(STRING, "0-7")
    partition_indexes: list[int] = field(ARRAY(INT32), "0-7")


class OffsetFetchRequestTopics(Message):
    name: str = field(STRING, "8-9", default="")
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    partition_indexes: list[int] = field(ARRAY(INT32), "8+")


class OffsetFetchRequestGroup(Message):
    group_id: str = field(STRING, "8+")
    member_id: str | None = field(STRING, "9+", nullable="9+", default=None)
    member_epoch: int = field(INT32, "9+", default=-1)
    topics: list[OffsetFetchRequestTopics] | None = field(
        ARRAY(OffsetFetchRequestTopics), "8+", nullable="8+"
    )


class OffsetFetchRequest(Message):
    group_id: str = field(STRING, "0-7", default="")
    topics: list[OffsetFetchRequestTopic] | None = field(
        ARRAY(OffsetFetchRequestTopic), "0-7", nullable="2-7", default=None
    )
    groups: list[OffsetFetchRequestGroup] = field(
        ARRAY(OffsetFetchRequestGroup), "8+", default_factory=list
    )
    require_stable: bool = field(BOOL, "7+", default=False)


class OffsetFetchResponsePartition(Message):
    partition_index: int = field(INT32, "0-7")
    committed_offset: int = field(INT64, "0-7")
    committed_leader_epoch: int = field(INT32, "5-7", default=-1)
    metadata: str | None = field(STRING, "0-7", nullable="0-7")
    error_code: int = field(INT16, "0-7")


class OffsetFetchResponseTopic(Message):
    name: str = field(STRING, "0-7")
    partitions: list[OffsetFetchResponsePartition] = field(
        ARRAY(OffsetFetchResponsePartition), "0-7"
    )


class OffsetFetchResponsePartitions(Message):
    partition_index: int = field(INT32, "8+")
    committed_offset: int = field(INT64, "8+")
    committed_leader_epoch: int = field(INT32, "8+", default=-1)
    metadata: str | None = field(STRING, "8+", nullable="8+")
    error_code: int = field(INT16, "8+")


class OffsetFetchResponseTopics(Message):
    name: str = field(STRING, "8-9", default="")
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    partitions: list[OffsetFetchResponsePartitions] = field(
        ARRAY(OffsetFetchResponsePartitions), "8+"
    )


class OffsetFetchResponseGroup(Message):
    group_id: str = field(STRING, "8+")
    topics: list[OffsetFetchResponseTopics] = field(ARRAY(OffsetFetchResponseTopics), "8+")
    error_code: int = field(INT16, "8+", default=0)


class OffsetFetchResponse(Message):
    throttle_time_ms: int = field(INT32, "3+", default=0)
    topics: list[OffsetFetchResponseTopic] = field(
        ARRAY(OffsetFetchResponseTopic), "0-7", default_factory=list
    )
    error_code: int = field(INT16, "2-7", default=0)
    groups: list[OffsetFetchResponseGroup] = field(
        ARRAY(OffsetFetchResponseGroup), "8+", default_factory=list
    )


OFFSET_FETCH = Api(
    key=9,
    name="OffsetFetch",
    versions="1-10",
    flexible="6+",
    request=OffsetFetchRequest,
    response=OffsetFetchResponse,
)
