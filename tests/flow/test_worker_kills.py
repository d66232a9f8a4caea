"""Workers that are killed: nothing is lost, and every alert is there once by its id."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import ExitStack
from typing import Any

import pytest
from tests.flow.worker_process import WorkerProcess
from tests.flow.world import T0, failure, five_failures, read_topic, until, world

from summit.base.errors import Closed
from summit.journal.desk_follower import DeskFollower

SESSION_MS = 1_000

pytestmark = pytest.mark.slow


async def started(servers: list[str], **settings: Any) -> WorkerProcess:
    times = {"sessionTimeoutMs": SESSION_MS, "transactionTimeoutMs": 2_000}
    process = WorkerProcess(servers, **times, **settings)
    await asyncio.to_thread(process.wait_active)
    return process


def test_a_match_that_a_kill_interrupts_is_found_once(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            with await started(servers) as first:
                await w.apply(five_failures())
                await w.settle(await w.send(*(failure(n) for n in range(8))))
                first.kill()
            with await started(servers):
                alerts = await w.settle(await w.send(*(failure(n) for n in (8, 9))))
                assert [[e.offset for e in a.evidence] for a in alerts] == [
                    [0, 1, 2, 3, 4],
                    [5, 6, 7, 8, 9],
                ]
                assert len(w.alerts.view) == 2

    asyncio.run(run())


def test_a_stand_by_takes_over_from_one_that_is_killed(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            with await started(servers) as first:
                stand_by = await w.start_worker(session_timeout_ms=SESSION_MS)
                await w.apply(five_failures())
                place = await w.send(*(failure(n) for n in range(4)))
                # Whichever of the two has the work now: the process is killed, and only after
                # that the last failure comes.
                await w.settle(place)
                first.kill()
                alerts = await w.settle(await w.send(failure(4)))
                assert [a.count for a in alerts] == [5]
                assert stand_by.state == "active"

    asyncio.run(run())


def test_one_that_stops_hands_over_at_once(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            one = await w.start_worker(session_timeout_ms=30_000)
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            two = await w.start_worker(session_timeout_ms=30_000)
            assert await two.wait_active(60_000)
            assert one.status()["keyGroups"] + two.status()["keyGroups"] == 64
            await one.stop()
            async with asyncio.timeout(20):
                assert len(await w.settle(await w.send(*(failure(n) for n in (3, 4))))) == 1
            assert two.status()["keyGroups"] == 64

    asyncio.run(run())


def test_one_that_comes_back_under_its_name_goes_on_at_once(servers: list[str]) -> None:
    """Neither its session nor its open transaction is waited for, which would take a minute."""
    patient: dict[str, Any] = {"sessionTimeoutMs": 60_000, "transactionTimeoutMs": 60_000}

    async def run() -> None:
        async with world(servers) as w:
            with WorkerProcess(servers, instanceId="one", **patient) as first:
                await asyncio.to_thread(first.wait_active)
                await w.apply(five_failures())
                await w.settle(await w.send(*(failure(n) for n in range(3))))
                first.kill()
            with WorkerProcess(servers, instanceId="one", **patient) as second:
                await asyncio.to_thread(second.wait_active)
                assert len(await w.settle(await w.send(*(failure(n) for n in (3, 4))))) == 1

    asyncio.run(run())


def test_of_two_of_one_name_the_older_ends(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            older = await w.start_worker(instance_id="one")
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            newer = await w.start_worker(instance_id="one")
            assert await newer.wait_active(60_000)
            with pytest.raises(Closed):
                await asyncio.wait_for(older.wait_finished(), 60)
            assert older.state == "failed"
            # The older may have begun anew once before it heard: that fences the newer once.
            assert await newer.wait_active(20_000)
            assert len(await w.settle(await w.send(*(failure(n) for n in (3, 4))))) == 1

    asyncio.run(run())


def test_at_least_once_what_leaves_before_its_commit_comes_again_under_its_id(
    servers: list[str],
) -> None:
    """State and positions are of one moment, so what follows counts nothing twice."""
    cheap: dict[str, Any] = {"guarantee": "at-least-once", "commitIntervalMs": 60_000}

    async def run() -> None:
        async with world(servers) as w:
            with await started(servers, **cheap) as first:
                await w.apply(five_failures())
                before = await w.settle(await w.send(*(failure(n) for n in range(13))))
                first.kill()
            assert len(before) == 2
            with await started(servers, **cheap):
                await w.settle(await w.send(failure(13)))
                after = await w.settle(await w.send(failure(14)))
            assert [[e.offset for e in a.evidence] for a in after] == [
                [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14],
            ]  # fmt: skip
            written = await read_topic(servers, "alerts", 5)
            ids = [record.key for record in written]
            assert sorted(map(ids.count, set(ids))) == [1, 2, 2]

    asyncio.run(run())


def test_at_least_once_several_workers_answer_who_waits(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            cheap: dict[str, Any] = {"guarantee": "at-least-once", "commit_interval_ms": 60_000}
            first, second = [await w.start_worker(**cheap) for _ in range(2)]
            assert await first.wait_active(60_000)
            assert await second.wait_active(60_000)
            await w.apply(five_failures())
            ips = [f"10.0.0.{n}" for n in range(20)]
            for n in range(5):
                place = await w.send(*(failure(n, ip) for ip in ips))
            async with asyncio.timeout(20):  # sooner than the next commit would come by itself
                assert len(await w.settle(place)) == 20
            for worker in (first, second):
                assert worker.status()["guarantee"] == "at_least_once"
            both = (first, second)  # counted when the answer is there, a moment later
            await until(lambda: sum(worker.status()["alerts"] for worker in both) == 20)

    asyncio.run(run())


def expected(events: list[tuple[int, dict[str, Any]]]) -> set[tuple[str, tuple[int, ...]]]:
    """An independent reading of the rule: per address, five within a minute, then anew.

    Args:
        events: (offset, event), in the order of the log of one partition.
    """
    found: set[tuple[str, tuple[int, ...]]] = set()
    alive: dict[str, list[tuple[int, int]]] = defaultdict(list)
    reached = 0
    for offset, event in events:
        reached = max(reached, event["timestamp"])
        runs = [r for r in alive[event["ip"]] if reached - r[0] < 60_000]
        runs.append((reached, offset))
        if len(runs) == 5:
            found.add((event["ip"], tuple(at for _, at in runs)))
            runs = []
        alive[event["ip"]] = runs
    return found


async def check_told(servers: list[str], alerts: set[str], *, once: bool) -> None:
    """The alert log says of each alert that it fired; what it says again is passed over."""
    follower = DeskFollower(servers)
    await follower.start()
    try:
        state = follower.desk.state
        assert state.alerts.keys() | state.duplicates.keys() == alerts
        counters = dict(state.counters)
        assert counters.pop("known", 0) == 0 or not once
        assert counters == {"fired": len(alerts), "duplicates": len(state.duplicates)}
    finally:
        await follower.stop()


EXACTLY: dict[str, Any] = {}
AT_LEAST: dict[str, Any] = {"guarantee": "at-least-once"}


@pytest.mark.parametrize(
    ("seed", "side_by_side", "how"),
    [(1, 1, EXACTLY), (2, 1, EXACTLY), (3, 2, EXACTLY), (4, 3, EXACTLY),
     (5, 1, AT_LEAST), (6, 1, AT_LEAST), (7, 3, AT_LEAST)],
)  # fmt: skip
def test_kills_under_load_lose_nothing_and_double_nothing(
    servers: list[str], seed: int, side_by_side: int, how: dict[str, Any]
) -> None:
    """One worker after the other, or several at a time of which one after the other is killed.

    At least once, an alert that is written again has the id that it had. What a match forwards is
    there once in both.
    """
    rand = random.Random(seed)

    async def run() -> None:
        async with world(servers) as w:
            sent: dict[int, list[tuple[int, dict[str, Any]]]] = {0: [], 1: []}
            done = False

            async def traffic() -> None:
                at_s = 0.0
                while not done:
                    for partition in (0, 1):
                        events = []
                        for _ in range(rand.randint(1, 40)):
                            at_s += rand.random() / 4
                            ip = f"10.0.{partition}.{rand.randint(0, 30)}"
                            events.append(failure(at_s, ip))
                        last = await w.send(*events, partition=partition)
                        first = last.offset - len(events) + 1
                        sent[partition] += [(first + n, e) for n, e in enumerate(events)]
                    await asyncio.sleep(0.03)  # all alerts are to fit into one page

            forward = {"type": "forward", "config": {"topic": "found", "key": "ip"}}
            await w.apply(five_failures(), five_failures("f", action=forward), active=False)
            sending = asyncio.ensure_future(traffic())
            others = [await started(servers, **how) for _ in range(side_by_side - 1)]
            for _ in range(6):
                others.append(await started(servers, **how))
                await asyncio.sleep(rand.random() * 1.5)
                others.pop(rand.randrange(len(others))).kill()
            done = True
            await sending
            others.append(await started(servers, **how))
            committed = {"isolationLevel": "read_committed"}
            wanted = {pair for events in sent.values() for pair in expected(events)}
            with ExitStack() as stack:
                for process in others:
                    stack.enter_context(process)
                for partition, events in sent.items():
                    end = events[-1][0]
                    await w.alerts.wait_readable("auth", partition, end, 60_000)
                # What other actions write is part of the transaction in both; at least once that
                # comes after the alerts can be read.
                forwarded = await read_topic(servers, "found", 5 * len(wanted), **committed)
            places = [tuple(dict(each.headers.pairs).values()) for each in forwarded]
            assert len(places) == len(set(places)) == 5 * len(wanted)
            found = [
                (str(a.key["ip"]), tuple(e.offset for e in a.evidence)) for a in w.all_alerts()
            ]
            assert len(wanted) > 20
            assert len(found) == len(set(found))
            assert set(found) == wanted
            records = await read_topic(servers, "alerts", len(wanted), **committed)
            assert how or len(records) == len(wanted)
            assert min(a.first_seen for a in w.all_alerts()) >= T0
            await check_told(servers, {alert.id for alert in w.all_alerts()}, once=not how)

    asyncio.run(run())
