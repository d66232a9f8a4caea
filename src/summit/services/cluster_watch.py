"""Watching a cluster that tells nobody its figures: looks at it now and then, while asked for them.

An embedded broker writes its own figures (`metrics_feed`); a cluster is observed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client import ClusterAdmin, ClusterFigures, ClusterObserver

INTERVAL_S: Final = 2.0
UNASKED_MS: Final = 60_000  # a cluster that nobody asks about is left in peace

log = get_logger(__name__)


class ClusterWatch:
    """The figures of a cluster; one loop's.

    Args:
        admin: Connected; whom to ask.
    """

    def __init__(self, admin: ClusterAdmin, clock: Clock) -> None:
        self._admin = admin
        self._clock = clock
        self._tasks = Tasks()
        self._figures: ClusterFigures | None = None
        self._asked_ms = 0.0
        self._looking = False

    async def figures(self) -> ClusterFigures | None:
        """What the last look saw; None while no broker answers. The first call looks."""
        self._asked_ms = self._clock.monotonic_ms()
        if not self._looking:
            self._looking = True
            observer = ClusterObserver(self._admin, self._clock)
            await self._look(observer)
            self._tasks.spawn(self._go_on(observer), "cluster.watch")
        return self._figures

    async def stop(self) -> None:
        """Look no more."""
        await self._tasks.cancel_all()

    async def _go_on(self, observer: ClusterObserver) -> None:
        while self._clock.monotonic_ms() - self._asked_ms < UNASKED_MS:
            await asyncio.sleep(INTERVAL_S)
            await self._look(observer)
        self._looking = False

    async def _look(self, observer: ClusterObserver) -> None:
        try:
            self._figures = await observer.look()
        except SummitError as error:
            self._figures = None
            log.warning("cluster.not_seen", error=str(error))
