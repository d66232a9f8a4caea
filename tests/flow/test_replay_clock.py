"""What the clock decided is in the log: a replay gives it again, whatever times records have."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.flow.test_replay import replayed, written
from tests.flow.test_worker_time import beat, silence
from tests.flow.world import T0, World, until, world

from summit.alerts import encode_alert


def stamped(at_s: float) -> dict[str, Any]:
    """A record's own time, by which a replay merges inputs."""
    return {"timestamp": T0 + int(at_s * 1000)}


def absences(w: World) -> list[tuple[str, int]]:
    return [(alert.key["ip"], alert.timestamp - T0) for alert in w.all_alerts()]


def test_an_absence_that_the_clock_told_comes_again(servers: list[str]) -> None:
    """The next beat came late, with the time at which it was made: the records show no absence."""

    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(silence("2s", topics=["beats"]))
            await w.send(beat(0), topic="beats", **stamped(0))
            await until(lambda: len(w.all_alerts()) == 1, 60)
            await w.send(beat(1), topic="beats", **stamped(1))
            await until(lambda: len(w.all_alerts()) == 2, 60)
            await worker.stop()
            found, result = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)
            assert (result.records, absences(w)) == (2, [("a", 2_000), ("a", 3_000)])
            # By the records' times alone the first beat is not the last for two seconds.
            by_records, _ = await replayed(w, rules="current")
            assert [alert.timestamp - T0 for alert in by_records] == [3_000]

    asyncio.run(run())


def test_what_no_clock_told_is_not_made_up(servers: list[str]) -> None:
    """Nobody worked when the beats came: they stood there together, whenever they were written."""

    async def run() -> None:
        async with world(servers) as w:
            await w.apply(silence("2s", topics=["beats"]), active=False)
            await w.send(beat(0), topic="beats", **stamped(0))
            await w.send(beat(0, "b"), topic="beats", partition=1, **stamped(50))
            await w.send(beat(1), topic="beats", **stamped(60))
            worker = await w.start_worker()
            await until(lambda: len(w.all_alerts()) == 2, 60)
            await worker.stop()
            assert sorted(absences(w)) == [("a", 3_000), ("b", 2_000)]
            found, _ = await replayed(w)
            assert sorted(map(encode_alert, found)) == sorted(await written(w))
            by_records, _ = await replayed(w, rules="current")
            assert ("a", 2_000) in {(a.key["ip"], a.timestamp - T0) for a in by_records}

    asyncio.run(run())


def test_time_that_ran_out_runs_out_again(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.apply(silence("20s", topics=["beats"]), active=False)
            await w.send(beat(0), beat(5), topic="beats")
            worker = await w.start_worker(stop_at_end=True, time_ends=True)
            await worker.wait_finished()
            await worker.stop()
            await until(lambda: len(w.all_alerts()) == 1)
            found, _ = await replayed(w)
            assert [encode_alert(alert) for alert in found] == await written(w)

    asyncio.run(run())
