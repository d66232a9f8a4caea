"""Partitions and groups as the admin client sees them: sizes, offsets, commits, for Prometheus.

The same of an embedded broker and of a cluster. A look asks every broker for its log directories,
every topic for its offsets and every group for its commits, so what one look saw is given for
some seconds, however often somebody scrapes.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.client import ClusterAdmin, TopicPartition, ask_each

FRESH_MS: Final = 5_000

_log = get_logger(__name__)


class KafkaFigures(NamedTuple):
    """One look.

    Attributes:
        brokers: How many live.
        sizes: Bytes of each partition on its leader's disk, or the largest copy.
        offsets: First kept and next offset of each partition.
        commits: Per group, what it has committed.
        disks: Of each log directory's volume, by broker and path: free and all bytes.
    """

    brokers: int
    sizes: dict[TopicPartition, int]
    offsets: dict[TopicPartition, tuple[int, int]]
    commits: dict[str, dict[TopicPartition, int]]
    disks: dict[tuple[int, str], tuple[int, int]] = {}  # noqa: RUF012 - never changed


class KafkaLooker:
    """Looks when it is asked; one loop's.

    Args:
        admin: Connected; whom to ask.
    """

    def __init__(self, admin: ClusterAdmin, clock: Clock) -> None:
        self._admin = admin
        self._clock = clock
        self._last: KafkaFigures | None = None
        self._at_ms = 0.0
        self._lock = asyncio.Lock()

    async def figures(self) -> KafkaFigures | None:
        """What is seen now or was some seconds ago; None while no broker answers."""
        async with self._lock:  # two scrapes at once: one look
            now_ms = self._clock.monotonic_ms()
            if self._last is None or now_ms - self._at_ms > FRESH_MS:
                try:
                    self._last = await self._look()
                    self._at_ms = self._clock.monotonic_ms()
                except SummitError as error:
                    self._last = None
                    _log.warning("cluster.not_seen", error=str(error))
            return self._last

    async def _look(self) -> KafkaFigures:
        admin = self._admin
        brokers = await admin.brokers()
        sizes: dict[TopicPartition, int] = {}
        disks: dict[tuple[int, str], tuple[int, int]] = {}
        for directory in await admin.log_dirs(brokers):
            if directory.usable_bytes is not None and directory.total_bytes is not None:
                where_is = (directory.broker_id, directory.path)
                disks[where_is] = (directory.usable_bytes, directory.total_bytes)
            for replica in directory.replicas:
                where = TopicPartition(replica.topic, replica.partition)
                sizes[where] = max(sizes.get(where, 0), replica.size_bytes)
        offsets = await ask_each(await admin.list_topics(), admin.offsets)
        commits = await ask_each(await admin.list_groups(), admin.group_offsets)
        return KafkaFigures(
            brokers=len(brokers),
            sizes=sizes,
            offsets={
                TopicPartition(topic, index): pair
                for topic, pairs in offsets.items()
                for index, pair in pairs.items()
            },
            commits=commits,
            disks=disks,
        )
