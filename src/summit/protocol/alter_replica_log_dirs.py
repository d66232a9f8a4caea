"""AlterReplicaLogDirs: key 34, versions 1-2, flexible from 2.

Behaviour: has a broker keep partitions in another of its log directories.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT16, INT32, STRING, Message, field


class AlterReplicaLogDirTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class AlterReplicaLogDir(Message):
    path: str = field(STRING, "0+")
    topics: list[AlterReplicaLogDirTopic] = field(ARRAY(AlterReplicaLogDirTopic), "0+")


class AlterReplicaLogDirsRequest(Message):
    dirs: list[AlterReplicaLogDir] = field(ARRAY(AlterReplicaLogDir), "0+")


class AlterReplicaLogDirPartitionResult(Message):
    partition_index: int = field(INT32, "0+")
    error_code: int = field(INT16, "0+")


class AlterReplicaLogDirTopicResult(Message):
    topic_name: str = field(STRING, "0+")
    partitions: list[AlterReplicaLogDirPartitionResult] = field(
        ARRAY(AlterReplicaLogDirPartitionResult), "0+"
    )


class AlterReplicaLogDirsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[AlterReplicaLogDirTopicResult] = field(ARRAY(AlterReplicaLogDirTopicResult), "0+")


ALTER_REPLICA_LOG_DIRS = Api(
    key=34,
    name="AlterReplicaLogDirs",
    versions="1-2",
    flexible="2+",
    request=AlterReplicaLogDirsRequest,
    response=AlterReplicaLogDirsResponse,
)
