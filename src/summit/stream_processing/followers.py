"""Followers: the replicas of a partition that do not lead it, and how far they are behind.

A broker tells the lag of the replicas it holds in DescribeLogDirs: the messages between its end and
the partition's high watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from summit.client import Partition, TopicPartition
from summit.protocol.describe_log_dirs import (
    DESCRIBE_LOG_DIRS,
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)
from summit.stream_processing.connection import BrokerConnection
from summit.stream_processing.replication_settings import ReplicationConfig

_VERSION: Final = 1

Lags = dict[int, dict[TopicPartition, int]]
"""By broker, what it said of the replicas it holds."""


class Follower(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One replica that does not lead.

    Attributes:
        lag_messages: How far it is behind what readers see; None when its broker does not say.
        is_lagging: Whether it is out of sync, or has been too far behind for too long.
    """

    broker_id: int
    in_sync: bool
    lag_messages: int | None
    is_lagging: bool


class Watch:
    """What is remembered of one partition between two looks."""

    def __init__(self, isr: list[int], config: ReplicationConfig) -> None:
        self.isr = isr
        self._config = config
        self._behind_since_ms: dict[int, float] = {}

    def followers(
        self, found: Partition, lags: Mapping[int, int | None], now_ms: float
    ) -> list[Follower]:
        """The followers as they are at this look."""
        return [
            self._follower(broker_id, found, lags.get(broker_id), now_ms)
            for broker_id in found.replicas
            if broker_id != found.leader
        ]

    def _follower(
        self, broker_id: int, found: Partition, lag: int | None, now_ms: float
    ) -> Follower:
        if lag is not None and lag <= self._config.replica_lag_max_messages:
            self._behind_since_ms.pop(broker_id, None)
        elif lag is not None:
            self._behind_since_ms.setdefault(broker_id, now_ms)
        behind_ms = now_ms - self._behind_since_ms.get(broker_id, now_ms)
        in_sync = broker_id in found.isr
        return Follower(
            broker_id=broker_id,
            in_sync=in_sync,
            lag_messages=lag,
            is_lagging=not in_sync or behind_ms >= self._config.replica_lag_time_max_ms,
        )


def partitions_by_follower(
    watched: Mapping[TopicPartition, Partition],
) -> dict[int, list[TopicPartition]]:
    """Which partitions each broker follows."""
    found: dict[int, list[TopicPartition]] = {}
    for where, partition in watched.items():
        for broker_id in partition.replicas:
            if broker_id != partition.leader:
                found.setdefault(broker_id, []).append(where)
    return found


async def ask_lags(
    connection: BrokerConnection, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """How many messages the replicas that a broker holds are behind. Raises Unavailable."""
    topics: dict[str, list[int]] = {}
    for where in partitions:
        topics.setdefault(where.topic, []).append(where.partition)
    request = DescribeLogDirsRequest(
        topics=[
            DescribableLogDirTopic(topic=name, partitions=indexes)
            for name, indexes in topics.items()
        ]
    )
    answer = await connection.ask(DESCRIBE_LOG_DIRS, _VERSION, request)
    return {
        TopicPartition(topic.name, part.partition_index): part.offset_lag
        for directory in answer.results
        for topic in directory.topics
        for part in topic.partitions
        if not part.is_future_key
    }
