"""Bodies of HTTP requests: compressed, CloudEvents, partly bad, sent twice."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import zstandard
from tests.ingest.memory_log import MemoryLog

from summit.base.clock import ManualClock
from summit.base.errors import Unavailable
from summit.ingest import CollectorConfig, HttpCollector, notes

EVENTS = [{"n": 1}, {"n": 2}]
PLAIN = json.dumps(EVENTS).encode()


def run(
    body: Callable[[httpx.AsyncClient], Awaitable[Any]],
    log: MemoryLog,
    *,
    clock: ManualClock | None = None,
    http: dict[str, Any] | None = None,
    **changes: Any,
) -> HttpCollector:
    async def go() -> HttpCollector:
        config = {"name": "web", "type": "http", "port": 0, "topic": "t", "http": http or {}}
        parsed = CollectorConfig.from_dict({**config, **changes})
        collector = HttpCollector(parsed, clock=clock)
        await collector.start(log)
        try:
            async with httpx.AsyncClient(
                base_url=f"http://{collector.address}", trust_env=False, timeout=60
            ) as client:
                await body(client)
        finally:
            await collector.stop()
        return collector

    return asyncio.run(go())


def numbers(log: MemoryLog) -> list[Any]:
    return [json.loads(record.value or b"").get("n") for record in log.records("t")]


def raw_deflate(data: bytes) -> bytes:
    folding = zlib.compressobj(wbits=-15)
    return folding.compress(data) + folding.flush()


@pytest.mark.parametrize(
    ("encoding", "fold"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
        ("zstd", zstandard.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
    ],
)
def test_compressed_bodies(encoding: str, fold: Callable[[bytes], bytes]) -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        headers = {"Content-Encoding": encoding}
        reply = await client.post("/ingest", content=fold(PLAIN), headers=headers)
        assert reply.json()["accepted"] == 2

    run(body, log)
    assert numbers(log) == [1, 2]


BOMB = b"[" + b" " * 50_000_000 + b"]"


@pytest.mark.parametrize(
    ("encoding", "content", "status", "code"),
    [
        ("br", lambda: b"x", 415, "web.content_encoding"),
        ("gzip, gzip", lambda: b"x", 415, "web.content_encoding"),
        ("gzip", lambda: b"no gzip", 400, "web.body_unreadable"),
        ("gzip", lambda: gzip.compress(PLAIN)[:-9], 400, "web.body_unreadable"),
        ("zstd", lambda: b"\x28\xb5\x2f\xfd", 400, "web.body_unreadable"),
        ("zstd", lambda: zstandard.compress(PLAIN)[:-4], 400, "web.body_unreadable"),
        ("deflate", lambda: zlib.compress(PLAIN)[:-6], 400, "web.body_unreadable"),
        ("gzip", lambda: gzip.compress(BOMB), 413, "web.body_unfolds_too_large"),
        ("zstd", lambda: zstandard.compress(BOMB), 413, "web.body_unfolds_too_large"),
        ("deflate", lambda: zlib.compress(BOMB), 413, "web.body_unfolds_too_large"),
        ("gzip", lambda: b"x" * 200_000, 413, "web.body_too_large"),
    ],
)
def test_compressed_bodies_that_are_refused(
    encoding: str, content: Callable[[], bytes], status: int, code: str
) -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        headers = {"Content-Encoding": encoding}
        reply = await client.post("/ingest", content=content(), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert (await client.post("/ingest", content=PLAIN)).status_code == 200

    assert run(body, log, http={"maxBodyBytes": 100_000}).status().rejected == 1
    assert numbers(log) == [1, 2]


CLOUD = {
    "specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.paid",
    "time": "2026-01-02T03:04:05Z", "data": {"n": 7}, "traceparent": "00-1",
}  # fmt: skip


def test_cloudevents_in_all_modes() -> None:
    log = MemoryLog(1)
    single = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    binary = {
        "ce-specversion": "1.0", "ce-id": "e-2", "ce-source": "/caf%C3%A9", "ce-type": "t",
        "Content-Type": "application/json",
    }  # fmt: skip

    async def body(client: httpx.AsyncClient) -> None:
        for content, headers in (
            (CLOUD, single), ([CLOUD, {**CLOUD, "eventId": "own"}], batch), ({"n": 8}, binary),
        ):  # fmt: skip
            reply = await client.post("/ingest", json=content, headers=headers)
            assert reply.status_code == 200, reply.text
        blob = {**binary, "Content-Type": "image/png"}
        assert (await client.post("/ingest", content=b"\x89P", headers=blob)).status_code == 200
        bare = {name: text for name, text in binary.items() if name != "Content-Type"}
        assert (await client.post("/ingest", headers=bare)).status_code == 200
        for content, headers in (
            ({**CLOUD, "id": ""}, single),
            ({**CLOUD, "specversion": "0.3"}, single),
            ([CLOUD, CLOUD], single),
            ([{"id": "x"}], batch),
            ({"n": 8}, {**binary, "ce-type": ""}),
        ):
            reply = await client.post("/ingest", json=content, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (400, "ingest.cloudevent_invalid")

    run(body, log)
    written = [json.loads(record.value or b"") for record in log.records("t")]
    ours = {"eventId": "e-1", "eventType": "order.paid", "timestamp": CLOUD["time"]}
    assert written[0] == written[1] == {**CLOUD, **ours}
    assert written[2]["eventId"] == "own"
    assert (written[3]["data"], written[3]["source"]) == ({"n": 8}, "/café")
    assert (written[3]["eventId"], written[3]["eventType"]) == ("e-2", "t")
    assert base64.b64decode(written[4]["data_base64"]) == b"\x89P"
    assert "data" not in written[5]


SCHEMA = {"required": ["n"]}


def test_skip_writes_the_good_ones_and_tells_of_the_others() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        lines = {"Content-Type": "application/x-ndjson"}
        content = b'{"n":1}\n{"n":\n7\n\n{"m":3}\n{"n":4}\n[{"n":5}]\n'
        answer = (await client.post("/ingest", content=content, headers=lines)).json()
        assert (answer["accepted"], answer["rejected"]) == (2, 4)
        assert [row.get("offset", row.get("code")) for row in answer["results"]] == [
            0, "ingest.event_invalid", "ingest.event_invalid", "ingest.schema_refused", 1,
            "ingest.event_invalid",
        ]  # fmt: skip
        assert [row["index"] for row in answer["results"]] == list(range(6))
        array = (await client.post("/ingest", content=b'[{"n":6},"x",{"n":7}]')).json()
        assert (array["accepted"], array["rejected"]) == (2, 1)
        broken = await client.post("/ingest", content=b'[{"n":6},')
        assert broken.status_code == 400  # where its events end is not known

    collector = run(body, log, http={"onError": "skip"}, eventSchema=SCHEMA)
    assert numbers(log) == [1, 4, 6, 7]
    assert (collector.status().accepted, collector.status().rejected) == (4, 6)


def test_atomic_writes_nothing_when_one_is_refused() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        reply = await client.post("/ingest", json=[{"n": 1}, {"m": 2}])
        assert (reply.status_code, reply.json()["code"]) == (422, "ingest.schema_refused")
        assert reply.json()["errors"][0]["pointer"].startswith("/1")

    run(body, log, eventSchema=SCHEMA)
    assert numbers(log) == []


def test_dead_letters_are_told() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        answer = (await client.post("/ingest", json=[{"n": 1}, {"m": 2}])).json()
        assert (answer["accepted"], answer["rejected"]) == (1, 1)
        assert answer["results"][1]["deadLetter"] is True

    run(body, log, eventSchema=SCHEMA, onInvalid="deadLetter")
    assert len(log.records("t.dlq")) == 1


def test_a_repeated_request_gets_its_answer_again_and_writes_nothing() -> None:
    log = MemoryLog(1)
    clock = ManualClock()

    async def body(client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k-1"}
        first = await client.post("/ingest", content=PLAIN, headers=key)
        again = await client.post("/ingest", content=PLAIN, headers=key)
        assert again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true"
        other = await client.post("/ingest", json={"n": 3}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "ingest.key_reused")
        long = await client.post("/ingest", json={"n": 3}, headers={"Idempotency-Key": "x" * 201})
        assert (long.status_code, long.json()["code"]) == (400, "ingest.key_invalid")
        bad = {"Idempotency-Key": "k-2"}
        assert (await client.post("/ingest", content=b"{", headers=bad)).status_code == 400
        assert (await client.post("/ingest", json={"n": 4}, headers=bad)).status_code == 200
        clock.advance(24 * 3_600_000)
        late = await client.post("/ingest", content=PLAIN, headers=key)
        assert "idempotency-replayed" not in late.headers

    run(body, log, clock=clock)
    assert numbers(log) == [1, 2, 4, 1, 2]
    sources = [dict(record.headers)["summit.src"] for record in log.records("t")]
    assert sources[:2] == [b"http:web:k-1:0", b"http:web:k-1:1"]


def test_long_answers_are_stored_without_their_results() -> None:
    log = MemoryLog(1)

    async def body(client: httpx.AsyncClient) -> None:
        key, events = {"Idempotency-Key": "k"}, [{"n": n} for n in range(500)]
        first = (await client.post("/ingest", json=events, headers=key)).json()
        assert len(first.pop("results")) == 500
        assert (await client.post("/ingest", json=events, headers=key)).json() == first

    run(body, log)
    assert len(log.records("t")) == 500


def test_notes_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "INGEST_NOTES_BYTES_MAX", 1_000)
    kept = notes.Notes("http:web", 1_000, ManualClock())

    async def go() -> None:
        for n in range(100):
            note = notes.Note(at=ManualClock().now_ms(), answer="x" * 98)
            await kept.put(f"{n % 50:02}", note, timeout_ms=1_000)

    asyncio.run(go())
    assert [kept.get(f"{n:02}") is not None for n in range(50)] == [False] * 40 + [True] * 10
    assert kept.forgotten == 90


def test_a_key_in_flight_and_an_unclear_outcome() -> None:
    log = MemoryLog(1, hold=True)

    async def body(client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k"}
        first = asyncio.create_task(client.post("/ingest", content=PLAIN, headers=key))
        while len(log.held) < 2:
            await asyncio.sleep(0.01)
        second = await client.post("/ingest", content=PLAIN, headers=key)
        assert (second.status_code, second.json()["code"]) == (409, "ingest.key_in_flight")
        assert (await first).status_code == 503  # not acknowledged in time
        # One of the two was written, and the other fails: only that one is sent again.
        log.persist_then_fail([True, False], Unavailable("disk.full", path="x"))
        (good, _) = log.records("t")[0], None
        assert json.loads(good.value or b"")["n"] == 1
        log.hold = False

    run(body, log, http={"ackTimeoutMs": 150})


def test_after_503_only_what_was_not_written_is_written() -> None:
    log = MemoryLog(1, hold=True)

    async def body(client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k"}
        reply = await client.post("/ingest", content=PLAIN, headers=key)
        assert reply.status_code == 503
        log.release()  # the broker had them all the same
        log.hold = False
        while True:
            again = await client.post("/ingest", content=PLAIN, headers=key)
            if again.status_code == 200:
                break
            assert again.json()["code"] == "ingest.broker_away"  # refused for a moment
            await asyncio.sleep(0.1)
        assert [row["offset"] for row in again.json()["results"]] == [0, 1]

    run(body, log, http={"ackTimeoutMs": 100})
    assert numbers(log) == [1, 2]
