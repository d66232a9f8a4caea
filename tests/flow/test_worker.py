"""The worker on a real broker: matches, commits, bad events, rules and topics that come and go."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode

import pytest
from tests.flow.world import T0, failure, five_failures, read_topic, until, world

from summit.journal.topics import WAIT_HEADER


def test_events_become_an_alert(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.start_worker()
            await w.apply(five_failures())
            await w.send(*(failure(n) for n in range(4)))
            assert await w.settle(await w.send(failure(3, eventType="other"))) == []
            place = await w.send(failure(4, eventId="last"))
            (alert,) = await w.settle(place)
            assert (alert.title, alert.severity, alert.key) == ("From a", "high", {"ip": "a"})
            assert (alert.first_seen, alert.last_seen) == (T0, T0 + 4_000)
            assert [e.offset for e in alert.evidence] == [0, 1, 2, 3, 5]
            assert alert.evidence[-1].event_id == "last"
            assert {e.topic for e in alert.evidence} == {"auth"}

    asyncio.run(run())


@pytest.mark.slow
def test_half_open_windows_and_keys_across_partitions(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.start_worker()
            await w.apply(five_failures())
            await w.send(*(failure(15 * n, ip="late") for n in range(5)))
            await w.settle(await w.send(*(failure(70 + n, ip="both") for n in range(3))))
            place = await w.send(*(failure(74 + n, ip="both") for n in range(2)), partition=1)
            alerts = await w.settle(place)
            assert [alert.key for alert in alerts] == [{"ip": "both"}]
            assert [e.partition for e in alerts[0].evidence] == [0, 0, 0, 1, 1]

    asyncio.run(run())


def test_a_worker_goes_on_where_the_last_one_ended(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            first = await w.start_worker()
            await w.apply(five_failures())
            place = await w.send(*(failure(n) for n in range(8)))
            assert len(await w.settle(place)) == 1
            await first.stop()
            second = await w.start_worker()
            assert await second.wait_active(20_000)
            place = await w.send(*(failure(n) for n in (8, 9)))
            alerts = await w.settle(place)
            # f6 f7 f8 before, f9 f10 after: exactly the next five, not five of f4 ... f10.
            assert [[e.offset for e in a.evidence] for a in alerts] == [
                [0, 1, 2, 3, 4],
                [5, 6, 7, 8, 9],
            ]
            assert second.metrics.events == 2
            assert w.alerts.view.folded == 0

    asyncio.run(run())


def test_bad_events_are_put_aside_whole_and_hold_nobody_up(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            bad = [b"{oops", b"[1]", b"\xff\xfe", json.dumps(failure(0, timestamp="x")).encode()]
            await w.send(*bad, key="k")
            await w.send({"noType": 1}, {"eventType": "failed"}, None)
            place = await w.send(*(failure(n) for n in range(5)))
            assert len(await w.settle(place)) == 1
            assert worker.status()["rejectedByReason"] == {
                "event.not_json": 2, "event.not_object": 1, "event.bad_time": 1,
            }  # fmt: skip
            assert worker.status()["skippedByReason"] == {
                "event.no_type": 1, "event.no_key": 1, "event.empty": 1,
            }  # fmt: skip
            letters = await read_topic(each_backend, "auth.dlq", 4)
            values = [letter.json() for letter in letters]
            assert [b64decode(value["originalValue"]) for value in values] == bad
            assert [value["originalOffset"] for value in values] == [0, 1, 2, 3]
            assert {letter.key for letter in letters} == {b"k"}
            assert {b64decode(value["originalKey"]) for value in values} == {b"k"}
            assert letters[0].headers[WAIT_HEADER] == b"1"

    asyncio.run(run())


def test_rules_come_change_and_go_without_a_restart(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(3))))
            # Another title means the same: what has begun goes on.
            title = {"type": "alert", "config": {"severity": "low", "title": "New ${ip}"}}
            await w.apply(five_failures(action=title))
            (alert,) = await w.settle(await w.send(*(failure(n) for n in (3, 4))))
            assert (alert.title, alert.severity) == ("New a", "low")
            # Other steps mean another thing: only what comes from now on counts.
            two = [{"name": "failed", "where": 'eventType == "failed"', "times": 2}]
            await w.settle(await w.send(failure(5)))
            await w.apply(five_failures(steps=two))
            assert len(await w.settle(await w.send(failure(6)))) == 1
            assert len(await w.settle(await w.send(failure(7)))) == 2
            offset = await w.definitions.delete("pattern", "brute")
            await w.alerts.wait_active(offset, 20_000)
            assert len(await w.settle(await w.send(*(failure(n) for n in (8, 9))))) == 2
            await until(lambda: worker.status()["rules"] == 0)

    asyncio.run(run())


@pytest.mark.slow
def test_a_rule_sees_events_from_its_activation_on(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.start_worker()
            await w.apply(five_failures("other", topics=["elsewhere"]))
            await w.send(*(failure(n) for n in range(4)))
            await w.apply(five_failures())
            assert await w.settle(await w.send(*(failure(n) for n in range(4, 8)))) == []
            assert len(await w.settle(await w.send(failure(8)))) == 1

    asyncio.run(run())


@pytest.mark.slow
def test_new_topics_are_read_from_their_first_record(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.apply(five_failures(topics=["auth.*"]))
            await w.send(*(failure(n) for n in range(5)), topic="web")
            place = await w.send(*(failure(n) for n in range(5)), topic="auth.ssh")
            assert len(await w.settle(place)) == 1
            assert worker.metrics.events == 5

    asyncio.run(run())


@pytest.mark.slow
def test_a_topic_made_anew_begins_at_its_beginning(each_backend: list[str]) -> None:
    from summit.client.admin import Admin

    async def run() -> None:
        async with world(each_backend) as w, Admin({"bootstrapServers": each_backend}) as admin:
            worker = await w.start_worker()
            await w.apply(five_failures())
            await w.settle(await w.send(*(failure(n) for n in range(7))))
            await admin.delete_topic("auth")
            await until(lambda: worker.status()["partitions"] == 0)
            await admin.create_topic({"name": "auth", "partitions": 1})
            place = await w.send(*(failure(100 + n) for n in range(5)))
            assert place.offset == 4
            await until(lambda: len(w.all_alerts()) == 2)
            first, second = w.all_alerts()
            assert [e.offset for e in first.evidence] == [e.offset for e in second.evidence]
            assert first.id != second.id

    asyncio.run(run())


def test_a_worker_can_finish_what_is_there(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            await w.apply(five_failures(), active=False)
            for topic in ("one", "two"):
                await w.send(*(failure(n) for n in range(1_000)), topic=topic)
            worker = await w.start_worker(stop_at_end=True)
            async with asyncio.timeout(90):
                await worker.wait_finished()
            assert (worker.state, worker.metrics.events, worker.metrics.alerts) == (
                "finished", 2_000, 400,
            )  # fmt: skip
            await until(lambda: len(w.all_alerts()) == 400)

    asyncio.run(run())


@pytest.mark.slow
def test_a_rule_that_nobody_checked_is_told_and_harms_no_other(each_backend: list[str]) -> None:
    async def run() -> None:
        async with world(each_backend) as w:
            worker = await w.start_worker()
            await w.producer.send(
                {"topic": "_summit.definitions", "key": "pattern/x", "value": '{"id":"x"}'}
            )
            await w.apply(five_failures())
            assert len(await w.settle(await w.send(*(failure(n) for n in range(5))))) == 1
            assert list(worker.status()["faultyRules"]) == ["x"]

    asyncio.run(run())
