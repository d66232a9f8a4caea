"""Waiting for an event's alerts: progress must cover it, and the view must have its alerts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from summit.alerts import Alert, AlertQuery, AlertView, encode_alert
from summit.base.errors import Unavailable
from summit.client.producer import StreamProducer
from summit.client.types import ConsumerRecord
from summit.journal.alert_follower import AlertFollower
from summit.journal.progress import Progress
from summit.journal.progress_record import ProgressRecord, encode_progress


def alert(number: int) -> bytes:
    return encode_alert(
        Alert(
            id=f"id{number}", timestamp=number, severity="low", title="t", description="",
            events=[], pattern="p",
        )
    )  # fmt: skip


def record(positions: dict[str, int], **members: Any) -> ProgressRecord:
    return ProgressRecord(
        worker="w", groups=list(range(64)), positions=positions, seen=positions, reads=["*"],
        **members,
    )  # fmt: skip


async def write_progress(producer: StreamProducer, told: ProgressRecord) -> None:
    await producer.send(
        {"topic": "_summit.progress", "partition": 0, "value": encode_progress(told)}
    )


@asynccontextmanager
async def both(servers: list[str]) -> AsyncIterator[tuple[AlertFollower, StreamProducer]]:
    follower = AlertFollower(servers)
    await follower.start()
    producer = StreamProducer({"bootstrapServers": servers, "lingerMs": 0})
    await producer.connect()
    try:
        yield follower, producer
    finally:
        await producer.close()
        await follower.stop()


def test_readable_means_processed_and_its_alerts_in_the_view(each_backend: list[str]) -> None:
    async def run() -> None:
        async with both(each_backend) as (follower, producer):
            waiting = asyncio.ensure_future(follower.wait_readable("t", 0, 4, 10_000))
            await write_progress(producer, record({"t/0": 4}))
            await write_progress(producer, record({"t/0": 5, "u/0": 1}, alerts={"0": 1}))
            with pytest.raises(Unavailable):
                await follower.wait_readable("t", 0, 4, 300)
            assert not waiting.done()
            await producer.send({"topic": "alerts", "key": "id1", "value": alert(1)})
            await waiting
            assert follower.view.get("id1") is not None
            await follower.wait_readable("u", 0, 0, 0)

    asyncio.run(run())


def test_what_no_rule_reads_is_readable_at_once(each_backend: list[str]) -> None:
    async def run() -> None:
        async with both(each_backend) as (follower, producer):
            with pytest.raises(Unavailable):
                await follower.wait_readable("web", 0, 9, 100)
            last = msgspec.structs.replace(record({}, definitions=3), reads=["auth.*"])
            await write_progress(producer, last)
            await follower.wait_readable("web", 0, 9, 10_000)
            await follower.wait_active(2, 10_000)
            for offset, topic in ((3, "web"), (2, "auth.ssh")):
                with pytest.raises(Unavailable):
                    await asyncio.gather(
                        follower.wait_active(offset, 100), follower.wait_readable(topic, 0, 9, 100)
                    )

    asyncio.run(run())


def test_the_view_follows_the_topic_and_new_alerts_are_told_once(each_backend: list[str]) -> None:
    async def run() -> None:
        async with StreamProducer({"bootstrapServers": each_backend, "lingerMs": 0}) as writer:
            follower = AlertFollower(each_backend)
            await follower.start()
            await follower.stop()
            await writer.send({"topic": "alerts", "key": "id0", "value": alert(0)})
        async with both(each_backend) as (follower, producer):
            told: list[str] = []
            follower.on("alert", lambda found: told.append(found.id))
            for number in (1, 2, 1):
                await producer.send(
                    {"topic": "alerts", "key": f"id{number}", "value": alert(number)}
                )
            await producer.send({"topic": "alerts", "key": "id2", "value": None})
            await write_progress(producer, record({"t/0": 1}, alerts={"0": 5}))
            await follower.wait_readable("t", 0, 0, 10_000)
            assert [a.id for a in follower.view.query(AlertQuery()).alerts] == ["id1", "id0"]
            assert told == ["id1", "id2"]
            assert follower.view.folded == 1

    asyncio.run(run())


def test_no_more_is_read_at_the_start_than_the_view_keeps(each_backend: list[str]) -> None:
    async def run() -> None:
        async with both(each_backend) as (_, producer):
            await producer.send_batch(
                [{"topic": "alerts", "key": f"id{n}", "value": alert(n)} for n in range(10)]
            )
            follower = AlertFollower(each_backend, view=AlertView(count_max=2), name="small")
            await follower.start()
            await follower.stop()
            assert [a.id for a in follower.view.query(AlertQuery()).alerts] == ["id9", "id8"]
            assert follower.view.evicted == 2  # of the four that were read

    asyncio.run(run())


def test_what_is_no_progress_is_passed_over(each_backend: list[str]) -> None:
    async def run() -> None:
        async with both(each_backend) as (follower, producer):
            await write_progress(producer, record({"t/0": 28}))
            await producer.send({"topic": "_summit.progress", "partition": 0, "value": "x"})
            await write_progress(producer, record({"t/0": 29}))
            await follower.wait_readable("t", 0, 28, 10_000)
            assert follower.progress.invalid == 1

    asyncio.run(run())


def test_every_worker_must_have_seen_the_record() -> None:
    progress = Progress()

    def tell(worker: str, groups: range, **members: Any) -> None:
        told = ProgressRecord(worker=worker, groups=list(groups), reads=["*"], **members)
        place = {"topic": "_summit.progress", "partition": 0, "offset": 0, "timestamp": 0}
        progress.take([ConsumerRecord(**place, key=None, value=encode_progress(told))])

    tell("a", range(40), seen={"t/0": 5}, positions={"t/0": 5}, definitions=3, runs=1)
    assert not progress.covers("t", 0, 4), "nobody holds the other key groups"
    tell("b", range(40, 64), seen={"t/0": 4}, alerts={"0": 7}, definitions=2, runs=2)
    assert progress.covers("t", 0, 3)
    assert not progress.covers("t", 0, 4)
    assert (progress.acts(1), progress.acts(2), progress.runs) == (True, False, 3)
    assert (progress.positions(), progress.alerts()) == ({"t/0": 5}, {"0": 7})
    tell("c", range(64), seen={"t/0": 5}, definitions=9)
    assert progress.covers("t", 0, 4), "who holds nothing any more does not count"
    assert [record.worker for record in progress.workers] == ["c"]
