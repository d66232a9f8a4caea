"""DescribeLogDirs: key 35, versions 1-5.

Behaviour: every log directory with the partitions in it that were asked for (all with null) and
their published bytes; the lag is 0 and nothing is on the move, since a partition stays where it
was made.
Versions: 3 top-level error · 4 size of the volume and what is free · 5 cordoned: never.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import METADATA_TOPIC, Partition
from summit.protocol import codes
from summit.protocol.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)


def handle(state: BrokerState, request: Request, message: DescribeLogDirsRequest) -> None:
    """Describe every directory."""
    asked: dict[str, Collection[int]] | None = None
    if message.topics is not None:
        asked = {topic.topic: frozenset(topic.partitions) for topic in message.topics}
    by_dir: dict[str, dict[str, list[Partition]]] = {
        path: {} for path in state.settings.partition_dirs
    }
    for topic in state.topics:
        if topic.name == METADATA_TOPIC or (asked is not None and topic.name not in asked):
            continue
        for partition in topic.partitions:
            if asked is None or partition.index in asked[topic.name]:
                by_topic = by_dir.setdefault(partition.log.log_dir, {})
                by_topic.setdefault(topic.name, []).append(partition)
    request.reply(
        DescribeLogDirsResponse(
            results=[_describe(state, path, topics) for path, topics in by_dir.items()]
        )
    )


def _describe(
    state: BrokerState, path: str, topics: dict[str, list[Partition]]
) -> DescribeLogDirsResult:
    result = DescribeLogDirsResult(
        error_code=codes.NONE,
        log_dir=os.path.abspath(path),
        topics=[
            DescribeLogDirsTopic(
                name=name,
                partitions=[
                    DescribeLogDirsPartition(
                        partition_index=partition.index,
                        partition_size=partition.log.size_bytes,
                        offset_lag=0,
                    )
                    for partition in partitions
                ],
            )
            for name, partitions in topics.items()
        ],
    )
    try:
        result.total_bytes, result.usable_bytes = state.catalogue.volume_bytes(path)
    except SummitError as error:
        result.error_code = codes.code_of(error)
        result.topics = []
    return result
