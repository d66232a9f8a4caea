"""Reading `_summit.backfills`: how far backfills are, and what their rules have begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from summit.base.errors import Invalid
from summit.client.log_reader import LogReader
from summit.client.types import ConsumerRecord
from summit.journal.backfill_log import MARKS, STATES, BackfillMark, BackfillMarks, BackfillStates
from summit.journal.topics import BACKFILLS_TOPIC


class PastState:
    """Reads what stands there now; one loop's. Connects when it is asked first.

    Args:
        servers: Addresses of the brokers.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._config: dict[str, Any] = {
            "clientId": "summit-backfill", "bootstrapServers": list(servers)
        }  # fmt: skip
        self._reader: LogReader | None = None
        self._marks = BackfillMarks()
        self._at = 0

    async def close(self) -> None:
        """Disconnect. Idempotent."""
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def mark(self, backfill: str) -> BackfillMark | None:
        """How far a backfill is; None = it has not begun, or is over and taken up.

        Raises: Unavailable; Corrupt("journal.backfill").
        """
        self._at = await self._read(MARKS, self._at, self._marks.take)
        return self._marks.marks.get(backfill)

    async def names(self) -> list[str]:
        """The backfills that have a mark. Raises: as `mark`."""
        await self.mark("")
        return list(self._marks.marks)

    async def states(self, backfill: str) -> BackfillStates:
        """What a backfill's rule has begun. Raises: as `mark`."""
        states = BackfillStates(backfill)
        await self._read(STATES, 0, states.take)
        return states

    async def _read(
        self, partition: int, at: int, take: Callable[[list[ConsumerRecord]], None]
    ) -> int:
        if self._reader is None:
            reader = LogReader(self._config, committed=True)
            await reader.connect()
            self._reader = reader
        try:
            first, end = await self._reader.span(BACKFILLS_TOPIC, partition)
        except Invalid as error:
            if error.code != "topic.unknown":
                raise
            return at  # nothing was ever begun with the past
        async with aclosing(
            self._reader.read(BACKFILLS_TOPIC, partition, max(at, first), end)
        ) as bursts:
            async for records in bursts:
                take(records)
        return max(at, end)
