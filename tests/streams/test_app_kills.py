"""Apps whose processes are killed: what is read committed is what an independent reading finds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.streams.app_process import AppProcess
from tests.streams.reference import (
    all_events,
    buckets,
    check_numbered,
    expected,
    in_time,
    seen,
)
from tests.streams.traffic import Traffic, outputs, wait_for

from summit.client.admin import Admin
from summit.client.topics import TopicConfig

pytestmark = pytest.mark.slow

OUTPUTS = ("numbered", "counted", "hopping", "sessions", "pairs", "totals", "late")
QUICK: dict[str, Any] = {
    "sessionTimeoutMs": 1_000,
    "transactionTimeoutMs": 2_000,
    "idleMs": 600_000,
}


async def started(servers: list[str], app: str) -> AppProcess:
    process = AppProcess(servers, app=app, appId=f"summit-{app}", **QUICK)
    await asyncio.to_thread(process.wait_active)
    return process


async def make_outputs(servers: list[str]) -> None:
    """Outputs have the time of their events, which is long ago: a week's retention deletes them."""
    async with Admin({"bootstrapServers": servers}) as admin:
        for topic in OUTPUTS:
            await admin.create_if_missing(TopicConfig(name=topic, partitions=2, retention_ms=-1))


@asynccontextmanager
async def under_fire(
    servers: list[str], app: str, traffics: list[Traffic], seed: int, side_by_side: int,
    kills: int = 5,
) -> AsyncIterator[None]:  # fmt: skip
    """Run an app while its processes are killed one after the other; the last ones live on and
    stop at the end."""
    rand = random.Random(seed)
    await make_outputs(servers)
    with ExitStack() as stack:
        await asyncio.gather(*(traffic.start() for traffic in traffics))
        alive = [await started(servers, app) for _ in range(side_by_side)]
        stack.callback(lambda: [process.kill() for process in alive])
        for _ in range(kills):
            await asyncio.sleep(rand.random() * 1.5)
            alive.pop(rand.randrange(len(alive))).kill()
            alive.append(await started(servers, app))
        await asyncio.gather(*(traffic.finish() for traffic in traffics))
        yield
        assert [await asyncio.to_thread(process.stop) for process in alive] == [0] * len(alive)


@pytest.mark.parametrize(("seed", "side_by_side"), [(1, 1), (2, 2)])
def test_state_timers_and_outputs_survive_kills(
    servers: list[str], seed: int, side_by_side: int
) -> None:
    async def run() -> None:
        traffic = Traffic(servers, seed, "clicks", 2)
        async with under_fire(servers, "numbering", [traffic], seed, side_by_side):
            log = traffic.sent
            wanted = len(all_events(log)) + len(buckets(in_time(log)))
            await wait_for(servers, "numbered", wanted)
        check_numbered(await outputs(servers, "numbered"), log)
        assert wanted > 1_000

    asyncio.run(run())


@pytest.mark.parametrize(("seed", "side_by_side"), [(3, 1), (4, 2), (5, 3)])
def test_windows_and_joins_survive_kills(servers: list[str], seed: int, side_by_side: int) -> None:
    asyncio.run(everything_survives(servers, seed, side_by_side))


@pytest.mark.cluster
def test_a_cluster_gives_the_same(clean_cluster: list[str]) -> None:
    asyncio.run(everything_survives(clean_cluster, 6, side_by_side=2))


async def everything_survives(servers: list[str], seed: int, side_by_side: int) -> None:
    clicks, views = Traffic(servers, seed, "clicks", 2), Traffic(servers, seed, "views", 3)
    async with under_fire(servers, "everything", [clicks, views], seed, side_by_side):
        wanted = expected(clicks.sent, views.sent)
        for topic, values in wanted.items():
            await wait_for(servers, topic, len(values))
        numbered = len(all_events(clicks.sent)) + len(buckets(in_time(clicks.sent, delay=2)))
        await wait_for(servers, "numbered", numbered)
    for topic, values in wanted.items():
        assert seen(topic, await outputs(servers, topic)) == values, topic
    check_numbered(await outputs(servers, "numbered"), clicks.sent, delay=2)
