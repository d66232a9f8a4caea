"""The syslog collector: real senders, its life, limits, and hostile clients."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import logging.handlers
import random
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.ingest.memory_log import MemoryLog

from summit.base.errors import Conflict, Invalid
from summit.broker import BrokerSettings, BrokerThread
from summit.client.producer import StreamProducer
from summit.ingest import (
    Collector,
    CollectorConfig,
    SyslogCollector,
    delivery,
    make_collector,
    taking,
)

pytestmark = pytest.mark.timeout(120)

LOGGER = "/usr/bin/logger"
NEW = '<165>1 2024-03-07T04:05:06.003Z web1 app 811 ID47 [x a="1"] new'
OLD = "<38>Mar  7 04:05:06 web1 sshd[811]: old"


def make(block: dict[str, Any] | None = None, **changes: Any) -> Collector:
    config = {"name": "s", "type": "syslog", "topic": "t", "port": 0, "syslog": block or {}}
    return make_collector({**config, **changes})


Body = Callable[[Collector, int], Awaitable[Any]]


def run(
    body: Body, block: dict[str, Any] | None = None, log: MemoryLog | None = None, **changes: Any
) -> tuple[MemoryLog, Collector]:
    log = log or MemoryLog(1)
    collector = make(block, **changes)

    async def go() -> None:
        await collector.start(log)
        try:
            async with asyncio.timeout(60):
                await body(collector, port_of(collector))
        finally:
            log.hold = log.away = False
            log.release()
            await collector.stop()

    asyncio.run(go())
    return log, collector


def port_of(collector: Collector) -> int:
    return int(str(collector.address).rpartition(":")[2])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # bounded by the time-out of `run`
        await asyncio.sleep(0.005)


def events(log: MemoryLog, topic: str = "t") -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in log.records(topic)]


def texts(log: MemoryLog) -> list[str]:
    return [event["message"] for event in events(log)]


def letters(log: MemoryLog) -> list[tuple[str, bytes]]:
    return [
        (letter["error"]["code"], base64.b64decode(letter["originalValue"]))
        for letter in events(log, "t.dlq")
    ]


def detail(collector: Collector, name: str) -> Any:
    return collector.status().details[name]


async def send(port: int, data: bytes) -> None:
    """Send it all and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def lines(*numbers: int) -> bytes:
    return b"".join(b"<13>app: %d\n" % n for n in numbers)


def datagrams(port: int, *texts: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for text in texts:
            sock.sendto(text, ("127.0.0.1", port))


# ---- real senders ----


def test_what_an_event_looks_like() -> None:
    async def body(collector: Collector, port: int) -> None:
        await send(port, f"{len(NEW)} {NEW}{len(OLD)} {OLD}".encode())
        await until(lambda: collector.status().accepted == 2)
        datagrams(port, b"<14>app[7]: plain\n")
        await until(lambda: collector.status().accepted == 3)

    log, collector = run(body, {"headers": {"site": "b"}})
    new, old, plain = events(log)
    assert new == {
        "eventId": new["eventId"], "eventType": "syslog.message", "timestamp": 1_709_784_306_003,
        "source": "127.0.0.1", "facility": "local4", "level": "notice", "severity": "low",
        "host": "web1", "program": "app", "pid": 811, "messageId": "ID47",
        "structuredData": {"x": {"a": "1"}}, "message": "new", "raw": NEW,
    }  # fmt: skip
    assert (old["host"], old["program"], old["pid"], old["message"]) == ("web1", "sshd", 811, "old")
    assert (plain["program"], plain["pid"], plain["message"]) == ("app", 7, "plain")
    assert "host" not in plain
    assert len({event["eventId"] for event in (new, old, plain)}) == 3
    headers = [dict(record.headers) for record in log.records("t")]
    assert [h["syslog.transport"] for h in headers] == [b"tcp", b"tcp", b"udp"]
    assert all(h["site"] == b"b" and h["syslog.sender"] == b"127.0.0.1" for h in headers)
    status = collector.status()
    assert (status.accepted, status.rejected, status.guarantee) == (3, 0, "at_most_once")
    assert status.details["guarantees"] == {"tcp": "at_least_once", "udp": "at_most_once"}


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_handler_of_python(kind: socket.SocketKind) -> None:
    async def body(collector: Collector, port: int) -> None:
        def work() -> None:
            handler = logging.handlers.SysLogHandler(("127.0.0.1", port), socktype=kind)
            handler.ident = "shop: "
            handler.setFormatter(logging.Formatter("%(message)s"))
            for n in range(20):
                record = logging.LogRecord("x", logging.ERROR, "", 0, "grün %d", (n,), None)
                handler.emit(record)
            handler.close()

        await asyncio.to_thread(work)
        await until(lambda: collector.status().accepted == 20)

    log, _ = run(body)
    assert texts(log) == [f"grün {n}" for n in range(20)]
    assert {(e["program"], e["facility"], e["level"]) for e in events(log)} == {
        ("shop", "user", "err")
    }


@pytest.mark.skipif(not Path(LOGGER).exists(), reason="util-linux has logger")
@pytest.mark.parametrize("transport", [["-d"], ["-T"], ["-T", "--octet-count"]], ids=" ".join)
@pytest.mark.parametrize("form", ["--rfc3164", "--rfc5424"])
def test_logger(transport: list[str], form: str) -> None:
    async def body(collector: Collector, port: int) -> None:
        to = [LOGGER, "-n", "127.0.0.1", "-P", str(port), *transport, form, "-p", "auth.crit"]
        command = [*to, "-t", "door", "opened"]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)
        await until(lambda: collector.status().accepted == 1)

    log, _ = run(body)
    (event,) = events(log)
    assert (event["program"], event["message"]) == ("door", "opened")
    assert (event["facility"], event["level"]) == ("auth", "crit")
    assert event["timestamp"] > 1_700_000_000_000


def test_tls_and_who_may_send(tmp_path: Path) -> None:
    authority = trustme.CA()
    server, client = authority.issue_cert("localhost"), authority.issue_cert("client@example.org")
    files = {name: str(tmp_path / name) for name in ("cert", "key", "ca")}
    server.cert_chain_pems[0].write_to_path(files["cert"])
    server.private_key_pem.write_to_path(files["key"])
    authority.cert_pem.write_to_path(files["ca"])
    tls = {"certFile": files["cert"], "keyFile": files["key"], "clientCaFile": files["ca"]}

    async def body(collector: Collector, port: int) -> None:
        def context(*, known: bool) -> ssl.SSLContext:
            made = ssl.create_default_context()
            authority.configure_trust(made)
            if known:
                client.configure_cert(made)
            return made

        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context(known=True), server_hostname="localhost"
        )
        writer.write(b"9 <13>a: in" + b"8 <13>b: c" * 3_000)
        await writer.drain()
        await until(lambda: collector.status().accepted >= 3_000)
        writer.close()
        with contextlib.suppress(OSError):
            reader, stranger = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context(known=False), server_hostname="localhost"
            )
            stranger.write(lines(1))
            await reader.read()
            stranger.close()
        await send(port, lines(2))  # plain text to a TLS port

    log, collector = run(body, {"tls": tls, "framing": "octetCounting"})
    assert texts(log)[:2] == ["in", "c"]
    assert {dict(record.headers)["syslog.transport"] for record in log.records("t")} == {b"tls"}
    assert collector.status().guarantee == "at_least_once"


def test_with_a_real_broker(tmp_path: Path) -> None:
    async def go(addresses: str) -> None:
        producer = StreamProducer({"bootstrapServers": addresses, "lingerMs": 1})
        await producer.connect()
        collector = make()
        await collector.start(producer)
        await send(port_of(collector), lines(*range(500)) + b"no syslog\n")
        async with asyncio.timeout(60):
            await until(lambda: collector.status().accepted == 500)
            await until(lambda: collector.status().dead_letters == 1)
        await collector.stop()
        await producer.close()

    broker = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path), durability="os"))
    broker.start()
    try:
        asyncio.run(go(f"127.0.0.1:{broker.port}"))
    finally:
        broker.stop()


# ---- life ----


def test_life() -> None:
    log = MemoryLog(1)

    async def go() -> None:
        collector = make()
        assert collector.status().state == "created"
        assert collector.address is None
        await collector.start(log)
        with pytest.raises(Conflict):
            await collector.start(log)
        other = make(port=port_of(collector))
        with pytest.raises(Conflict, match="use"):
            await other.start(log)
        await send(port_of(collector), lines(1))
        async with asyncio.timeout(60):
            await until(lambda: collector.status().accepted == 1)
            await collector.restart()
            await collector.pause()
            await send(port_of(collector), lines(2))
            datagrams(port_of(collector), b"<13>app: 3")
            await asyncio.sleep(0.1)
            assert collector.status().accepted == 1
            await collector.resume()
            await until(lambda: collector.status().accepted == 3)
        await collector.stop()
        await collector.stop()
        assert (collector.state, collector.address) == ("stopped", None)

    asyncio.run(go())
    assert sorted(texts(log)) == ["1", "2", "3"]


def test_a_stop_brings_what_was_read_to_its_end() -> None:
    log = MemoryLog(1, hold=True)

    async def go() -> None:
        collector = make()
        await collector.start(log)
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(collector))
        writer.write(lines(*range(700)) + b"<13>app: unfinished")
        datagrams(port_of(collector), b"<13>app: udp")
        await until(lambda: log.sent == 701)
        stopping = asyncio.create_task(collector.stop())
        await until(lambda: collector.address is None)
        assert not stopping.done()
        while not stopping.done():
            log.release()
            await asyncio.sleep(0.005)
        writer.close()

    asyncio.run(asyncio.wait_for(go(), 60))
    assert sorted(texts(log)) == sorted([*map(str, range(700)), "udp"])
    assert letters(log) == [("syslog.cut_off", b"<13>app: unfinished")]


def test_what_a_stop_cannot_write_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.ingest.syslog.collector.DRAIN_S", 0.1)
    log = MemoryLog(1)

    async def go() -> Collector:
        collector = make({"ackTimeoutMs": 100, "maxUnacked": 3})
        await collector.start(log)
        log.away = True
        datagrams(port_of(collector), *[b"<13>app: x"] * 10)
        await until(lambda: detail(collector, "waiting") == 7)
        await collector.stop()
        return collector

    collector = asyncio.run(asyncio.wait_for(go(), 60))
    assert collector.status().rejected == 10
    assert "10 messages" in str(collector.status().last_error)
    assert detail(collector, "inFlightBytes") == 0


def test_a_broker_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 50)
    monkeypatch.setattr(taking, "RETRY_S", 0.01)
    log = MemoryLog(1)

    async def body(collector: Collector, port: int) -> None:
        log.away = True
        await send(port, lines(1))
        await until(lambda: collector.state == "degraded")
        log.away = False
        log.release()
        await until(lambda: collector.status().accepted == 1)
        assert collector.state == "running"

    log, _ = run(body, {"ackTimeoutMs": 50}, log)
    assert set(texts(log)) == {"1"}


def test_a_slow_broker_stops_the_reading_of_connections_and_drops_datagrams() -> None:
    log = MemoryLog(1, hold=True)

    async def body(collector: Collector, port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        text = b"<13>app: " + b"x" * 990 + b"\n"
        total = 20_000
        sending = asyncio.create_task(_write(writer, [text * 100] * (total // 100)))
        await until(lambda: detail(collector, "unacked") == 50)
        await asyncio.sleep(0.3)
        assert not sending.done()  # 20 MB: more than all buffers hold
        assert len(log.held) == 50
        assert detail(collector, "waiting") < 3_000
        for n in range(30):
            datagrams(port, b"<13>app: udp %d" % n)
        await until(lambda: detail(collector, "datagramsDropped") == 20)
        assert collector.status().rejected == 20
        log.hold = False
        log.release()
        await sending
        writer.close()
        await until(lambda: collector.status().accepted == total + 10)

    run(body, {"maxUnacked": 50, "queueMax": 10}, log)


async def _write(writer: asyncio.StreamWriter, parts: list[bytes]) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()


# ---- what all collectors have ----


def test_batch_size_key_topic_schema_and_rate() -> None:
    async def body(collector: Collector, port: int) -> None:
        await send(port, b"<13>web: 1\n<14>db: 2\n<13>other: 3\n<13>Odd: 4\n")
        await until(lambda: collector.status().accepted + collector.status().rejected == 4)

    schema = {"properties": {"program": {"pattern": "^[a-z]+$"}}}
    log, collector = run(
        body, batchSize=2, flushInterval=20, keyTemplate="k-${level}", rateLimit=1000,
        topicTemplate="logs.${program}", allowedTopics=["logs.web", "logs.db", "logs.Odd"],
        eventSchema=schema,
    )  # fmt: skip
    assert [event["message"] for event in events(log, "logs.web")] == ["1"]
    assert [record.key for record in log.records("logs.db")] == [b"k-info"]
    # There is nobody to send them back to.
    codes = sorted(code for code, _ in letters(log))
    assert codes == ["ingest.schema_refused", "ingest.topic_refused"]
    assert (collector.status().dead_letters, collector.status().rejected) == (2, 2)


def test_what_the_broker_refuses() -> None:
    log = MemoryLog(1)

    async def body(collector: Collector, port: int) -> None:
        log.failures = [Invalid("record.too_large", topic="t", reason="9 bytes")]
        await send(port, lines(1))
        await until(lambda: collector.status().dead_letters == 1)
        await send(port, lines(2))
        await until(lambda: collector.status().accepted == 1)

    log, _ = run(body, log=log)
    assert texts(log) == ["2"]
    assert [code for code, _ in letters(log)] == ["record.too_large"]


@pytest.mark.parametrize(
    ("block", "changes", "pointer"),
    [
        ({"transports": []}, {}, "/syslog/transports"),
        ({"transports": ["udp"], "tls": {"certFile": "x"}}, {}, "/syslog/tls"),
        ({"allowedSenders": ["nobody"]}, {}, "/syslog/allowedSenders/0"),
        ({"maxUnacked": 0}, {}, "/syslog/maxUnacked"),
        ({}, {"host": "0.0.0.0"}, "/syslog/allowedSenders"),
        ({"tls": {"certFile": "x"}}, {"host": "0.0.0.0"}, "/syslog/allowedSenders"),
        ({}, {"path": "/x"}, "/path"),
        ({"password": "x"}, {}, "/syslog"),
    ],
)
def test_settings_that_are_none(
    block: dict[str, Any], changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Invalid) as error:
        make(block, **changes)
    assert str(error.value.details["pointer"]).startswith(pointer)


def test_settings_that_open_it() -> None:
    for block in ({"insecure": True}, {"allowedSenders": ["10.0.0.0/8"]}):
        make(block, host="0.0.0.0")
    make({"tls": {"certFile": "x", "clientCaFile": "y"}}, host="0.0.0.0")
    config = CollectorConfig.from_dict({"name": "a", "type": "syslog", "topic": "t"})
    assert (config.listen_port, SyslogCollector(config).guarantee) == (5140, "at_most_once")


# ---- hostile ----


def test_malformed_messages_are_dead_letters() -> None:
    bad = [
        b"no syslog at all", b"<999>x", b"<13", b"<13>1 2024-99-07T04:05:06Z h a - - - x",
        b'<13>1 - h a - - [x y="1 text', b"\xff\xfe",
    ]  # fmt: skip

    async def body(collector: Collector, port: int) -> None:
        await send(port, b"\n".join(bad) + b"\n\n \n<13>app: \xe4 \xff\n")
        await until(lambda: collector.status().dead_letters == len(bad))
        await until(lambda: collector.status().accepted == 1)
        datagrams(port, bad[0])
        await until(lambda: collector.status().dead_letters == len(bad) + 1)

    log, _ = run(body)
    assert letters(log) == [("syslog.malformed", text) for text in [*bad, bad[0]]]
    (event,) = events(log)
    assert event["message"] == "\ufffd \ufffd"
    assert base64.b64decode(event["rawBase64"]) == b"<13>app: \xe4 \xff"


def test_malformed_messages_may_be_kept() -> None:
    async def body(collector: Collector, port: int) -> None:
        await send(port, b"no syslog\n")
        await until(lambda: collector.status().accepted == 1)

    log, _ = run(body, {"malformed": "keep"})
    (event,) = events(log)
    assert (event["eventType"], event["message"]) == ("log.line", "no syslog")
    assert event["timestamp"] > 1_700_000_000_000


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed."""
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"<13>never ends", "syslog.cut_off"),
        (b"999 <13>a wrong count\n", "syslog.cut_off"),
        (b"4 <1>y4 <2>z<3>no count", "syslog.framing"),
        (b"12", "syslog.cut_off"),
    ],
)
def test_a_message_that_does_not_end_is_cut_off(sent: bytes, code: str) -> None:
    async def body(collector: Collector, port: int) -> None:
        quiet = await asyncio.open_connection("127.0.0.1", port)  # says nothing, and may
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await closed(reader)
        writer.close()
        await until(lambda: collector.status().dead_letters == 1)
        before = collector.status().accepted
        quiet[1].write(lines(1))
        await until(lambda: collector.status().accepted > before)
        quiet[1].close()

    log, _ = run(body, {"messageTimeoutMs": 300})
    assert [found for found, _ in letters(log)] == [code]
    assert texts(log)[-1] == "1"


def test_a_sender_that_drips_is_cut_off() -> None:
    async def body(collector: Collector, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended = asyncio.create_task(closed(reader))
        writer.write(b"<13>")
        while not ended.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        writer.close()
        await until(lambda: collector.status().dead_letters == 1)
        await until(lambda: detail(collector, "connections") == 0)

    run(body, {"messageTimeoutMs": 300})


def test_an_idle_connection_is_closed_where_that_is_wanted() -> None:
    async def body(collector: Collector, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(lines(1))
        await closed(reader)
        writer.close()
        assert "closed" in str(collector.status().last_error)

    log, _ = run(body, {"idleTimeoutMs": 200})
    assert texts(log) == ["1"]


def test_an_endless_line_and_a_long_datagram() -> None:
    async def body(collector: Collector, port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await _write(writer, [b"<13>" + b"x" * 60_000] * 100)
        writer.write(b"\n" + lines(1))
        writer.close()
        await until(lambda: collector.status().accepted == 1)
        datagrams(port, b"<13>app: " + b"y" * 900)
        await until(lambda: collector.status().dead_letters == 2)

    log, _ = run(body, {"maxMessageBytes": 500})
    assert [code for code, _ in letters(log)] == ["syslog.too_long"] * 2
    assert all(len(text) == 500 for _, text in letters(log))
    assert texts(log) == ["1"]


def test_more_connections_than_are_taken_and_senders_that_are_not_allowed() -> None:
    async def body(collector: Collector, port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await until(lambda: detail(collector, "connections") == 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await closed(reader)
        writer.close()
        assert detail(collector, "connectionsRefused") == 1
        for _, one in held:
            one.close()
        await until(lambda: detail(collector, "connections") == 0)
        await send(port, lines(1))
        await until(lambda: collector.status().accepted == 1)

    run(body, {"maxConnections": 2})

    async def refused(collector: Collector, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await closed(reader)
        writer.close()
        datagrams(port, b"<13>app: x")
        await until(lambda: detail(collector, "datagramsDropped") == 1)
        assert "127.0.0.1" in str(collector.status().last_error)

    log, _ = run(refused, {"allowedSenders": ["10.0.0.0/8"]})
    assert events(log) == []


def test_garbage_never_ends_the_collector() -> None:
    rng = random.Random(5)

    async def body(collector: Collector, port: int) -> None:
        for _ in range(60):
            data = rng.randbytes(rng.randrange(1, 400))
            if rng.randrange(2):
                data = b"%d <%s" % (rng.randrange(1, 500), data)
            with contextlib.suppress(ConnectionError):
                await send(port, data)
            datagrams(port, data)
        before = collector.status().accepted
        await until(lambda: detail(collector, "connections") == 0)
        await send(port, b"9 <13>a: ok")
        await until(lambda: collector.status().accepted > before)
        assert collector.state == "running"

    run(body)
