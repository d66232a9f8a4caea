"""Reading the state of key groups from `_summit.state`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from summit.base.clock import Clock
from summit.base.limits import RESTORE_STALL_MS
from summit.client.admin import Admin
from summit.client.types import ConsumerRecord
from summit.journal.follower import LogFollower
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
    wanted = {state_partition(group) for group in groups}
    # The high watermarks: also what a transaction holds whose end is on its way.
    bounds = {
        (STATE_TOPIC, partition): found
        for partition, found in (await admin.offsets(STATE_TOPIC)).items()
        if partition in wanted and found[0] < found[1]
    }
    total = sum(end - first for first, end in bounds.values())
    if not total:
        return restored
    follower: LogFollower

    def take(records: list[ConsumerRecord]) -> None:
        restored.take(records)
        progress(min(restored.records, total), total)

    follower = LogFollower(servers, "summit-restore", take, clock=clock)
    try:
        await follower.start({place: first for place, (first, _) in bounds.items()})
        await follower.wait_read(
            {place: end for place, (_, end) in bounds.items()}, RESTORE_STALL_MS
        )
    finally:
        await follower.stop()
    return restored
