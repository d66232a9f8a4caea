"""The workers' progress, followed by who waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.clock import Clock
from summit.base.errors import Invalid, Unavailable
from summit.base.limits import (
    FOLLOWER_READY_MS,
    PROGRESS_TAIL_RECORDS,
    WORKERS_REMEMBERED_MAX,
)
from summit.base.logs import get_logger
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
from summit.journal.topics import PROGRESS, PROGRESS_TOPIC, ensure_topics
from summit.keyed.keygroups import KEY_GROUPS

PROGRESS_PLACE = (PROGRESS_TOPIC, 0)


class Progress:
    """What the workers have told, as far as it was read.

    Attributes:
        last: The newest record.
        told: By worker's id, its newest record with figures; the latest told stands last.
        invalid: Records that are none, or that a newer version wrote.
        newer: What says of the last one that a newer version wrote it.
    """

    def __init__(self) -> None:
        self.last: ProgressRecord | None = None
        self.told: dict[str, ProgressRecord] = {}
        self.invalid = 0
        self.newer: Invalid | None = None
        self._owners: dict[int, ProgressRecord] = {}
        self._filter = TopicFilter([])

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Take the next records of the topic; what is no progress record is counted."""
        for record in records:
            try:
                told = decode_progress(record.value or b"")
            except Invalid as error:
                self.invalid += 1
                self.newer = error if error.code == "progress.newer" else self.newer
                get_logger(__name__).warning(
                    "progress.invalid", offset=record.offset, error=str(error)
                )
            else:
                self.last = told
                self._owners.update(dict.fromkeys(told.groups, told))
                if told.figures is not None:
                    self.told.pop(told.figures.id, None)
                    self.told[told.figures.id] = told
                    if len(self.told) > WORKERS_REMEMBERED_MAX:
                        del self.told[next(iter(self.told))]

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
        return not self.reads(topic)

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

    def reads(self, topic: str) -> bool:
        """Whether some rule reads the topic, as far as some worker has told."""
        wanted = sorted({name for record in self.workers for name in record.reads})
        if self._filter.wanted != wanted:
            self._filter = TopicFilter(wanted)
        return self._filter.reads(topic)


def _largest(told: Iterable[Positions]) -> Positions:
    found: Positions = {}
    for positions in told:
        for name, at in positions.items():
            found[name] = max(at, found.get(name, 0))
    return found


class ProgressFollower:
    """Keeps a `Progress` up to date; one loop's, from `start` to `stop`.

    Args:
        servers: Addresses of the brokers.
    """

    def __init__(self, servers: Iterable[str], clock: Clock) -> None:
        self._servers = list(servers)
        self.progress = Progress()
        self._follower = LogFollower(
            self._servers, "summit-progress", self.progress.take, clock=clock
        )

    async def start(self) -> None:
        """Read what the workers have told last; the topic is made where none has ever run.

        Raises: Unavailable where no broker answers.
        """
        config = AdminConfig(client_id="summit-progress", bootstrap_servers=self._servers)
        async with Admin(config) as admin:
            await ensure_topics(admin, [PROGRESS])
            _, end = (await admin.offsets(PROGRESS_TOPIC))[0]
        await self._follower.start({PROGRESS_PLACE: max(0, end - PROGRESS_TAIL_RECORDS)})
        await self._follower.wait_caught_up(FOLLOWER_READY_MS)

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._follower.stop()

    async def wait_acting(self, definitions_offset: int, timeout_ms: int) -> None:
        """Wait until the workers go by the definition at this offset of its topic.

        Every event written after that is seen by it. Raises: Unavailable when it takes longer;
        Invalid("progress.newer").
        """
        try:
            await self._follower.wait_for(
                lambda: self.progress.acts(definitions_offset), timeout_ms
            )
        except Unavailable as error:
            raise (self.progress.newer or error) from error


async def wait_acting(
    servers: list[str], definitions_offset: int, clock: Clock, timeout_ms: int
) -> None:
    """Wait as `ProgressFollower.wait_acting`. Raises: also Unavailable where no broker answers."""
    follower = ProgressFollower(servers, clock)
    try:
        await follower.start()
        await follower.wait_acting(definitions_offset, timeout_ms)
    finally:
        await follower.stop()
