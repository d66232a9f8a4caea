"""`suppress` in workers: decided with the rule's keys, saved with them, told to the alert log."""

from __future__ import annotations

import asyncio

import pytest
from tests.flow.worker_process import WorkerProcess
from tests.flow.world import failure, five_failures, world

from summit.journal.desk_follower import DeskFollower

SUPPRESS = {"suppress": {"by": ["ip"], "for": "1h"}}


async def suppressed_of(servers: list[str], alert_id: str) -> tuple[int, int]:
    """How many were suppressed for an alert, and when the latest was seen, by the alert log."""
    follower = DeskFollower(servers)
    await follower.start()
    try:
        found = follower.desk.state.alerts[alert_id]
        return found.suppressed, found.last_seen
    finally:
        await follower.stop()


def test_what_stands_outlives_a_restart(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures(**SUPPRESS))
            (alert,) = await w.settle(await w.send(*(failure(n) for n in range(10))))
            assert await suppressed_of(servers, alert.id) == (1, failure(9)["timestamp"])
            await first.stop()
            await w.start_worker()
            last = await w.send(
                *(failure(n) for n in range(10, 20)), *map(failure, range(3_605, 3_610))
            )
            alerts = await w.settle(last)
            assert [a.evidence[-1].offset for a in alerts] == [4, 24]
            # Nobody has resolved the first one, so the second is a duplicate of it.
            assert await suppressed_of(servers, alert.id) == (3, failure(3_609)["timestamp"])

    asyncio.run(run())


@pytest.mark.slow
def test_kills_neither_lose_nor_double_what_is_suppressed(servers: list[str]) -> None:
    """Workers are killed while alerts are suppressed; then the counts of all keys are exact."""
    addresses, rounds = [f"10.0.0.{n}" for n in range(20)], 12

    async def run() -> None:
        async with world(servers) as w:
            await w.apply(five_failures(**SUPPRESS), active=False)
            options = {"sessionTimeoutMs": 1_000, "transactionTimeoutMs": 2_000}
            for part in range(rounds):
                with WorkerProcess(servers, **options) as process:
                    if part == 0:
                        await asyncio.to_thread(process.wait_active)
                    events = [failure(part * 50 + n, ip) for n in range(5) for ip in addresses]
                    for partition in (0, 1):
                        await w.send(*events[partition::2], partition=partition)
                    await asyncio.sleep(0.3 * (part % 4))
                    process.kill()
            with WorkerProcess(servers, **options):
                for partition in (0, 1):
                    end = rounds * len(addresses) * 5 // 2 - 1
                    await w.alerts.wait_readable("auth", partition, end, 60_000)
            alerts = w.all_alerts()
            assert sorted(str(a.key["ip"]) for a in alerts) == sorted(addresses)
            follower = DeskFollower(servers)
            await follower.start()
            counts = [follower.desk.state.alerts[a.id].suppressed for a in alerts]
            await follower.stop()
            assert counts == [rounds - 1] * len(addresses)

    asyncio.run(run())
