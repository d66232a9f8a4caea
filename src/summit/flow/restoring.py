"""Reading the state of key groups from `_summit.state`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from summit.base.clock import Clock
from summit.base.errors import Closed, Conflict, Unavailable
from summit.base.limits import FIGURES_TOLD_MS, RESTORE_STALL_MS
from summit.base.logs import get_logger
from summit.client.admin import Admin
from summit.client.types import ConsumerRecord
from summit.journal.follower import read_whole
from summit.journal.state_log import Restored, state_partition
from summit.journal.topics import STATE_TOPIC


async def restore(
    admin: Admin,
    servers: list[str],
    groups: Iterable[int],
    clock: Clock,
    progress: Callable[[int, int], None],
) -> Restored:
    """Everything that committed transactions have written about these key groups.

    These groups have no other writer any more; what such a one left open is waited for.

    Args:
        progress: Told offsets read, and offsets to be read.
    Raises: Unavailable when nothing moves for `RESTORE_STALL_MS`.
    """
    restored = Restored()

    def take(records: list[ConsumerRecord], total: int) -> None:
        restored.take(records)
        progress(min(restored.records, total), total)

    places = {(STATE_TOPIC, state_partition(group)) for group in groups}
    await read_whole(admin, servers, "summit-restore", places, take, clock, RESTORE_STALL_MS)
    return restored


async def while_telling(
    restoring: Coroutine[Any, Any, Restored], tell: Callable[[], Awaitable[None]]
) -> Restored:
    """Wait for what may take long, and tell now and then how far it is."""
    task = asyncio.ensure_future(restoring)
    try:
        while not (await asyncio.wait([task], timeout=FIGURES_TOLD_MS / 1000))[0]:
            try:
                await tell()
            except (Closed, Unavailable, Conflict) as error:  # the next commit says so too
                get_logger(__name__).warning("session.not_told", error=str(error))
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
