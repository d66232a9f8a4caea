"""The log of all groups, `__consumer_offsets`: staging records, hearing when they are durable."""

from __future__ import annotations

from collections.abc import Callable

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.broker.commit import CommitScheduler
from summit.log.partition import PartitionLog
from summit.records import Record, build_batch

Pairs = list[tuple[bytes, bytes | None]]


class GroupLog:
    """Writes keys and values; a null value is a tombstone. Loop thread only."""

    def __init__(self, clock: Clock, commit: CommitScheduler, log: PartitionLog) -> None:
        self._clock = clock
        self._commit = commit
        self.log = log
        self._logs = (log,)

    def stage(self, pairs: Pairs) -> None:
        """Put pairs into the open group, as one batch. Raises SummitError as the log does."""
        now_ms = self._clock.now_ms()
        records = [
            Record(offset=i, timestamp=now_ms, key=key, value=value, headers=())
            for i, (key, value) in enumerate(pairs)
        ]
        self.log.stage(build_batch(records), now_ms)

    def when_durable(self, done: Callable[[SummitError | None], None]) -> None:
        """Call `done` once what was staged is durable, or has failed."""
        self._commit.when_durable(done, self._logs)

    def write(self, pairs: Pairs, done: Callable[[SummitError | None], None]) -> None:
        """Both. Raises as `stage`."""
        if pairs:
            self.stage(pairs)
        self.when_durable(done)
