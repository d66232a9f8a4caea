"""What every type of collectors must do, whatever its protocol: one battery, a row per type."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.ingest.memory_log import MemoryLog
from tests.ingest.subjects import SUBJECTS, Sender, Subject

from summit.base.errors import Conflict
from summit.ingest import Collector, delivery

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=SUBJECTS, ids=lambda subject: subject.type)
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.param
    return found


def run(
    subject: Subject,
    log: MemoryLog,
    body: Callable[[Collector, Sender], Awaitable[Any]],
    **changes: Any,
) -> Collector:
    async def go() -> Collector:
        collector = subject.make(**changes)
        await collector.start(log)
        sender = await subject.connect(collector)
        try:
            async with asyncio.timeout(100):
                await body(collector, sender)
        finally:
            await sender.close()
            await collector.stop()
        return collector

    return asyncio.run(go())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # bounded by the time-out of `run`
        await asyncio.sleep(0.005)


def numbers(log: MemoryLog, topic: str = "events") -> list[int]:
    return [json.loads(record.value or b"")["n"] for record in log.records(topic)]


def events(*wanted: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in wanted]


def test_life_and_status(subject: Subject) -> None:
    log = MemoryLog(1)

    async def go() -> None:
        collector = subject.make()
        status = collector.status()
        assert (status.state, status.accepted, status.started_at) == ("created", 0, None)
        with pytest.raises(Conflict):
            await collector.restart()
        with pytest.raises(Conflict):
            await collector.pause()
        await collector.start(log)
        with pytest.raises(Conflict):
            await collector.start(log)
        sender = await subject.connect(collector)
        assert await sender.send(events(1, 2)) == "ok"
        await sender.close()
        await collector.restart()
        sender = await subject.connect(collector)
        assert await sender.send(events(3)) == "ok"
        status = collector.status()
        assert (status.state, status.accepted, status.rejected) == ("running", 3, 0)
        assert status.bytes == sum(len(r.value or b"") for r in log.records("events"))
        assert status.rates["acceptedPerSec"] > 0
        assert status.started_at is not None
        assert status.guarantee in ("at_least_once", "effectively_once")
        await sender.close()
        await collector.stop()
        await collector.stop()
        assert collector.state == "stopped"
        await collector.start(log)
        await collector.stop()

    asyncio.run(go())
    assert numbers(log) == [1, 2, 3]


def test_answer_only_after_the_acknowledgement(subject: Subject) -> None:
    log = MemoryLog(1, hold=True)

    async def body(_: Collector, sender: Sender) -> None:
        answer = asyncio.create_task(sender.send(events(1, 2)))
        await until(lambda: len(log.held) == 2)
        log.release(1)
        await asyncio.sleep(0.05)
        assert not answer.done()
        log.release()
        assert await answer == "ok"

    run(subject, log, body)


def test_pause_and_resume(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, sender: Sender) -> None:
        assert await sender.send(events(1)) == "ok"
        await collector.pause()
        assert collector.state == "paused"
        answer = asyncio.create_task(sender.send(events(2)))
        if not subject.waits:
            assert await answer == "collector.not_taking"
        else:
            await asyncio.sleep(0.05)
            assert not answer.done()
        assert numbers(log) == [1]
        await collector.resume()
        assert await sender.send(events(3)) == "ok"
        if subject.waits:
            assert await answer == "ok"

    run(subject, log, body)
    assert numbers(log) == ([1, 2, 3] if subject.waits else [1, 3])


def test_starting_paused(subject: Subject) -> None:
    async def body(collector: Collector, sender: Sender) -> None:
        assert collector.state == "paused"
        await collector.resume()
        assert await sender.send(events(1)) == "ok"

    run(subject, MemoryLog(1), body, paused=True)


def test_a_broker_that_is_away(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 100)
    log = MemoryLog(1)

    async def body(collector: Collector, sender: Sender) -> None:
        log.away = True
        assert await sender.send(events(1)) == "ingest.broker_away"
        assert collector.state == "degraded"
        assert "acknowledge" in str(collector.status().last_error)
        log.away = False
        await asyncio.sleep(0.15)
        assert await sender.send(events(2)) == "ok"
        assert collector.state == "running"

    collector = run(subject, log, body, block={"ackTimeoutMs": 100})
    assert (collector.status().accepted, collector.status().rejected) == (1, 1)
    assert numbers(log) == [2]


def test_batch_size_and_flush_interval(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        first = asyncio.create_task(sender.send(events(1, 2)))
        await asyncio.sleep(0.1)
        assert log.sent == 0
        second = asyncio.create_task(sender.send(events(3)))
        assert (await first, await second) == ("ok", "ok")  # long before the interval is over
        third = asyncio.create_task(sender.send(events(4)))
        await asyncio.sleep(0.1)
        assert log.sent == 3
        assert await third == "ok"  # by the interval

    run(subject, log, body, batchSize=3, flushInterval=1500)
    assert numbers(log) == [1, 2, 3, 4]


def test_the_schema_refuses(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        assert await sender.send([{"n": 1}]) == "ok"
        assert await sender.send([{"n": "x"}]) == "ingest.schema_refused"
        assert await sender.send([{"n": 2}]) == "ok"

    collector = run(subject, log, body, eventSchema=SCHEMA)
    status = collector.status()
    assert (status.accepted, status.rejected) == (2, 1)
    assert "schema" in str(status.last_error)


def test_the_schema_sends_to_the_dead_letters(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        assert await sender.send([{"n": 1}, {"n": "x"}, {"n": 2}]) == "ok"

    collector = run(subject, log, body, eventSchema=SCHEMA, onInvalid="deadLetter")
    assert numbers(log) == [1, 2]
    (record,) = log.records("events.dlq")
    letter = json.loads(record.value or b"")
    assert letter["error"]["code"] == "ingest.schema_refused"
    assert json.loads(base64.b64decode(letter["originalValue"])) == {"n": "x"}
    status = collector.status()
    assert (status.accepted, status.rejected, status.dead_letters) == (2, 1, 1)


def test_the_schema_tags(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        assert await sender.send([{"n": 1}, {"n": "x"}]) == "ok"

    run(subject, log, body, eventSchema=SCHEMA, onInvalid="tag")
    marks = [b"schema" in dict(r.headers).get("summit.invalid", b"") for r in log.records("events")]
    assert marks == [False, True]


def test_sampling_keeps_a_share_and_the_same_one(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        for _ in range(2):
            assert await sender.send(events(*range(400))) == "ok"

    collector = run(subject, log, body, sampleRate=0.25)
    written = numbers(log)
    half = len(written) // 2
    assert written[:half] == written[half:]
    assert 50 < half < 150
    status = collector.status()
    assert (status.accepted, status.sampled) == (2 * half, 800 - 2 * half)


def test_the_rate_of_the_whole_collector(subject: Subject) -> None:
    async def body(_: Collector, sender: Sender) -> None:
        assert await sender.send(events(*range(20))) == "ok"  # 18 more than the burst
        answer = asyncio.create_task(sender.send(events(1)))
        if not subject.waits:
            assert await answer == "ingest.rate_limited"
        else:
            await asyncio.sleep(0.2)
            assert not answer.done()
            assert await answer == "ok"

    run(subject, MemoryLog(1), body, rateLimit=20, rateBurst=2)


def test_a_slow_broker_is_felt_by_the_senders(subject: Subject) -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, sender: Sender) -> None:
        big = [{"n": 1, "text": "x" * 400}]
        answers = [asyncio.create_task(sender.send(big)) for _ in range(10)]
        await until(lambda: bool(log.held))
        await asyncio.sleep(0.1)
        assert len(log.held) <= 2  # of ten: the others were refused, or are not read
        assert collector.status().details["inFlightBytes"] <= 1_000
        while not all(answer.done() for answer in answers):
            log.release()
            await asyncio.sleep(0.01)
        found = {await answer for answer in answers}
        assert found == ({"ok"} if subject.waits else {"ok", "ingest.queue_full"})
        assert collector.status().details["inFlightBytes"] == 0

    run(subject, log, body, block={"maxInFlightBytes": 1_000})


def test_key_and_topic_by_template(subject: Subject) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        sent = [
            {"n": 1, "service": "web", "user": {"id": 7}},
            {"n": 2, "service": "db"},
            {"n": 3, "user": {"id": "ann"}},
        ]
        assert await sender.send(sent) == "ok"
        for bad in ("_summit.definitions", "alerts", "logs.x.dlq", "other"):
            answer = await sender.send([{"n": 4, "service": bad, "whole": True}])
            assert answer == ("ingest.topic_refused")

    run(
        subject, log, body, topicTemplate="logs.${service}", keyTemplate="u-${user.id}",
        allowedTopics=["logs.web", "logs.d?"],
    )  # fmt: skip
    assert numbers(log, "logs.web") == [1]
    assert numbers(log, "logs.db") == [2]
    assert numbers(log) == [3]
    assert [r.key for r in log.records("logs.web")] == [b"u-7"]
    assert [r.key for r in log.records("logs.db")] == [None]
    assert set(log.topics) == {"logs.web", "logs.db", "events"}


def test_stop_answers_what_was_taken(subject: Subject) -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, sender: Sender) -> None:
        answer = asyncio.create_task(sender.send(events(1)))
        await until(lambda: bool(log.held))
        stopping = asyncio.create_task(collector.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        log.release()
        assert await answer == "ok"
        await stopping

    run(subject, log, body)
    assert numbers(log) == [1]


@pytest.mark.parametrize("bad", [b"{", b'[{"n":1},7]', b"[" * 100_000, b"", b"nul"])
def test_what_is_no_event_is_refused_and_the_next_is_taken(subject: Subject, bad: bytes) -> None:
    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        assert await sender.send_raw(bad) == "ingest.event_invalid"
        assert await sender.send(events(1)) == "ok"

    collector = run(subject, log, body)
    assert collector.status().rejected == 1
    assert collector.status().last_error
    assert numbers(log) == [1]


def test_a_record_that_the_broker_refuses(subject: Subject) -> None:
    from summit.base.errors import Invalid

    log = MemoryLog(1)

    async def body(_: Collector, sender: Sender) -> None:
        log.failures = [Invalid("record.too_large", topic="events", reason="9 bytes")]
        assert await sender.send(events(1)) == "record.too_large"
        assert await sender.send(events(2)) == "ok"

    assert run(subject, log, body).state == "stopped"
