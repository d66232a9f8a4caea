"""Watching the flow from any machine: definitions, progress and offsets, read when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from summit.base.clock import Clock, SystemClock
from summit.base.limits import FOLLOWER_READY_MS
from summit.client import ClusterAdmin
from summit.flow.describing import describe
from summit.flow.rules import rules_of
from summit.flow.seeing import look
from summit.journal.definitions import Definitions
from summit.journal.progress import Progress, ProgressFollower


async def describe_flow(
    admin: ClusterAdmin, definitions: Definitions, progress: Progress, clock: Clock
) -> dict[str, Any]:
    """The flow as it is now; see `describing`.

    Args:
        admin: Connected.
        definitions: Started.
        progress: As far as it was read.
    Raises: Unavailable.
    """
    current = definitions.current()
    rules = rules_of(current)
    seen = await look(admin, rules.filter.reads, [each.name for each in rules.backfills])
    return describe(current, rules, progress, seen, clock.now_ms())


class FlowWatch:
    """Describes the flow as often as it is asked; one loop's. Also `async with`.

    Args:
        servers: Addresses of the brokers.
    """

    def __init__(self, servers: Sequence[str], *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._admin = ClusterAdmin({"clientId": "summit-flow", "bootstrapServers": list(servers)})
        self._definitions = Definitions(servers, name="summit-flow", clock=self._clock)
        self._progress = ProgressFollower(servers, self._clock)

    async def start(self) -> None:
        """Connect and read what is there. Raises Unavailable."""
        await self._admin.connect()
        await self._definitions.start(FOLLOWER_READY_MS)
        await self._progress.start()

    async def stop(self) -> None:
        """End reading. Idempotent."""
        await self._progress.stop()
        await self._definitions.stop()
        await self._admin.close()

    async def describe(self) -> dict[str, Any]:
        """The flow as it is now. Raises Unavailable."""
        return await describe_flow(
            self._admin, self._definitions, self._progress.progress, self._clock
        )

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
