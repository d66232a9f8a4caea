"""CreatePartitions: key 37, versions 0-3, flexible from 2.

Behaviour: `count` is the number of partitions that the topic shall have, not how many to add.
`assignments` names brokers for the new partitions only.

Versions: 2 flexible · 3 THROTTLING_QUOTA_EXCEEDED.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, STRING, Message, field


class CreatePartitionsAssignment(Message):
    broker_ids: list[int] = field(ARRAY(INT32), "0+")


class CreatePartitionsTopic(Message):
    name: str = field(STRING, "0+")
    count: int = field(INT32, "0+")
    assignments: list[CreatePartitionsAssignment] | None = field(
        ARRAY(CreatePartitionsAssignment), "0+", nullable="0+", default=None
    )


class CreatePartitionsRequest(Message):
    topics: list[CreatePartitionsTopic] = field(ARRAY(CreatePartitionsTopic), "0+")
    timeout_ms: int = field(INT32, "0+")
    validate_only: bool = field(BOOL, "0+", default=False)


class CreatePartitionsTopicResult(Message):
    name: str = field(STRING, "0+")
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)


class CreatePartitionsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[CreatePartitionsTopicResult] = field(ARRAY(CreatePartitionsTopicResult), "0+")


CREATE_PARTITIONS = Api(
    key=37,
    name="CreatePartitions",
    versions="0-3",
    flexible="2+",
    request=CreatePartitionsRequest,
    response=CreatePartitionsResponse,
)
