"""What only the WebSocket collector does: ids, numbers, resuming, origins, close codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from tests.ingest.memory_log import MemoryLog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from summit.base.errors import Unavailable
from summit.ingest import Collector, delivery, make_collector
from summit.ingest.delivery import Handed
from summit.ingest.notes import Notes, Place, digest_of
from summit.ingest.streaming import StreamingCollector

pytestmark = pytest.mark.timeout(120)


def run(
    body: Callable[[Collector, str], Awaitable[Any]],
    log: MemoryLog | None = None,
    block: dict[str, Any] | None = None,
    **changes: Any,
) -> Collector:
    async def go() -> Collector:
        config = {"name": "ws", "type": "websocket", "port": 0, "topic": "t", **changes}
        collector = make_collector({**config, "websocket": block or {}})
        await collector.start(log or MemoryLog(1))
        try:
            async with asyncio.timeout(60):
                await body(collector, f"ws://{collector.address}/")
        finally:
            await collector.stop()
        return collector

    return asyncio.run(go())


def dial(url: str, **options: Any) -> connect:
    return connect(url, proxy=None, **options)


async def told(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


async def say(socket: ClientConnection, value: Any) -> None:
    await socket.send(json.dumps(value))


def numbers(log: MemoryLog) -> list[int]:
    return [json.loads(record.value or b"")["n"] for record in log.records("t")]


def test_answers_by_id_and_by_number() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, url: str) -> None:
        async with dial(url) as socket:
            await say(socket, {"id": "a", "n": 1})
            assert await told(socket) == {"ack": "a", "seq": 1, "partition": 0, "offset": 0}
            await say(socket, {"n": 2})
            assert await told(socket) == {"ack_seq": 2, "partition": 0, "offset": 1}
            await say(socket, [{"n": 3}, {"n": 4}])
            assert await told(socket) == {"ack_seq": 3, "accepted": 2}
            await socket.send(b'{"n":5}\n{"n":6}\n')
            assert await told(socket) == {"ack_seq": 4, "accepted": 2}
            await socket.send(msgspec.msgpack.encode([{"n": 7}, {"n": 8, "id": "x"}]))
            assert await told(socket) == {"ack_seq": 5, "accepted": 2}
            await say(socket, 7)
            answer = await told(socket)
            assert (answer["nack"], answer["seq"]) == (None, 6)
            assert answer["code"] == "ingest.event_invalid"
            await say(socket, {"id": 9, "events": [{"n": 1}], "n": 9})  # no envelope here
            assert (await told(socket))["ack"] == 9

    run(body, log)
    assert numbers(log) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_the_subprotocol_has_envelopes() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, url: str) -> None:
        ours = [Subprotocol("other"), Subprotocol("summit.v1")]
        async with dial(url, subprotocols=ours) as socket:
            assert socket.subprotocol == "summit.v1"
            await say(socket, {"id": "a", "events": [{"n": 1}, {"n": 2}]})
            assert await told(socket) == {"ack": "a", "seq": 1, "accepted": 2}
            await say(socket, {"id": "b", "seq": 0, "events": []})
            assert (await told(socket))["code"] == "ingest.event_invalid"
        async with dial(url, subprotocols=ours[:1]) as socket:
            assert socket.subprotocol is None

    run(body, log)
    assert numbers(log) == [1, 2]


def test_cumulative_answers() -> None:
    log = MemoryLog(1)

    async def body(_: Collector, url: str) -> None:
        async with dial(url) as socket:
            for n in range(200):
                await say(socket, {"n": n})
            seen = []
            while not seen or seen[-1] < 200:
                seen.append((await told(socket))["ack_seq"])
            assert seen == sorted(seen)
            assert len(seen) < 200
            await say(socket, {"n": 1, "id": "named"})
            assert (await told(socket))["ack"] == "named"
            await say(socket, 7)
            while "nack" not in (answer := await told(socket)):
                assert answer == {"ack_seq": 201}

    run(body, log, {"acks": "cumulative"})
    assert numbers(log)[:200] == list(range(200))


def test_no_more_is_read_than_may_be_unacknowledged() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, url: str) -> None:
        async with dial(url) as socket:
            for n in range(50):
                await say(socket, {"n": n})
            while len(log.held) < 5:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert len(log.held) == 5
            details = collector.status().details
            assert (details["unacked"], details["connections"]) == (5, 1)
            while collector.status().accepted < 50:
                log.release()
                await asyncio.sleep(0.005)
            for n in range(50):
                assert (await told(socket))["ack_seq"] == n + 1

    run(body, log, {"maxUnacked": 5})


def test_a_named_client_goes_on_where_it_was() -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, url: str) -> None:
        named = url + "?client=probe-1"
        async with dial(named) as socket:
            assert await told(socket) == {"client": "probe-1", "seq": 0}
            for n in (1, 2, 3):
                await say(socket, {"n": n})
                assert (await told(socket))["ack_seq"] == n
        async with dial(named, subprotocols=[Subprotocol("summit.v1")]) as socket:
            assert await told(socket) == {"client": "probe-1", "seq": 3}
            for seq in (2, 3, 4):  # two of them again
                await say(socket, {"seq": seq, "events": [{"n": seq}]})
            assert (await told(socket)) == {"ack_seq": 2, "repeated": True}
            assert (await told(socket)) == {"ack_seq": 3, "repeated": True}
            assert (await told(socket))["ack_seq"] == 4
            # Another connection of that name takes over.
            async with dial(named) as other:
                assert await told(other) == {"client": "probe-1", "seq": 4}
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                assert socket.close_code == 4001
        await collector.restart()
        async with dial(f"ws://{collector.address}/?client=probe-1") as socket:
            assert await told(socket) == {"client": "probe-1", "seq": 4}

    run(body, log)
    assert numbers(log) == [1, 2, 3, 4]
    sources = [dict(record.headers)["summit.src"] for record in log.records("t")]
    assert sources == [b"websocket:ws:probe-1:%d:0/1" % n for n in (1, 2, 3, 4)]


def test_a_named_client_has_no_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 50)
    log = MemoryLog(1)

    async def body(_: Collector, url: str) -> None:
        named = url + "?client=c"
        async with dial(named) as socket:
            await told(socket)
            await say(socket, {"n": 1})
            assert (await told(socket))["ack_seq"] == 1
            log.away = True
            for n in (2, 3):
                await say(socket, {"n": n})
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1013
        log.away = False
        log.persist_then_fail([False, False], Unavailable("disk.full", path="x"))
        async with dial(named) as socket:
            seq = (await told(socket))["seq"]
            assert seq == 1
            for n in range(seq + 1, 4):
                await say(socket, {"n": n})
                assert (await told(socket))["ack_seq"] == n

    run(body, log, {"ackTimeoutMs": 100})
    assert numbers(log) == [1, 2, 3]


def test_of_many_that_take_over_at_once_one_is_live() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, url: str) -> None:
        named = url + "?client=c"
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(dial(named))
            await told(first)
            await say(first, {"n": 1})
            while not log.held:
                await asyncio.sleep(0.01)
            # All of them wait for the first one's last message.
            others = [await stack.enter_async_context(dial(named)) for _ in range(5)]
            log.hold = False
            log.release()
            taken = 0
            for other in others:
                try:
                    seq = (await told(other))["seq"]
                    await say(other, {"n": seq + 1})
                    assert (await told(other))["ack_seq"] == seq + 1
                    taken += 1
                except ConnectionClosed:
                    assert other.close_code == 4001
            assert taken
            assert collector.status().details["connections"] == 1

    run(body, log)
    assert numbers(log) == [*range(1, len(numbers(log)) + 1)]


def test_a_slow_broker_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 50)
    log = MemoryLog(1, hold=True)

    async def body(_: Collector, url: str) -> None:
        named = url + "?client=c"
        async with dial(named) as socket:
            await told(socket)
            for n in (1, 2, 3):
                await say(socket, {"n": n})
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1013
        log.release(2)  # the first two come through after all; the third is lost
        log.persist_then_fail([False], Unavailable("disk.full", path="x"))
        log.hold = False
        async with dial(named) as socket:
            seq = (await told(socket))["seq"]
            for n in range(seq + 1, 5):
                await say(socket, {"n": n})
                assert (await told(socket))["ack_seq"] == n

    run(body, log, {"ackTimeoutMs": 300})
    assert numbers(log) == [1, 2, 3, 4]


def test_nothing_is_read_while_a_session_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 0)
    log = MemoryLog(1, hold=True)
    drain = StreamingCollector.drain

    async def body(collector: Collector, url: str) -> None:
        named = url + "?client=c"
        async with dial(named) as socket:

            async def draining(self: StreamingCollector, handed: Sequence[Handed]) -> None:
                await say(socket, {"n": 2})
                await (await socket.ping())  # it is there
                for _ in range(20):  # turns of the loop in which it could be taken
                    await asyncio.sleep(0)
                await drain(self, handed)

            monkeypatch.setattr(StreamingCollector, "drain", draining)
            await told(socket)
            await say(socket, {"n": 1})
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert len(log.held) == 1
        log.release()
        log.hold = False
        async with dial(named) as socket:
            assert (await told(socket))["seq"] == 0
            for n in (1, 2):
                await say(socket, {"n": n})
                assert (await told(socket))["ack_seq"] == n
        assert collector.status().details["inFlightBytes"] == 0

    run(body, log, {"ackTimeoutMs": 200})
    assert numbers(log) == [1, 2]


def test_what_was_written_and_not_noted_counts_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(self: Notes, producer: Any, topic: str) -> dict[bytes, Place]:
        values = {"1:0/1": b'{"n": 1}', "2:0/2": b'{"n": 2}', "2:1/2": b'{"n": 3}', "3:1/2": b"{}"}
        return {
            f"websocket:ws:c:{rest}".encode(): Place("t", 0, n, digest_of(value), 2**62)
            for n, (rest, value) in enumerate(values.items())
        }

    monkeypatch.setattr(Notes, "open", opened)
    log = MemoryLog(1)

    async def body(_: Collector, url: str) -> None:
        async with dial(url + "?client=c") as socket:
            assert await told(socket) == {"client": "c", "seq": 2}  # the third is not whole
            await socket.send('[{"n": 4}, {}]')
            assert await told(socket) == {"ack_seq": 3, "accepted": 2}

    run(body, log)
    assert numbers(log) == [4]


def test_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    page, other = Origin("https://app.example"), Origin("https://evil.example")

    async def body(_: Collector, url: str) -> None:
        for origin in (None, page):
            async with dial(url, origin=origin) as socket:
                await say(socket, {"n": 1})
                assert "ack_seq" in await told(socket)
        with pytest.raises(InvalidStatus, match="403"):
            async with dial(url, origin=other):
                pass

    async def all_may(_: Collector, url: str) -> None:
        async with dial(url, origin=other):
            pass

    run(body, block={"origins": [page]})
    run(all_may, block={"origins": ["*"]})


def test_credentials_at_the_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "open sesame")

    async def body(collector: Collector, url: str) -> None:
        good = {"Authorization": "Bearer open sesame"}
        async with dial(url, additional_headers=good) as socket:
            await say(socket, {"n": 1})
            assert "ack_seq" in await told(socket)
        async with dial(url + "?access_token=open%20sesame"):
            pass
        for address, headers in (
            (url, {}),
            (url + "?access_token=x", {}),
            (url + "?access_token=%E9", {}),
        ):
            with pytest.raises(InvalidStatus, match="401") as caught:
                async with dial(address, additional_headers=headers):
                    pass
            assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"
        assert collector.status().rejected == 3

    run(body, block={"auth": {"type": "bearer", "secrets": ["${KEY}"]}})


def test_too_many_connections_and_the_end() -> None:
    async def body(collector: Collector, url: str) -> None:
        async with dial(url) as first:
            await say(first, {"n": 1})
            await told(first)
            async with dial(url) as second:
                with pytest.raises(ConnectionClosed):
                    await second.recv()
                assert second.close_code == 1013
            stopping = asyncio.create_task(collector.stop())
            with pytest.raises(ConnectionClosed):
                await first.recv()
            assert first.close_code == 1012
            await stopping

    run(body, block={"maxConnections": 1})


def test_a_connection_that_does_not_answer_pings_is_closed() -> None:
    async def body(collector: Collector, url: str) -> None:
        async with dial(url, ping_interval=None) as socket:
            await say(socket, {"n": 1})
            await told(socket)
            socket.transport.pause_reading()  # a machine that is gone
            while collector.status().details["connections"]:
                await asyncio.sleep(0.02)
            socket.transport.abort()

    run(body, block={"pingIntervalMs": 100, "pingTimeoutMs": 200})
