"""Reading results: the topic `_summit.results` into a view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.limits import FOLLOWER_READY_MS
from summit.client.types import ConsumerRecord
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.result_view import ResultView
from summit.journal.topics import RESULTS

TAIL_RECORDS: Final = 200_000
"""Read at the start: so many of the last records."""


class ResultFollower(Emitter):
    """Keeps a `ResultView` up to date; one loop's, from `start` to `stop`.

    Event `result` {offset, result} with each record that comes after the start: its place in
    `_summit.results` and what it tells, as a plain mapping.
    """

    def __init__(
        self,
        servers: Iterable[str],
        *,
        clock: Clock | None = None,
        name: str = "summit-results",
    ) -> None:
        super().__init__()
        self._servers = list(servers)
        self._name = name
        self._live = False
        self._follower = LogFollower(self._servers, name, self._take, clock=clock or SystemClock())
        self.view = ResultView()

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topic where it is missing, and read what is there.

        Raises: Unavailable where no broker answers, or the topic is not read in time.
        """
        starts = await tail_starts(self._servers, self._name, [(RESULTS, TAIL_RECORDS)])
        await self._follower.start(starts)
        await self._follower.wait_caught_up(timeout_ms)
        self._live = True

    @property
    def next_offset(self) -> int:
        """Everything below it was told."""
        return self._follower.positions.get((RESULTS.name, 0), 0)

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return self._follower.failure

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._follower.stop()

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            result = None if record.value is None else self.view.add(record.value)
            if result is not None and self._live:
                self.emit("result", Payload(offset=record.offset, result=result))
