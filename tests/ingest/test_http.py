"""The HTTP collector over real sockets, its producer in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Conflict, Invalid, Unavailable
from summit.ingest import CollectorConfig, HttpCollector, delivery

LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


def make(**changes: Any) -> HttpCollector:
    values = {"name": "web", "type": "http", "port": 0, "topic": "raw-events", **changes}
    return HttpCollector(CollectorConfig.from_dict(values))


def run(
    collector: HttpCollector,
    log: MemoryLog,
    body: Callable[[httpx.AsyncClient], Awaitable[Any]],
) -> Any:
    async def go() -> Any:
        await collector.start(log)
        try:
            base = f"http://{collector.address}"
            async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=90) as client:
                return await body(client)
        finally:
            await collector.stop()
            assert collector.state == "stopped"

    return asyncio.run(go())


def test_object_array_and_lines_are_written_as_they_came() -> None:
    log = MemoryLog(1)
    seen: list[Any] = []
    collector = make()
    collector.on("data:ingested", seen.append)

    async def body(client: httpx.AsyncClient) -> None:
        one = await client.post("/ingest?source=x", content=b' {"a": 1.0} ', headers=JSON)
        assert one.status_code == 200
        assert one.json() == {
            "status": "ok",
            "accepted": 1,
            "rejected": 0,
            "results": [{"index": 0, "partition": 0, "offset": 0}],
        }
        many = await client.post("/ingest", content=b'[{"b":2} ,\n {"c": [1, 2]}]')
        assert [row["offset"] for row in many.json()["results"]] == [1, 2]
        lines = b'{"d":4}\r\n\n{"e":"\xc3\xa9"}'
        assert (await client.post("/ingest", content=lines, headers=LINES)).json()["accepted"] == 2
        assert (await client.post("/ingest", content=b"[]")).json()["accepted"] == 0

    run(collector, log, body)
    records = log.records("raw-events")
    assert [record.value for record in records] == [
        b'{"a": 1.0}',
        b'{"b":2}',
        b'{"c": [1, 2]}',
        b'{"d":4}',
        b'{"e":"\xc3\xa9"}',
    ]
    assert all(record.headers[0][0] == "summit.received-at" for record in records)
    assert [(p.collector, p.topic, p.count) for p in seen][:2] == [
        ("web", "raw-events", 1),
        ("web", "raw-events", 2),
    ]
    status = collector.status()
    assert (status.accepted, status.rejected, status.state) == (5, 0, "stopped")
    assert status.bytes == sum(len(record.value or b"") for record in records)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code", "pointer", "text"),
    [
        (b"{", JSON, 400, "ingest.event_invalid", "", "the body"),
        (b"", JSON, 400, "ingest.event_invalid", "", "the body"),
        (b"", LINES, 400, "ingest.event_invalid", "/0", "no event"),
        (b"7", JSON, 400, "ingest.event_invalid", "/0", "a number"),
        (b'[{"a":1},{"b":}]', JSON, 400, "ingest.event_invalid", "/1", "event 1"),
        (b'[{"a":1},{"b":2},', JSON, 400, "ingest.event_invalid", "/2", "event 2"),
        (b'[{"a":1},"x"]', JSON, 400, "ingest.event_invalid", "/1", "a text, not an object"),
        (b'[{"a":1},null]', JSON, 400, "ingest.event_invalid", "/1", "null"),
        (b'[{"a":NaN}]', JSON, 400, "ingest.event_invalid", "", "malformed"),
        (b'{"a":"\xff"}', JSON, 400, "ingest.event_invalid", "", "not UTF-8"),
        (b"[" * 100_000, JSON, 400, "ingest.event_invalid", "", "nested too deeply"),
        (b'{"a":1}\n\n{"b"\n', LINES, 400, "ingest.event_invalid", "/2", "line 3"),
        (b'{"a":1}\n[1]', LINES, 400, "ingest.event_invalid", "/1", "line 2 is not an event"),
        (b'{"a":1},{"b":2}', LINES, 400, "ingest.event_invalid", "/0", "line 1"),
        (b"x", {"Content-Type": "text/csv"}, 415, "web.media_type", None, "text/csv"),
        (b" " * 300_001, JSON, 413, "web.body_too_large", None, "maxBodyBytes = 300000"),
        (b"[{},{},{},{}]", JSON, 413, "ingest.too_many", "", "maxEventsPerRequest = 3"),
        (b"{}\n{}\n{}\n{}", LINES, 413, "ingest.too_many", "", "maxEventsPerRequest = 3"),
        (
            b'[{},{"a":"' + b"x" * 50 + b'"}]',
            JSON,
            413,
            "ingest.event_too_large",
            "/1",
            "maxEventBytes = 40",
        ),
    ],
)
def test_a_bad_request_names_the_place_and_writes_nothing(
    content: bytes, headers: dict[str, str], status: int, code: str, pointer: str | None, text: str
) -> None:
    log = MemoryLog(1)
    options = {"maxBodyBytes": 300_000, "maxEventsPerRequest": 3, "maxEventBytes": 40}
    collector = make(http=options)

    async def body(client: httpx.AsyncClient) -> None:
        reply = await client.post("/ingest", content=content, headers=headers)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"
        problem = reply.json()
        assert problem["code"] == code
        assert text in problem["error"]
        if pointer is not None:
            # NaN parses in the slow search for the broken element, so no place is named then.
            places = [place["pointer"] for place in problem["errors"]]
            assert places == [pointer] or b"NaN" in content or content.startswith(b"[[")
        assert (await client.post("/ingest", content=b'{"good":1}')).status_code == 200

    run(collector, log, body)
    assert [record.value for record in log.records("raw-events")] == [b'{"good":1}']
    assert collector.status().rejected == 1
    assert collector.status().last_error


def test_key_and_headers() -> None:
    log = MemoryLog(4)
    collector = make(
        path="/in",
        keyField="user.id",
        http={"headers": {"team": "soc"}, "requestHeaders": ["X-Tenant"]},
    )

    async def body(client: httpx.AsyncClient) -> None:
        events = [{"user": {"id": "ann"}}, {"user": {"id": 7}}, {}, {"data": {"user": {"id": "b"}}}]
        reply = await client.post("/in", json=events, headers={"X-Tenant": "t1"})
        assert reply.json()["accepted"] == 4
        assert (await client.post("/ingest", json={})).status_code == 404
        assert (await client.get("/in")).status_code == 405

    run(collector, log, body)
    records = log.records("raw-events")
    assert {record.key for record in records} == {b"ann", b"7", None, b"b"}
    assert dict(records[0].headers).items() >= {"team": b"soc", "X-Tenant": b"t1"}.items()


def test_answer_only_after_the_acknowledgement() -> None:
    log = MemoryLog(1, hold=True)

    async def body(client: httpx.AsyncClient) -> None:
        reply = asyncio.create_task(client.post("/ingest", json=[{"a": 1}, {"a": 2}]))
        while len(log.held) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert not reply.done()
        log.release(1)
        await asyncio.sleep(0.05)
        assert not reply.done()
        log.release()
        assert (await reply).json()["accepted"] == 2

    run(make(), log, body)


def test_broker_away_is_503_with_retry_after_and_recovery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 200)
    log = MemoryLog(1)
    log.away = True
    collector = make(http={"ackTimeoutMs": 100})

    async def body(client: httpx.AsyncClient) -> None:
        reply = await client.post("/ingest", json={"a": 1})
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        assert reply.json()["code"] == "ingest.broker_away"
        assert collector.state == "degraded"
        sent = log.sent
        assert (await client.post("/ingest", json={"a": 2})).status_code == 503
        assert log.sent == sent  # refused at once, nothing queued behind the broker's back
        log.away = False
        await asyncio.sleep(0.25)
        assert (await client.post("/ingest", json={"a": 3})).status_code == 200
        assert collector.state == "running"

    run(collector, log, body)
    assert collector.status().rejected == 2


def test_errors_of_the_producer() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        log.failures = [Invalid("record.too_large", topic="raw-events", reason="9 bytes")]
        assert (await client.post("/ingest", json={})).status_code == 413
        log.full = Unavailable("disk.full", path="x")
        reply = await client.post("/ingest", json={})
        assert (reply.status_code, reply.json()["code"]) == (429, "ingest.queue_full")
        log.full = None
        log.failures = [Invalid("topic.unknown", topic="raw-events")]
        reply = await client.post("/ingest", json=[{}, {}])
        assert "raw-events" in reply.json()["error"]
        assert (reply.status_code, reply.json()["code"]) == (503, "ingest.broker_away")

    run(make(), log, body)


def test_too_much_in_flight_is_429() -> None:
    log = MemoryLog(1, hold=True)

    async def body(client: httpx.AsyncClient) -> None:
        first = asyncio.create_task(client.post("/ingest", json={"a": "x" * 50}))
        while not log.held:
            await asyncio.sleep(0.01)
        reply = await client.post("/ingest", json={"a": "y" * 50})
        assert (reply.status_code, reply.json()["code"]) == (429, "ingest.queue_full")
        assert "retry-after" in reply.headers
        log.release()
        assert (await first).status_code == 200

    run(make(http={"maxInFlightBytes": 100}), log, body)


def test_rate_limit_is_429() -> None:
    async def body(client: httpx.AsyncClient) -> None:
        assert (await client.post("/ingest", json=[{}] * 5)).status_code == 200
        reply = await client.post("/ingest", json={})
        assert (reply.status_code, reply.json()["code"]) == (429, "ingest.rate_limited")
        assert int(reply.headers["retry-after"]) >= 3

    run(make(http={"rateLimit": 1, "rateBurst": 2}), MemoryLog(1), body)


def test_pause_and_resume() -> None:
    collector = make()

    async def body(client: httpx.AsyncClient) -> None:
        await collector.pause()
        reply = await client.post("/ingest", json={})
        assert (reply.status_code, reply.json()["code"]) == (503, "collector.not_taking")
        await collector.resume()
        assert (await client.post("/ingest", json={})).status_code == 200
        with pytest.raises(Conflict, match="already runs"):
            await collector.start(MemoryLog(1))

    run(collector, MemoryLog(1), body)
    with pytest.raises(Conflict):
        asyncio.run(collector.pause())


def test_batch_size_and_flush_interval_shape_batches() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        first = asyncio.create_task(client.post("/ingest", json=[{}, {}]))
        await asyncio.sleep(0.05)
        assert log.sent == 0
        second = await client.post("/ingest", json={})
        assert second.status_code == (await first).status_code == 200
        assert loop.time() - start < 0.4
        assert (await client.post("/ingest", json={})).status_code == 200  # by the interval
        assert loop.time() - start >= 0.4

    run(make(batchSize=3, flushInterval=400), log, body)


def test_results_are_left_out_above_a_count_unless_asked_for() -> None:
    async def body(client: httpx.AsyncClient) -> None:
        reply = await client.post("/ingest", json=[{}] * 3)
        assert reply.json() == {"status": "ok", "accepted": 3, "rejected": 0}
        reply = await client.post("/ingest?results=true", json=[{}] * 3)
        assert len(reply.json()["results"]) == 3

    run(make(http={"maxResults": 2}), MemoryLog(1), body)


def test_stop_answers_what_was_taken() -> None:
    log = MemoryLog(1, hold=True)

    async def go() -> None:
        collector = make()
        await collector.start(log)
        async with httpx.AsyncClient(base_url=f"http://{collector.address}") as client:
            reply = asyncio.create_task(client.post("/ingest", json={"a": 1}))
            while not log.held:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(collector.stop())
            await asyncio.sleep(0.05)
            assert collector.state == "stopping"
            log.release()
            assert (await reply).json()["accepted"] == 1
            await stopping
        await collector.start(log)
        await collector.stop()

    asyncio.run(go())
    assert len(log.records("raw-events")) == 1


def test_a_taken_port_fails_the_start_and_leaves_nothing() -> None:
    async def go() -> None:
        first = make()
        await first.start(MemoryLog(1))
        second = make(port=first.port)
        with pytest.raises(Conflict, match="already in use"):
            await second.start(MemoryLog(1))
        assert second.state == "failed"
        assert second.address is None
        await first.stop()
        await second.start(MemoryLog(1))
        await second.stop()

    asyncio.run(go())


def test_async_with() -> None:
    async def go() -> None:
        config = make().config
        async with HttpCollector(config, producer=MemoryLog(1)) as collector:
            assert collector.state == "running"
        assert collector.state == "stopped"
        with pytest.raises(Invalid, match="no producer"):
            async with HttpCollector(config):
                pass

    asyncio.run(go())
    assert json.loads(json.dumps(make().config.to_dict()))["keyField"] is None
