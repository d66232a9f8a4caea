"""Time in the worker: absence without events, event-time order, late events, silent inputs."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.flow.world import T0, failure, five_failures, read_topic, until, world

from summit.client.dead_letters import DeadLetter
from summit.journal.topics import LATE_TOPIC


def silence(within: str = "2s", **members: Any) -> dict[str, Any]:
    """A beat, and then none."""
    return {
        "kind": "pattern",
        "id": "silence",
        "groupBy": ["ip"],
        "steps": [
            {"name": "beat", "where": 'eventType == "beat"'},
            {"name": "none", "where": 'eventType == "beat"', "relation": "notFollowedBy"},
        ],
        "within": within,
        "action": {"type": "alert", "config": {"severity": "low", "title": "${ip} is silent"}},
        **members,
    }


def by_time(**event_time: Any) -> dict[str, Any]:
    return {
        "kind": "stream", "id": "auth", "topics": ["auth"], "order": "eventTime",
        "eventTime": {"maxOutOfOrderness": "3s", **event_time},
    }  # fmt: skip


def beat(at_s: float, ip: str = "a") -> dict[str, Any]:
    return failure(at_s, ip, eventType="beat")


def test_an_absence_is_noticed_without_another_event(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(silence())
            # Events of long ago: their time goes on as fast as the clock.
            assert await w.settle(await w.send(beat(0), beat(1), beat(1.5, "b"))) == []
            await until(lambda: len(w.all_alerts()) == 2)
            first, second = w.all_alerts()
            assert (first.title, first.timestamp) == ("a is silent", T0 + 3_000)
            assert (second.title, second.timestamp) == ("b is silent", T0 + 3_500)
            # What comes later is taken at its own time, and awaited anew.
            await w.settle(await w.send(beat(2)))
            assert worker.status()["outOfOrder"] == 0
            await until(lambda: len(w.all_alerts()) == 3)
            assert w.all_alerts()[-1].timestamp == T0 + 4_000
            assert w.alerts.view.folded == 0

    asyncio.run(run())


def test_an_absence_outlives_its_worker(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(silence("5s"))
            await w.settle(await w.send(beat(0)))
            await first.stop()
            assert w.all_alerts() == []
            await w.start_worker()
            await until(lambda: len(w.all_alerts()) == 1)
            assert w.all_alerts()[0].timestamp == T0 + 5_000

    asyncio.run(run())


def test_in_the_order_of_time_disorder_does_not_matter(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.start_worker()
            await w.apply(by_time(), five_failures())
            # The fifth failure of the minute comes first, over two partitions.
            for number, at in enumerate((4, 1, 3, 0, 2)):
                await w.send(failure(at), partition=number % 2)
            assert await w.settle(await w.send(failure(2.5, eventType="other"))) == []
            await until(lambda: len(w.all_alerts()) == 1)
            (alert,) = w.all_alerts()
            assert [e.timestamp for e in alert.evidence] == [T0 + 1_000 * n for n in range(5)]

    asyncio.run(run())


def test_a_late_event_is_put_aside_whole_or_dropped(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            worker = await w.start_worker()
            drops = {**by_time(), "id": "quiet", "topics": ["quiet"], "late": "drop"}
            await w.apply(by_time(), drops, five_failures())
            for topic in ("auth", "quiet"):
                values = [failure(10), failure(7), failure(6.999)]
                await w.settle(await w.send(*values, topic=topic, key="k"))
            (record,) = await read_topic(servers, LATE_TOPIC, 1)
            letter = DeadLetter.decode(record.value)
            assert (letter.topic, letter.partition, letter.offset) == ("auth", 0, 2)
            assert (letter.key, letter.error.code) == (b"k", "event.late")
            assert worker.metrics.late == 2

    asyncio.run(run())


def test_waiting_events_outlive_their_worker(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(by_time(maxOutOfOrderness="1h"), five_failures())
            place = await w.send(*(failure(n) for n in (3, 1, 0, 2)), key="k")
            assert await w.settle(place) == []
            assert first.status()["waitingEvents"] == 4
            await first.stop()
            second = await w.start_worker()
            assert await second.wait_active(20_000)
            assert second.status()["waitingEvents"] == 4
            await w.settle(await w.send(failure(0.5), failure(7_200)))
            await until(lambda: len(w.all_alerts()) == 1)  # the other partition is empty, it says
            (alert,) = w.all_alerts()
            assert [e.offset for e in alert.evidence] == [2, 4, 1, 3, 0]
            assert second.status()["waitingEvents"] == 1

    asyncio.run(run())


def test_a_silent_partition_holds_the_others_back_for_a_while(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.start_worker()
            await w.apply(by_time(idleTimeout="4s"), five_failures())
            await w.send(failure(0, "other"), partition=1)
            began = asyncio.get_running_loop().time()
            place = await w.send(*(failure(n) for n in range(600, 605)), failure(900))
            assert await w.settle(place) == []
            await until(lambda: len(w.all_alerts()) == 1)
            assert asyncio.get_running_loop().time() - began > 3

    asyncio.run(run())


def test_workers_side_by_side_keep_one_order(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            for name in ("one", "two"):
                await w.start_worker(name=name)
            await w.apply(by_time(), five_failures(), silence("3s"))
            rand = random.Random(3)
            events = []
            for number in range(400):
                at_s, ip = number * 0.25, f"ip{number % 16}"
                events.append((at_s + rand.uniform(0, 2.9), failure(at_s, ip)))
                if number % 7 == 0:
                    events.append((at_s + rand.uniform(0, 2.9), beat(at_s, ip)))
            events.sort(key=lambda pair: pair[0])
            for begin in range(0, len(events), 50):
                part = [event for _, event in events[begin : begin + 50]]
                await w.send(*part[::2], partition=0)
                await w.send(*part[1::2], partition=1)
            # Every address fails once in four seconds, so 25 times: five alerts each.
            wanted = {f"ip{n}": 5 for n in range(16)}
            beats = sum(1 for n in range(0, 400, 7))
            await until(lambda: len(w.all_alerts()) >= 80 + beats, 60)
            alerts = w.all_alerts()
            found = [alert for alert in alerts if alert.pattern == "brute"]
            assert {ip: sum(a.key == {"ip": ip} for a in found) for ip in wanted} == wanted
            for alert in found:
                times = [e.timestamp for e in alert.evidence]
                assert times == sorted(times)
                assert times[-1] - times[0] == 16_000
            assert len(alerts) - len(found) == beats
            assert w.alerts.view.folded == 0

    asyncio.run(run())
