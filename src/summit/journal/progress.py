"""The worker's progress: written by the worker, followed by who waits for it."""

from __future__ import annotations

from collections.abc import Iterable

from summit.base.clock import Clock
from summit.base.errors import Invalid
from summit.base.limits import PROGRESS_READ_MS, PROGRESS_TAIL_RECORDS
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.journal.follower import LogFollower
from summit.journal.inputs import TopicFilter
from summit.journal.progress_record import (
    ProgressRecord,
    decode_progress,
    encode_progress,
    partition_name,
)
from summit.journal.topics import PROGRESS_TOPIC

PROGRESS_PLACE = (PROGRESS_TOPIC, 0)


class Progress:
    """The last record of `_summit.progress`, as far as it was read."""

    def __init__(self) -> None:
        self.last: ProgressRecord | None = None
        self.invalid = 0
        self._filter = TopicFilter([])

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Take the next records of the topic; what is no progress record is counted."""
        for record in records:
            try:
                self.last = decode_progress(record.value or b"")
            except Invalid as error:
                self.invalid += 1
                get_logger(__name__).warning(
                    "progress.invalid", offset=record.offset, error=str(error)
                )

    def covers(self, topic: str, partition: int, offset: int) -> bool:
        """Whether the worker is through with the record at this offset, or no rule reads it."""
        last = self.last
        if last is None:
            return False
        if last.positions.get(partition_name(topic, partition), 0) > offset:
            return True
        return not self._reads(topic)

    def _reads(self, topic: str) -> bool:
        assert self.last is not None
        if self._filter.wanted != self.last.reads:
            self._filter = TopicFilter(self.last.reads)
        return self._filter.reads(topic)


async def write_progress(producer: StreamProducer, record: ProgressRecord) -> None:
    """Append a record; returns when it is acknowledged. Raises as `StreamProducer.send`."""
    await producer.send(
        ProducerRecord(topic=PROGRESS_TOPIC, partition=0, value=encode_progress(record))
    )


async def wait_acting(
    servers: list[str], definitions_offset: int, clock: Clock, timeout_ms: int
) -> None:
    """Wait until the worker goes by the definition at this offset of its topic.

    Every event written after that is seen by it. Raises: Unavailable where no broker answers,
    or when it takes longer; Invalid("topic.unknown") where no worker has ever run.
    """
    progress = Progress()
    follower = LogFollower(servers, "summit-progress", progress.take, clock=clock)

    def acts() -> bool:
        return progress.last is not None and progress.last.definitions > definitions_offset

    try:
        await follower.start({PROGRESS_PLACE: await _tail(servers)})
        await follower.wait_for(acts, timeout_ms)
    finally:
        await follower.stop()


async def read_last_progress(servers: list[str], clock: Clock) -> ProgressRecord | None:
    """The last record of the topic; None when there is none that can be read.

    Raises: Unavailable where no broker answers in time.
    """
    progress = Progress()
    follower = LogFollower(servers, "summit-progress", progress.take, clock=clock)
    try:
        await follower.start({PROGRESS_PLACE: await _tail(servers)})
        await follower.wait_caught_up(PROGRESS_READ_MS)
    finally:
        await follower.stop()
    return progress.last


async def _tail(servers: list[str]) -> int:
    config = AdminConfig(client_id="summit-progress", bootstrap_servers=servers)
    async with Admin(config) as admin:
        _, end = (await admin.offsets(PROGRESS_TOPIC))[0]
    return max(0, end - PROGRESS_TAIL_RECORDS)
