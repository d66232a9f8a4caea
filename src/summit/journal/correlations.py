"""Reading correlated groups: the topic `correlations` into a view of the latest ones."""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Corrupt
from summit.base.limits import (
    CORRELATED_VIEW_BYTES_MAX,
    CORRELATED_VIEW_COUNT_MAX,
    FOLLOWER_READY_MS,
)
from summit.client.types import ConsumerRecord
from summit.journal.correlation_log import MERGED, CorrelatedGroup, decode_group
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.topics import CORRELATIONS


class CorrelationView:
    """The latest groups, each as it was told last; beyond the limits the oldest leave.

    A group that went into another is there no more: the other one is.

    Attributes:
        evicted: Groups that left.
        invalid: Records that are no groups.
    """

    def __init__(
        self,
        *,
        count_max: int = CORRELATED_VIEW_COUNT_MAX,
        bytes_max: int = CORRELATED_VIEW_BYTES_MAX,
    ) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._by_id: dict[str, bytes] = {}
        self._size_bytes = 0
        self.evicted = 0
        self.invalid = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, value: bytes) -> None:
        """Take one record of the topic."""
        try:
            group = decode_group(value)
        except Corrupt:
            self.invalid += 1
            return
        name = group.id
        self._size_bytes += len(value) - len(self._by_id.pop(name, b""))
        if group.close_reason == MERGED:
            return
        self._by_id[name] = value
        while len(self._by_id) > self._count_max or self._size_bytes > self._bytes_max:
            first = next(iter(self._by_id))
            if first == name:
                return  # one group is always kept
            self._size_bytes -= len(self._by_id.pop(first))
            self.evicted += 1

    def latest(self, count_max: int, rule: str | None = None) -> list[CorrelatedGroup]:
        """The groups told last, newest first.

        Args:
            rule: Only those of this rule.
        """
        found: list[CorrelatedGroup] = []
        for value in reversed(self._by_id.values()):
            if len(found) == count_max:
                break
            group = decode_group(value)
            if rule is None or group.rule == rule:
                found.append(group)
        return found


class CorrelationFollower:
    """Keeps a `CorrelationView` up to date; one loop's, from `start` to `stop`."""

    def __init__(
        self,
        servers: Iterable[str],
        *,
        name: str = "summit-correlations",
        clock: Clock | None = None,
    ) -> None:
        self._servers = list(servers)
        self._name = name
        self._follower = LogFollower(
            self._servers, self._name, self._take, clock=clock or SystemClock()
        )
        self.view = CorrelationView()

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topic where it is missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topic is not read in time.
        """
        # Each group is told twice at most, and markers of transactions stand between.
        tail = 4 * CORRELATED_VIEW_COUNT_MAX
        starts = await tail_starts(self._servers, self._name, [(CORRELATIONS, tail)])
        await self._follower.start(starts)
        await self._follower.wait_caught_up(timeout_ms)

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._follower.stop()

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            if record.value is not None:
                self.view.add(record.value)
