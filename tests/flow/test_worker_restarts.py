"""Restarts that are not simple: rules changed in between, progress gone, first starts."""

from __future__ import annotations

import asyncio

import pytest
from tests.flow.world import failure, five_failures, until, world

from summit.client.admin import Admin

pytestmark = pytest.mark.slow


def offsets(alerts: list) -> list[list[int]]:
    return [[e.offset for e in alert.evidence] for alert in alerts]


def test_a_rule_still_sees_only_what_came_after_its_activation(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures("other", groupBy=["other"]))
            await w.settle(await w.send(*(failure(n, other="x") for n in range(3))))
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in (3, 4))))
            await first.stop()
            await w.start_worker()
            assert await w.settle(await w.send(*(failure(n) for n in (5, 6)))) == []
            alerts = await w.settle(await w.send(failure(7)))
            assert offsets(alerts) == [[3, 4, 5, 6, 7]]

    asyncio.run(run())


def test_a_rule_that_changed_while_nobody_worked_acts_from_the_restart_on(
    servers: list[str],
) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await first.stop()
            two = [{"name": "failed", "where": 'eventType == "failed"', "times": 2}]
            await w.apply(five_failures(steps=two), active=False)
            await w.send(failure(3))
            await w.start_worker()
            await until(lambda: w.alerts.progress.covers("auth", 0, 3))
            alerts = await w.settle(await w.send(failure(4)))
            assert offsets(alerts) == [[3, 4]]

    asyncio.run(run())


def test_progress_may_be_lost_it_is_only_told(
    servers: list[str],
) -> None:
    async def run() -> None:
        async with world(servers) as w, Admin({"bootstrapServers": servers}) as admin:
            first = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            await first.stop()
            await admin.delete_topic("_summit.progress")
            second = await w.start_worker()
            assert await second.wait_active(20_000)
            await w.send(*(failure(n) for n in (3, 4)))
            await until(lambda: len(w.alerts.view) == 1)
            assert offsets(w.all_alerts()) == [[0, 1, 2, 3, 4]]
            assert second.metrics.restored_records > 0

    asyncio.run(run())


def test_the_first_start_may_begin_at_the_end(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            await w.send(*(failure(n) for n in range(4)))
            await w.apply(five_failures(), active=False)
            worker = await w.start_worker(start_from="latest")
            assert await worker.wait_active(20_000)
            await w.send(failure(4))
            alerts = await w.settle(await w.send(*(failure(n) for n in range(5, 9))))
            assert offsets(alerts) == [[4, 5, 6, 7, 8]]

    asyncio.run(run())


def test_workers_that_start_at_once_all_begin_at_the_end(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            for partition in (0, 1):
                await w.send(*(failure(n) for n in range(4)), partition=partition)
            await w.apply(five_failures(), active=False)
            first = await w.start_worker(start_from="latest")
            assert await first.wait_active(60_000)
            # The first has committed how far it is; the second is given inputs of its own.
            await w.settle(await w.send(failure(4, "10.9.9.9"), partition=0))
            second = await w.start_worker(start_from="latest")
            assert await second.wait_active(60_000)
            for partition in (0, 1):
                events = (failure(n, f"10.8.8.{partition}") for n in range(5, 10))
                alerts = await w.settle(await w.send(*events, partition=partition))
            assert sorted(offsets(alerts)) == [[4, 5, 6, 7, 8], [5, 6, 7, 8, 9]]
            await first.stop()
            await second.stop()
            # A topic that comes into being while nobody works is read whole.
            await w.send(*(failure(n, "10.7.7.7") for n in range(5)), topic="later")
            await w.start_worker(start_from="latest")
            await until(lambda: len(w.alerts.view) == 3)

    asyncio.run(run())


def test_a_topic_that_was_made_anew_while_nobody_worked(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w, Admin({"bootstrapServers": servers}) as admin:
            first = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(9))))
            await first.stop()
            await admin.delete_topic("auth")
            await admin.create_topic({"name": "auth", "partitions": 1})
            await w.send(*(failure(100 + n) for n in range(5)))
            await w.start_worker()
            await until(lambda: len(w.all_alerts()) == 2)
            assert offsets(w.all_alerts()) == [[0, 1, 2, 3, 4]] * 2

    asyncio.run(run())


def test_an_alert_too_large_for_its_topic_is_written_short(servers: list[str]) -> None:
    async def run() -> None:
        async with Admin({"bootstrapServers": servers}) as admin:
            await admin.create_topic({"name": "alerts", "partitions": 1, "maxMessageBytes": 3_000})
        async with world(servers) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            place = await w.send(*(failure(n, text="x" * 1_000) for n in range(5)))
            (alert,) = await w.settle(place)
            assert (alert.events, alert.metadata["eventsOmitted"]) == ([], 5)
            assert len(alert.evidence) == 5
            assert worker.metrics.undeliverable == {}

    asyncio.run(run())


def test_what_a_rule_left_that_went_while_nobody_worked_is_deleted(servers: list[str]) -> None:
    async def run() -> None:
        async with world(servers) as w:
            first = await w.start_worker()
            await w.apply(five_failures("brute"))
            await w.apply(
                five_failures("other", steps=[{"name": "f", "where": 'ip != ""', "times": 6}])
            )
            await w.settle(await w.send(*(failure(n) for n in range(4))))
            await first.stop()
            await w.definitions.delete("pattern", "brute")
            second = await w.start_worker()
            assert await second.wait_active(60_000)
            await w.settle(await w.send(failure(4)))
            # It comes back with the same meaning, and sees what comes after it.
            await w.apply(five_failures("brute"))
            alerts = await w.settle(await w.send(failure(5)))
            assert [(a.pattern, [e.offset for e in a.evidence]) for a in alerts] == [
                ("other", [0, 1, 2, 3, 4, 5])
            ]
            await second.stop()
            third = await w.start_worker()
            assert await third.wait_active(60_000)
            alerts = await w.settle(await w.send(*(failure(n) for n in range(6, 10))))
            assert [(a.pattern, [e.offset for e in a.evidence]) for a in alerts[1:]] == [
                ("brute", [5, 6, 7, 8, 9])
            ]

    asyncio.run(run())
