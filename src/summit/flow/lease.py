"""Who does the work: the member of the group that is assigned `_summit.definitions`.

The topic has one partition, so exactly one member has it. Commits go through the same membership:
the coordinator refuses them from a member that has lost its place, so that a worker which was
away too long cannot move the positions of the one that took over.
"""

from __future__ import annotations

import asyncio
from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Conflict, SummitError
from summit.base.limits import LEASE_PAUSE_MS, LEASE_POLL_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.consumer import StreamConsumer
from summit.client.settings import ConsumerConfig
from summit.client.types import OffsetCommitRequest, TopicPartition
from summit.flow.settings import WorkerSettings
from summit.journal.progress_record import Positions, split_partition_name
from summit.journal.topics import DEFINITIONS_TOPIC


class Lease:
    """Membership in the group of workers."""

    def __init__(self, settings: WorkerSettings, clock: Clock) -> None:
        self._consumer = StreamConsumer(
            ConsumerConfig(
                client_id=settings.name,
                group_id=settings.group_id,
                bootstrap_servers=settings.servers,
                auto_offset_reset="latest",
                enable_auto_commit=False,
                session_timeout_ms=settings.session_timeout_ms,
                heartbeat_interval_ms=max(1, settings.session_timeout_ms // 5),
                max_poll_interval_ms=max(settings.session_timeout_ms, 300_000),
            ),
            clock=clock,
        )
        self._tasks = Tasks()
        self._changed = asyncio.Event()
        self.term = 0  # counts how often the work was given to this worker
        self.owned = False

    async def start(self) -> None:
        """Join the group. Raises Unavailable where no broker answers."""
        self._consumer.on("partitions:assigned", self._assigned)
        self._consumer.on("partitions:revoked", self._revoked)
        await self._consumer.connect()
        await self._consumer.subscribe([DEFINITIONS_TOPIC])
        self._tasks.spawn(self._stay(), "lease.stay")

    async def stop(self) -> None:
        """Leave the group: another worker takes over at once."""
        self.owned = False
        await self._tasks.cancel_all()
        await self._consumer.close()

    async def wait_changed(self, timeout_ms: float) -> None:
        """Wait until ownership may have changed, at most `timeout_ms`."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def committed(self, names: list[str]) -> dict[str, int | None]:
        """The group's next offsets of these partitions; None where it has none."""
        places = {TopicPartition(*split_partition_name(name)): name for name in names}
        found = await self._consumer.committed(list(places))
        return {places[place]: offset for place, offset in found.items()}

    async def commit(self, positions: Positions) -> None:
        """Make these next offsets the group's, durably.

        Raises: Conflict("consumer.rebalanced") when the work was given to another worker;
            Unavailable when the coordinator does not answer.
        """
        if not self.owned:
            raise Conflict("consumer.rebalanced", reason="another worker is active")
        await self._consumer.commit_offsets(
            OffsetCommitRequest(topic=topic, partition=partition, offset=offset)
            for (topic, partition), offset in (
                (split_partition_name(name), offset) for name, offset in positions.items()
            )
        )

    async def _stay(self) -> None:
        # Polling keeps the membership alive; the definitions themselves are read elsewhere. Polls
        # are short and pauses long, because a commit has to wait while librdkafka is in a poll.
        while True:
            try:
                await self._consumer.poll_batch(1_000, LEASE_POLL_MS)
            except SummitError as error:
                get_logger(__name__).warning("lease.poll_failed", error=str(error))
            await asyncio.sleep(LEASE_PAUSE_MS / 1000)

    def _assigned(self, payload: Any) -> None:
        if (DEFINITIONS_TOPIC, 0) in payload.partitions:
            self.owned = True
            self.term += 1
            self._changed.set()

    def _revoked(self, payload: Any) -> None:
        if (DEFINITIONS_TOPIC, 0) in payload.partitions:
            self.owned = False
            self._changed.set()
