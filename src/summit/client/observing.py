"""`ClusterObserver`: a cluster's figures as a client can see them, and no others.

Rates come from differences between looks: ends of partitions, sizes on disks, epochs of leaders.
What only the brokers themselves count (what was read, requests, unclean elections) is not here.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Invalid, Unavailable
from summit.client.admin import ClusterAdmin, LogDir, PartitionState
from summit.client.types import TopicPartition

WINDOW_MS: Final = 10_000


class ClusterFigures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cluster at one look. Rates are per second over the last ten seconds.

    A rate is None until a second look. `messages_in_per_s` counts the offsets that were given
    out: markers of transactions too. Bytes are those that leaders and followers keep on their
    disks, compressed as they are; a deletion meanwhile makes them too small, never too large.
    """

    brokers: int
    controller_id: int | None
    partitions: int
    under_replicated_partitions: int
    offline_partitions: int
    messages_in_per_s: float | None = None
    bytes_in_per_s: float | None = None
    replication_bytes_per_s: float | None = None
    leader_elections_per_s: float | None = None

    @property
    def controllers(self) -> int:
        """How many controllers are elected: 1, or 0 while there is none."""
        return 0 if self.controller_id is None else 1


class _Growth(msgspec.Struct, frozen=True):
    """What was added between one look and the next."""

    at_ms: float
    messages: int
    bytes: int
    replicated_bytes: int
    elections: int


class ClusterObserver:
    """Looks at a cluster when it is told to.

    Args:
        admin: Connected; whom to ask.
        clock: For the time between looks.
    """

    def __init__(self, admin: ClusterAdmin, clock: Clock | None = None) -> None:
        self._admin = admin
        self._clock = clock or SystemClock()
        self._began_ms: float | None = None
        self._growths: deque[_Growth] = deque()
        self._ends: dict[TopicPartition, int] = {}
        self._epochs: dict[TopicPartition, int] = {}
        self._sizes: dict[tuple[int, str, int], int] = {}

    async def look(self) -> ClusterFigures:
        """Ask the brokers now; what happened since the last look goes into the rates.

        Raises: Unavailable when no broker answers.
        """
        described = await self._admin.describe_cluster()
        states = await self._admin.partition_states()
        ends = await self._read_ends(states)
        dirs = await self._read_dirs([broker.id for broker in described.live])
        self._note(self._clock.monotonic_ms(), states, ends, dirs)
        return ClusterFigures(
            brokers=len(described.live),
            controller_id=described.controller_id,
            partitions=len(states),
            under_replicated_partitions=sum(state.is_under_replicated for state in states),
            offline_partitions=sum(state.is_offline for state in states),
            messages_in_per_s=self._rate("messages"),
            bytes_in_per_s=self._rate("bytes"),
            replication_bytes_per_s=self._rate("replicated_bytes"),
            leader_elections_per_s=self._rate("elections"),
        )

    async def _read_ends(self, states: list[PartitionState]) -> dict[TopicPartition, int]:
        """The ends of all partitions that somebody leads."""
        found: dict[TopicPartition, int] = {}
        offline = {state.topic for state in states if state.is_offline}  # would be waited for
        for topic in {state.topic for state in states} - offline:
            try:
                offsets = await self._admin.offsets(topic)
            except (Invalid, Unavailable):  # deleted meanwhile, or its leader has just gone
                continue
            found |= {TopicPartition(topic, index): end for index, (_, end) in offsets.items()}
        return found

    async def _read_dirs(self, brokers: list[int]) -> list[LogDir]:
        found = []
        for broker in brokers:
            try:
                found += await self._admin.log_dirs([broker])
            except Unavailable:  # it has just gone
                continue
        return found

    def _note(
        self,
        now_ms: float,
        states: list[PartitionState],
        ends: dict[TopicPartition, int],
        dirs: list[LogDir],
    ) -> None:
        leaders = {TopicPartition(s.topic, s.partition): s.leader for s in states}
        epochs = {TopicPartition(s.topic, s.partition): s.leader_epoch for s in states}
        led, followed = 0, 0
        sizes = {}
        for directory in dirs:
            for copy in directory.replicas:
                key = (directory.broker_id, copy.topic, copy.partition)
                sizes[key] = copy.size_bytes
                grown = max(0, copy.size_bytes - self._sizes.get(key, copy.size_bytes))
                if leaders.get(TopicPartition(copy.topic, copy.partition)) == directory.broker_id:
                    led += grown
                else:
                    followed += grown
        if self._began_ms is None:
            self._began_ms = now_ms
        else:
            self._growths.append(
                _Growth(
                    now_ms,
                    sum(max(0, end - self._ends.get(where, end)) for where, end in ends.items()),
                    led,
                    followed,
                    sum(max(0, at - self._epochs.get(where, at)) for where, at in epochs.items()),
                )
            )
        while self._growths and self._growths[0].at_ms <= now_ms - WINDOW_MS:
            self._began_ms = self._growths.popleft().at_ms
        # A partition that could not be asked this time keeps what is known of it.
        self._ends = {
            where: end for where, end in {**self._ends, **ends}.items() if where in leaders
        }
        self._epochs = epochs
        self._sizes = {**{k: v for k, v in self._sizes.items() if k[1:] in leaders}, **sizes}

    def _rate(self, name: str) -> float | None:
        if not self._growths or self._began_ms is None:
            return None
        seconds = (self._growths[-1].at_ms - self._began_ms) / 1000
        total: int = sum(getattr(growth, name) for growth in self._growths)
        return total / seconds if seconds > 0 else None
