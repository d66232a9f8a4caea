"""A copy of the state that other workers hold, kept up to date, so that taking it over is fast.

It follows the partitions of `_summit.state` that have key groups which are not held here, and has
them decoded already. It is only a copy: who takes over waits until it has read to the end, as it
would read everything, and reads everything where there is no copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.limits import RESTORE_STALL_MS
from summit.base.logs import get_logger
from summit.base.tasks import Tasks
from summit.client.admin import Admin
from summit.journal.follower import LogFollower
from summit.journal.state_log import STATE_PARTITIONS, Content, Copy, state_partition
from summit.journal.topics import STATE_TOPIC
from summit.keyed.keygroups import KEY_GROUPS

_RETRY_S: Final = 1.0


class Standby:
    """See the module; one loop's, start to stop."""

    def __init__(self, servers: list[str], clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._copy = Copy()
        self._follower: LogFollower | None = None
        self._followed: set[int] = set()
        self._wanted: set[int] = set(range(STATE_PARTITIONS))
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin to follow, in the background."""
        self._changed.set()
        self._tasks.spawn(self._run(), "standby.run")

    async def stop(self) -> None:
        """End following. Idempotent."""
        await self._tasks.cancel_all()
        await self._end()

    def keep(self, held: Collection[int]) -> None:
        """Follow what is not held; what stands in partitions that are held whole is let go."""
        others = set(range(KEY_GROUPS)) - set(held)
        wanted = {state_partition(group) for group in others}
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    @property
    def keys(self) -> int:
        """How many keys are copied."""
        return self._copy.keys

    async def content(self, groups: Collection[int], admin: Admin) -> Content | None:
        """What is kept of key groups that have no other writer any more; None = there is no copy.

        What a transaction holds whose end is on its way is waited for.
        """
        partitions = {state_partition(group) for group in groups}
        async with self._lock:
            if self._follower is None or not partitions <= self._followed:
                return None
            try:
                bounds = await admin.offsets(STATE_TOPIC)
                ends = {(STATE_TOPIC, n): bounds[n][1] for n in partitions if any(bounds[n])}
                await self._follower.wait_read(ends, RESTORE_STALL_MS)
                return self._copy.content(groups)
            except SummitError as error:
                get_logger(__name__).warning("standby.no_copy", code=error.code, error=str(error))
                await self._end()
                self._changed.set()
                return None

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                async with self._lock:
                    await self._follow(set(self._wanted))
            except SummitError as error:
                get_logger(__name__).warning("standby.waits", code=error.code, error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._changed.set()

    async def _follow(self, wanted: set[int]) -> None:
        """Follow these partitions: those that were followed before from where they are."""
        known = {} if self._follower is None else dict(self._follower.positions)
        kept = self._followed & wanted
        await self._end(kept)
        if not wanted:
            return
        follower = LogFollower(self._servers, "summit-standby", self._copy.take, clock=self._clock)
        try:
            await follower.start(
                {
                    (STATE_TOPIC, n): known[STATE_TOPIC, n] if n in kept else None
                    for n in sorted(wanted)
                }
            )
        except SummitError:
            await follower.stop()
            await self._end()
            raise
        self._follower, self._followed = follower, wanted

    async def _end(self, kept: Collection[int] = ()) -> None:
        """Follow no more; keep the copy of these partitions."""
        if self._follower is not None:
            await self._follower.stop()
        self._follower, self._followed = None, set()
        for partition in set(range(STATE_PARTITIONS)) - set(kept):
            self._copy.forget(partition)
