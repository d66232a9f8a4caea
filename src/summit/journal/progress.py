"""The workers' progress, followed by who waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.limits import PROGRESS_TAIL_RECORDS
from summit.base.logs import get_logger
from summit.cep.keygroups import KEY_GROUPS
from summit.client.admin import Admin
from summit.client.settings import AdminConfig
from summit.client.types import ConsumerRecord
from summit.journal.follower import LogFollower
from summit.journal.inputs import TopicFilter
from summit.journal.progress_record import (
    Positions,
    ProgressRecord,
    decode_progress,
    partition_name,
)
from summit.journal.topics import PROGRESS_TOPIC

PROGRESS_PLACE = (PROGRESS_TOPIC, 0)


class Progress:
    """What the workers have told, as far as it was read.

    Attributes:
        last: The newest record.
        invalid: Records that are none.
    """

    def __init__(self) -> None:
        self.last: ProgressRecord | None = None
        self.invalid = 0
        self._owners: dict[int, ProgressRecord] = {}
        self._filter = TopicFilter([])

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Take the next records of the topic; what is no progress record is counted."""
        for record in records:
            try:
                told = decode_progress(record.value or b"")
            except Invalid as error:
                self.invalid += 1
                get_logger(__name__).warning(
                    "progress.invalid", offset=record.offset, error=str(error)
                )
            else:
                self.last = told
                self._owners.update(dict.fromkeys(told.groups, told))

    @property
    def workers(self) -> list[ProgressRecord]:
        """The last record of each worker that holds something; every key group once."""
        return list({id(record): record for record in self._owners.values()}.values())

    @property
    def is_whole(self) -> bool:
        """Whether every key group has been told to be somebody's."""
        return len(self._owners) == KEY_GROUPS

    def covers(self, topic: str, partition: int, offset: int) -> bool:
        """Whether all workers are through with the record at this offset, or no rule reads it."""
        if not self.is_whole:
            return False
        name = partition_name(topic, partition)
        if all(record.seen.get(name, 0) > offset for record in self.workers):
            return True
        return not self._reads(topic)

    def acts(self, definitions_offset: int) -> bool:
        """Whether all workers go by the definition at this offset of its topic."""
        return self.is_whole and all(
            record.definitions > definitions_offset for record in self.workers
        )

    def positions(self) -> Positions:
        """Next offset to process of every input that is read."""
        return _largest(record.positions for record in self.workers)

    def alerts(self) -> Positions:
        """By partition of the alerts topic, the offset below which all that is told stands."""
        return _largest(record.alerts for record in self.workers)

    @property
    def runs(self) -> int:
        """Unfinished matches."""
        return sum(record.runs for record in self.workers)

    def _reads(self, topic: str) -> bool:
        assert self.last is not None
        if self._filter.wanted != self.last.reads:
            self._filter = TopicFilter(self.last.reads)
        return self._filter.reads(topic)


def _largest(told: Iterable[Positions]) -> Positions:
    found: Positions = {}
    for positions in told:
        for name, at in positions.items():
            found[name] = max(at, found.get(name, 0))
    return found


async def wait_acting(
    servers: list[str], definitions_offset: int, clock: Clock, timeout_ms: int
) -> None:
    """Wait until the worker goes by the definition at this offset of its topic.

    Every event written after that is seen by it. Raises: Unavailable where no broker answers,
    or when it takes longer; Invalid("topic.unknown") where no worker has ever run.
    """
    progress = Progress()
    follower = LogFollower(servers, "summit-progress", progress.take, clock=clock)
    try:
        await follower.start({PROGRESS_PLACE: await _tail(servers)})
        await follower.wait_for(lambda: progress.acts(definitions_offset), timeout_ms)
    finally:
        await follower.stop()


async def _tail(servers: list[str]) -> int:
    config = AdminConfig(client_id="summit-progress", bootstrap_servers=servers)
    async with Admin(config) as admin:
        _, end = (await admin.offsets(PROGRESS_TOPIC))[0]
    return max(0, end - PROGRESS_TAIL_RECORDS)
