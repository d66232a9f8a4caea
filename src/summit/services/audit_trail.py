"""The audit trail: entries to `_summit.audit`, in bounds; what cannot be written is counted."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.types import ProducerRecord
from summit.identity import AuditEntry, RateLimit
from summit.journal.topics import AUDIT, AUDIT_TOPIC, ensure_topics

WAITING_MAX: Final = 1_000  # refusals whose entries are on their way
REFUSALS_PER_S: Final = 50.0  # told of one process; whoever is refused more often is counted
REFUSALS_BURST: Final = 500


class AuditTrail:
    """Writes entries; one loop's.

    Attributes:
        written: Entries that are durable.
        lost: Entries that could not be written.
        left_out: Refusals that came too fast to be told one by one.
    """

    def __init__(self, producer: StreamProducer, admin: Admin, clock: Clock) -> None:
        self._producer = producer
        self._admin = admin
        self._limit = RateLimit(REFUSALS_PER_S, REFUSALS_BURST, clock)
        self._waiting = 0
        self._tasks = Tasks()
        self.written = 0
        self.lost = 0
        self.left_out = 0

    async def start(self) -> None:
        """Make the topic where it is missing. Raises Unavailable."""
        await ensure_topics(self._admin, [AUDIT])

    async def stop(self) -> None:
        """Wait for what is on its way."""
        if self._waiting:
            await asyncio.wait(
                {self._tasks.spawn(self._drained(), "audit.drain")}, timeout=2.0
            )  # fmt: skip
        await self._tasks.cancel_all()

    async def write(self, entry: AuditEntry) -> bool:
        """Write an entry; True when it is durable. Never raises what the broker answers."""
        record = ProducerRecord(topic=AUDIT_TOPIC, partition=0, value=msgspec.json.encode(entry))
        try:
            await self._producer.send(record)
        except SummitError as error:
            self.lost += 1
            get_logger(__name__).error(
                "audit.lost", error=str(error), by=entry.by, action=entry.action,
                target=entry.target, outcome=entry.outcome,
            )  # fmt: skip
            return False
        self.written += 1
        return True

    def note(self, entry: AuditEntry) -> None:
        """Write an entry without waiting for it: a refusal, which changes nothing."""
        if self._limit.take("", 1):
            self.left_out += 1
        elif self._waiting >= WAITING_MAX:
            self.lost += 1
        else:
            self._waiting += 1
            self._tasks.spawn(self._write_later(entry), "audit.note")

    async def _write_later(self, entry: AuditEntry) -> None:
        try:
            await self.write(entry)
        finally:
            self._waiting -= 1

    async def _drained(self) -> None:
        while self._waiting:
            await asyncio.sleep(0.01)
