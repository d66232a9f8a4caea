"""Workers with a stage that are killed: what routes send is there once, and so is every alert."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from typing import Any

import pytest
from tests.flow.test_stage import MASK, NO_PROBES, raw
from tests.flow.test_worker_kills import expected, started
from tests.flow.world import five_failures, read_topic, world

pytestmark = pytest.mark.slow
EVERYTHING = {"kind": "route", "id": "all", "default": True, "topic": "copies", "topics": ["auth"]}


@pytest.mark.parametrize(("seed", "side_by_side"), [(1, 1), (2, 2)])
def test_kills_lose_nothing_and_double_nothing(
    servers: list[str], seed: int, side_by_side: int
) -> None:
    """The rule's key is what a transformation makes: other workers are sent that, too."""
    rand = random.Random(seed)

    async def run() -> None:
        async with world(servers) as w:
            passed: dict[int, list[tuple[int, dict[str, Any]]]] = {0: [], 1: []}
            last: dict[int, int] = {}
            done = False

            async def traffic() -> None:
                at_s = 0.0
                while not done:
                    for partition in (0, 1):
                        events, places = [], []
                        for number in range(rand.randint(1, 40)):
                            at_s += rand.random() / 4
                            ip = f"10.0.{partition}.{rand.randint(0, 30)}"
                            probe = {"agent": "probe"} if rand.random() < 0.2 else {}
                            events.append(raw(at_s, ip, **probe))
                            if not probe:
                                places.append((number, {**events[-1], "ip": ip}))
                        end = (await w.send(*events, partition=partition)).offset
                        first = end - len(events) + 1
                        last[partition] = end
                        passed[partition] += [(first + number, event) for number, event in places]
                    await asyncio.sleep(0.05)  # the view of alerts keeps 10,000

            rules = (MASK, NO_PROBES, EVERYTHING, five_failures(topics=["auth"]))
            await w.apply(*rules, active=False)
            sending = asyncio.ensure_future(traffic())
            workers = [await started(servers) for _ in range(side_by_side - 1)]
            for _ in range(5):
                workers.append(await started(servers))
                await asyncio.sleep(rand.random() * 1.5)
                workers.pop(rand.randrange(len(workers))).kill()
            done = True
            await sending
            workers.append(await started(servers))
            with ExitStack() as stack:
                for process in workers:
                    stack.enter_context(process)
                for partition, end in last.items():
                    await w.alerts.wait_readable("auth", partition, end, 60_000)
            wanted = {pair for events in passed.values() for pair in expected(events)}
            found = [
                (str(a.key["ip"]), tuple(e.offset for e in a.evidence)) for a in w.all_alerts()
            ]
            assert len(wanted) > 20
            assert len(found) == len(set(found))
            assert set(found) == wanted
            count = sum(map(len, passed.values()))
            copies = await read_topic(servers, "copies", count, isolationLevel="read_committed")
            places = sorted(
                record.headers["summit.src"].decode().split(":")[2:] for record in copies
            )
            assert places == sorted(
                [str(partition), str(offset)]
                for partition, events in passed.items() for offset, _ in events
            )  # fmt: skip
            assert all(record.json()["user"] == "e********" for record in copies)

    asyncio.run(run())
