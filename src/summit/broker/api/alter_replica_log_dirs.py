"""AlterReplicaLogDirs: key 34, versions 1-2.

Behaviour: LOG_DIR_NOT_FOUND for a directory that is not this broker's; where the partition is there
already, it is done.
Deviations: partitions do not move between directories: to another one of this broker's it is
INVALID_REQUEST.
"""

from __future__ import annotations

import os

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)


def handle(state: BrokerState, request: Request, message: AlterReplicaLogDirsRequest) -> None:
    """Check each partition."""
    known = {os.path.abspath(path) for path in state.settings.partition_dirs}
    results: dict[str, dict[int, int]] = {}
    for wanted in message.dirs:
        path = os.path.abspath(wanted.path)
        for topic in wanted.topics:
            answers = results.setdefault(topic.name, {})
            for index in topic.partitions:
                answers[index] = (
                    _code(state, path, topic.name, index)
                    if path in known
                    else codes.LOG_DIR_NOT_FOUND
                )
    request.reply(
        AlterReplicaLogDirsResponse(
            results=[
                AlterReplicaLogDirTopicResult(
                    topic_name=name,
                    partitions=[
                        AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code)
                        for index, code in answers.items()
                    ],
                )
                for name, answers in results.items()
            ]
        )
    )


def _code(state: BrokerState, path: str, topic: str, index: int) -> int:
    partition = state.topics.partition(topic, index)
    if partition is None:
        return codes.UNKNOWN_TOPIC_OR_PARTITION
    held = os.path.abspath(partition.log.log_dir)
    return codes.NONE if held == path else codes.INVALID_REQUEST
