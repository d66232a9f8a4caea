"""CreateTopics: key 19, versions 2-7, flexible from 5.

Behaviour: from v4 `num_partitions` and `replication_factor` may be -1, the broker's default; both
are -1 as well when `assignments` are given.

Versions: 4 defaults by -1 · 5 flexible, and the response tells the topic's shape and configs · 6
THROTTLING_QUOTA_EXCEEDED · 7 topic id.
"""

from __future__ import annotations

import uuid

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, UUID, Message, field
from summit.protocol.primitives import ZERO_UUID


class CreatableReplicaAssignment(Message):
    partition_index: int = field(INT32, "0+")
    broker_ids: list[int] = field(ARRAY(INT32), "0+")


class CreatableTopicConfig(Message):
    name: str = field(STRING, "0+")
    value: str | None = field(STRING, "0+", nullable="0+")


class CreatableTopic(Message):
    name: str = field(STRING, "0+")
    num_partitions: int = field(INT32, "0+")
    replication_factor: int = field(INT16, "0+")
    assignments: list[CreatableReplicaAssignment] = field(
        ARRAY(CreatableReplicaAssignment), "0+", default_factory=list
    )
    configs: list[CreatableTopicConfig] = field(
        ARRAY(CreatableTopicConfig), "0+", default_factory=list
    )


class CreateTopicsRequest(Message):
    topics: list[CreatableTopic] = field(ARRAY(CreatableTopic), "0+")
    timeout_ms: int = field(INT32, "0+", default=60_000)
    validate_only: bool = field(BOOL, "1+", default=False)


class CreatableTopicConfigs(Message):
    name: str = field(STRING, "5+")
    value: str | None = field(STRING, "5+", nullable="5+")
    read_only: bool = field(BOOL, "5+")
    config_source: int = field(INT8, "5+", default=-1)
    is_sensitive: bool = field(BOOL, "5+")


class CreatableTopicResult(Message):
    name: str = field(STRING, "0+")
    topic_id: uuid.UUID = field(UUID, "7+", default=ZERO_UUID)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "1+", nullable="0+", default=None)
    topic_config_error_code: int = field(INT16, "5+", tag=0, default=0)
    num_partitions: int = field(INT32, "5+", default=-1)
    replication_factor: int = field(INT16, "5+", default=-1)
    configs: list[CreatableTopicConfigs] | None = field(
        ARRAY(CreatableTopicConfigs), "5+", nullable="5+", default=None
    )


class CreateTopicsResponse(Message):
    throttle_time_ms: int = field(INT32, "2+", default=0)
    topics: list[CreatableTopicResult] = field(ARRAY(CreatableTopicResult), "0+")


CREATE_TOPICS = Api(
    key=19,
    name="CreateTopics",
    versions="2-7",
    flexible="5+",
    request=CreateTopicsRequest,
    response=CreateTopicsResponse,
)
