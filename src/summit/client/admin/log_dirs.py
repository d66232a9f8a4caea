"""Log directories: which broker keeps what, how large it is, and how far behind."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from summit.client.admin.connection import Connection
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.describe_log_dirs import DESCRIBE_LOG_DIRS, DescribeLogDirsRequest


class Replica(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One copy of a partition on a disk. `offset_lag`: records behind its leader's end."""

    topic: str
    partition: int
    size_bytes: int
    offset_lag: int


class LogDir(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One directory of one broker; bytes of its volume are None where the broker tells none.

    `error` is Kafka's name of what is wrong with it, None where nothing is.
    """

    broker_id: int
    path: str
    error: str | None
    total_bytes: int | None
    usable_bytes: int | None
    replicas: list[Replica]


class LogDirs(Connection):
    """The disks of a cluster."""

    async def log_dirs(self, brokers: Iterable[int] | None = None) -> list[LogDir]:
        """The log directories of some brokers, or of all that live.

        Raises: Unavailable("client.no_brokers") for a broker that does not live.
        """
        wire = self._asking()
        if brokers is None:
            brokers = [broker.node_id for broker in (await wire.metadata([])).brokers]
        found = []
        for broker_id in sorted(brokers):
            request = DescribeLogDirsRequest(topics=None)
            answer = await wire.ask(DESCRIBE_LOG_DIRS, request, node=broker_id)
            if answer.error_code != codes.NONE:
                raise fault(answer.error_code)
            found += [
                LogDir(
                    broker_id=broker_id,
                    path=each.log_dir,
                    error=None if each.error_code == codes.NONE else codes.name_of(each.error_code),
                    total_bytes=None if each.total_bytes < 0 else each.total_bytes,
                    usable_bytes=None if each.usable_bytes < 0 else each.usable_bytes,
                    replicas=[
                        Replica(
                            topic=topic.name,
                            partition=part.partition_index,
                            size_bytes=part.partition_size,
                            offset_lag=part.offset_lag,
                        )
                        for topic in each.topics
                        for part in topic.partitions
                    ],
                )
                for each in answer.results
            ]
        return found
