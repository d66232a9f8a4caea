"""Apps whose processes are killed: what is read committed is what an independent reading finds."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from typing import Any

import pytest
from tests.streams.app_process import AppProcess
from tests.streams.traffic import Traffic, check_numbered, expected_count, outputs

pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {
    "sessionTimeoutMs": 1_000,
    "transactionTimeoutMs": 2_000,
    "idleMs": 600_000,
}


async def started(servers: list[str], app: str) -> AppProcess:
    process = AppProcess(servers, app=app, appId=f"summit-{app}", **QUICK)
    await asyncio.to_thread(process.wait_active)
    return process


async def under_fire(
    servers: list[str], app: str, traffics: list[Traffic], rand: random.Random, side_by_side: int,
    kills: int,
) -> ExitStack:  # fmt: skip
    """Run an app while its processes are killed one after the other; the last ones live on."""
    await asyncio.gather(*(traffic.start() for traffic in traffics))
    alive = [await started(servers, app) for _ in range(side_by_side)]
    for _ in range(kills):
        await asyncio.sleep(rand.random() * 1.5)
        alive.pop(rand.randrange(len(alive))).kill()
        alive.append(await started(servers, app))
    await asyncio.gather(*(traffic.finish() for traffic in traffics))
    stack = ExitStack()
    for process in alive:
        stack.enter_context(process)
    return stack


@pytest.mark.parametrize(("seed", "side_by_side"), [(1, 1), (2, 2)])
def test_state_timers_and_outputs_survive_kills(
    servers: list[str], seed: int, side_by_side: int
) -> None:
    async def run() -> None:
        traffic = Traffic(servers, seed)
        with await under_fire(
            servers, "numbering", [traffic], random.Random(seed), side_by_side, kills=5
        ):
            found = await outputs(servers, "numbered", expected_count(traffic))
            check_numbered(found, traffic)
            assert len(traffic.all()) > 1_000

    asyncio.run(run())
