"""Metadata: key 3, versions 0-13, flexible from 9.

Behaviour: `topics` None (v1+), or empty in v0, asks for all topics; empty in v1+ for none.
`controller_id` and `leader_epoch` are -1 when unknown, never 0.

Versions: 1 racks, controller, internal flag, null topics · 2 cluster id · 3 throttle time · 4
`allow_auto_topic_creation` · 5 offline replicas · 7 leader epoch · 8 authorized operations · 9
flexible · 10 topic ids · 11 no cluster authorized operations · 12 null names (ask by id) · 13
top-level error code.
"""

from __future__ import annotations

import uuid
from typing import Final

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, STRING, UUID, Message, field
from summit.protocol.primitives import ZERO_UUID

OPERATIONS_NOT_ASKED: Final = -0x8000_0000


class MetadataRequestTopic(Message):
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    name: str | None = field(STRING, "0+", nullable="10+", default=None)


class MetadataRequest(Message):
    topics: list[MetadataRequestTopic] | None = field(
        ARRAY(MetadataRequestTopic), "0+", nullable="1+"
    )
    allow_auto_topic_creation: bool = field(BOOL, "4+", default=True)
    include_cluster_authorized_operations: bool = field(BOOL, "8-10", default=False)
    include_topic_authorized_operations: bool = field(BOOL, "8+", default=False)


class MetadataResponseBroker(Message):
    node_id: int = field(INT32, "0+")
    host: str = field(STRING, "0+")
    port: int = field(INT32, "0+")
    rack: str | None = field(STRING, "1+", nullable="1+", default=None)


class MetadataResponsePartition(Message):
    error_code: int = field(INT16, "0+")
    partition_index: int = field(INT32, "0+")
    leader_id: int = field(INT32, "0+")
    leader_epoch: int = field(INT32, "7+", default=-1)
    replica_nodes: list[int] = field(ARRAY(INT32), "0+")
    isr_nodes: list[int] = field(ARRAY(INT32), "0+")
    offline_replicas: list[int] = field(ARRAY(INT32), "5+", default_factory=list)


class MetadataResponseTopic(Message):
    error_code: int = field(INT16, "0+")
    name: str | None = field(STRING, "0+", nullable="12+")
    topic_id: uuid.UUID = field(UUID, "10+", default=ZERO_UUID)
    is_internal: bool = field(BOOL, "1+", default=False)
    partitions: list[MetadataResponsePartition] = field(ARRAY(MetadataResponsePartition), "0+")
    topic_authorized_operations: int = field(INT32, "8+", default=OPERATIONS_NOT_ASKED)


class MetadataResponse(Message):
    throttle_time_ms: int = field(INT32, "3+", default=0)
    brokers: list[MetadataResponseBroker] = field(ARRAY(MetadataResponseBroker), "0+")
    cluster_id: str | None = field(STRING, "2+", nullable="2+", default=None)
    controller_id: int = field(INT32, "1+", default=-1)
    topics: list[MetadataResponseTopic] = field(ARRAY(MetadataResponseTopic), "0+")
    cluster_authorized_operations: int = field(INT32, "8-10", default=OPERATIONS_NOT_ASKED)
    error_code: int = field(INT16, "13+", default=0)


METADATA = Api(
    key=3,
    name="Metadata",
    versions="0-13",
    flexible="9+",
    request=MetadataRequest,
    response=MetadataResponse,
)
