"""The MQTT collector against a real mosquitto."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.ingest.memory_log import MemoryLog
from tests.ingest.mosquitto import PROGRAM, Mosquitto, publish, publisher

from summit.base.errors import Invalid, Unavailable
from summit.broker import BrokerSettings, BrokerThread
from summit.ingest import Collector, CollectorConfig, delivery, make_collector
from summit.ingest.mqtt import link
from summit.ingest.mqtt.mapping import compile_filter

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "mqtt").mkdir()
    one = Mosquitto(tmp_path / "mqtt")
    one.start()
    yield one
    one.stop()


def make(port: int, block: dict[str, Any] | None = None, **changes: Any) -> Collector:
    config = {
        "name": "m", "type": "mqtt", "host": "127.0.0.1", "port": port, "topic": "t",
        "mqtt": block or {},
    }  # fmt: skip
    return make_collector({**config, **changes})


def run(collector: Collector, log: MemoryLog, body: Callable[[], Awaitable[Any]]) -> Collector:
    async def go() -> None:
        await collector.start(log)
        try:
            async with asyncio.timeout(90):
                await body()
        finally:
            await collector.stop()

    asyncio.run(go())
    return collector


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # bounded by the time-out of `run`
        await asyncio.sleep(0.01)


def numbers(log: MemoryLog, topic: str = "t") -> list[int]:
    return [json.loads(record.value or b"")["n"] for record in log.records(topic)]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_every_quality_of_service(server: Mosquitto, version: str) -> None:
    log = MemoryLog(1)

    async def body() -> None:
        with publisher(server.port) as client:
            for n in range(60):
                publish(client, f"a/{n % 3}", json.dumps({"n": n}), qos=n % 3)
        await until(lambda: len(log.records("t")) >= 60)

    collector = run(make(server.port, {"qos": 2, "version": version}), log, body)
    assert sorted(numbers(log)) == list(range(60))
    status = collector.status()
    assert (status.accepted, status.rejected, status.state) == (60, 0, "stopped")
    assert dict(log.records("t")[0].headers)["mqtt.topic"].startswith(b"a/")


def test_a_message_is_acknowledged_after_the_durable_write(server: Mosquitto) -> None:
    log = MemoryLog(1, hold=True)
    first = make(server.port)

    async def held() -> None:
        with publisher(server.port) as client:
            publish(client, "a", '{"n":1}')
        await until(lambda: bool(log.held))
        # The connection breaks before the broker has it: it comes again.
        log.held.clear()
        first._link._client.socket().shutdown(2)  # type: ignore[attr-defined]
        await until(lambda: bool(log.held))
        log.release()
        log.hold = False

    # The copy of the first connection is never acknowledged: only that of the second is written.
    config = {"ackTimeoutMs": 60_000}
    first = make(server.port, config)
    run(first, log, held)
    assert numbers(log) == [1]


def test_a_clean_start_forgets_what_was_before_and_nothing_after(server: Mosquitto) -> None:
    log = MemoryLog(1, hold=True)
    block = {"version": "3.1.1", "cleanStart": True}

    async def nothing() -> None: ...

    async def held() -> None:
        with publisher(server.port) as client:
            publish(client, "a", '{"n":2}')
        await until(lambda: bool(log.held))
        log.held.clear()
        first._link._client.socket().shutdown(2)  # type: ignore[attr-defined]
        await until(lambda: bool(log.held))  # the session was kept over the break
        log.release()
        log.hold = False

    run(make(server.port, block), MemoryLog(1), nothing)
    with publisher(server.port) as client:
        publish(client, "a", '{"n":1}')
    first = make(server.port, {**block, "ackTimeoutMs": 60_000})
    run(first, log, held)
    assert numbers(log) == [2]


def test_a_stop_while_the_broker_is_away_leaves_nothing_counted(
    server: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    from summit.ingest.mqtt import collector as module

    monkeypatch.setattr(module, "DRAIN_S", 0.2)
    log = MemoryLog(1, hold=True)
    one = make(server.port)

    async def body() -> None:
        with publisher(server.port) as client:
            for n in range(5):
                publish(client, "a", json.dumps({"n": n}))
        await until(lambda: len(log.held) == 5)

    run(one, log, body)
    assert one.status().details["inFlightBytes"] == 0
    again = MemoryLog(1)

    async def takes() -> None:
        await until(lambda: len(again.records("t")) == 5)

    run(make(server.port), again, takes)  # they come again
    assert numbers(again) == list(range(5))


def test_a_session_outlives_the_collector(server: Mosquitto) -> None:
    log = MemoryLog(1)

    async def nothing() -> None: ...

    async def takes() -> None:
        await until(lambda: len(log.records("t")) >= 50)

    run(make(server.port), log, nothing)
    with publisher(server.port) as client:
        for n in range(50):
            publish(client, "a/b", json.dumps({"n": n}))
    run(make(server.port), log, takes)
    assert numbers(log) == list(range(50))


def test_the_mqtt_broker_is_killed_and_comes_back(server: Mosquitto) -> None:
    log = MemoryLog(1)
    collector = make(server.port)

    async def body() -> None:
        with publisher(server.port) as client:
            publish(client, "a", '{"n":1}')
        await until(lambda: len(log.records("t")) == 1)
        server.stop()
        await until(lambda: collector.state == "degraded")
        assert "MQTT broker" in str(collector.status().last_error)
        server.start()
        await until(lambda: collector.state == "running")
        with publisher(server.port) as client:
            publish(client, "a", '{"n":2}')
        await until(lambda: 2 in numbers(log))

    run(collector, log, body)
    assert set(numbers(log)) == {1, 2}  # the broker may not have heard that the first is taken


def test_the_topic_and_the_key_come_of_the_mqtt_topic(server: Mosquitto) -> None:
    log = MemoryLog(1)
    block = {
        "topics": ["sensors/#", "plain"],
        "routes": [
            {"filter": "sensors/+/temp", "topic": "temps", "key": "s-${1}"},
            {"filter": "sensors/#", "topic": "others"},
        ],
    }

    async def body() -> None:
        with publisher(server.port) as client:
            for n, topic in enumerate(["sensors/a/temp", "sensors/b", "plain", "elsewhere"]):
                properties = Properties(PacketTypes.PUBLISH)
                properties.UserProperty = [("trace", "x1"), ("summit.src", "forged")]
                payload = json.dumps({"n": n, "id": "k"})
                publish(client, topic, payload, properties=properties)
        await until(lambda: sum(map(len, log.topics.values())) >= 1 and bool(log.records("t")))

    run(make(server.port, block, keyField="id"), log, body)
    assert (numbers(log, "temps"), numbers(log, "others"), numbers(log)) == ([0], [1], [2])
    keys = [log.records(topic)[0].key for topic in ("temps", "others", "t")]
    assert keys == [b"s-a", b"k", b"k"]
    headers = log.records("temps")[0].headers
    assert ("trace", b"x1") in headers
    assert "summit.src" not in dict(headers)


def test_payloads_that_are_no_events(server: Mosquitto) -> None:
    log = MemoryLog(1)
    schema = {"required": ["n"]}

    async def body() -> None:
        with publisher(server.port) as client:
            for payload in (b'{"n":1}', b"21.5", b"\xff\xfe", b'{"m":2}', b'[{"n":3},{"n":4}]'):
                publish(client, "a", payload)
        await until(lambda: len(log.records("t")) == 3 and len(log.records("t.dlq")) == 3)

    collector = run(make(server.port, {"codec": "json"}, eventSchema=schema), log, body)
    assert numbers(log) == [1, 3, 4]
    letters = [json.loads(record.value or b"") for record in log.records("t.dlq")]
    values = [base64.b64decode(letter["originalValue"]) for letter in letters]
    assert values == [b"21.5", b"\xff\xfe", b'{"m":2}']
    assert collector.status().dead_letters == 3


def test_a_dial_that_is_late_takes_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    connect = link.paho.Client.connect

    def slow(client: Any, *args: Any, **options: Any) -> Any:
        gate.wait(30)
        return connect(client, *args, **options)

    monkeypatch.setattr(link.paho.Client, "connect", slow)
    monkeypatch.setattr(link, "DIAL_S", 0.05)

    async def go() -> None:
        said = asyncio.get_running_loop().create_future()

        async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            said.set_result(await reader.read(100))
            writer.close()

        server = await asyncio.start_server(told, "127.0.0.1", 0)
        collector = make(server.sockets[0].getsockname()[1], {"connectTimeoutMs": 50})
        try:
            with pytest.raises(Unavailable):
                await collector.start(MemoryLog(1))
            gate.set()
            async with asyncio.timeout(30):
                assert await said == b""  # it hung up without a word
        finally:
            gate.set()
            server.close()

    asyncio.run(go())


def test_what_is_too_large_is_put_aside_and_the_next_is_taken(server: Mosquitto) -> None:
    class Narrow(MemoryLog):
        def send_nowait(self, topic: str, value: bytes | None, *args: Any, **more: Any) -> Any:
            if value is not None and len(value) > 1_000_000:
                raise Invalid("record.too_large", topic=topic, reason="above 1000000 bytes")
            return super().send_nowait(topic, value, *args, **more)

    log = Narrow(1)

    async def body() -> None:
        with publisher(server.port) as client:
            for payload in (b'{"n":"%s"}' % (b"x" * 1_000_100), b"x" * 2_000_000, b'{"n":1}'):
                publish(client, "a", payload)
        await until(lambda: collector.status().accepted == 1)

    collector = make(server.port, {"codec": "json"})
    run(collector, log, body)
    assert numbers(log) == [1]
    letters = [json.loads(record.value or b"") for record in log.records("t.dlq")]
    codes = {letter["error"]["code"] for letter in letters}
    assert codes == {"record.too_large", "ingest.event_invalid"}
    assert [letter["originalValue"] for letter in letters] == [None, None]
    assert collector.status().dead_letters == 2


def test_raw_payloads_become_events(server: Mosquitto) -> None:
    log = MemoryLog(1)

    async def body() -> None:
        with publisher(server.port) as client:
            for payload in (b"21.5", b"\xff", b'{"n":1}'):
                publish(client, "a/b", payload)
        await until(lambda: len(log.records("t")) == 3)

    run(make(server.port), log, body)
    found = [json.loads(record.value or b"") for record in log.records("t")]
    head = {"eventType": "mqtt.message", "topic": "a/b"}
    assert found == [{**head, "payload": "21.5"}, {**head, "payloadBase64": "/w=="}, {"n": 1}]


def test_shared_subscriptions_share(server: Mosquitto) -> None:
    log = MemoryLog(1)

    async def go() -> None:
        two = [make(server.port, {"sharedGroup": "g"}, name=f"m{n}") for n in range(2)]
        for one in two:
            await one.start(log)
        with publisher(server.port) as client:
            for n in range(100):
                publish(client, "a", json.dumps({"n": n}))
        async with asyncio.timeout(60):
            await until(lambda: len(log.records("t")) >= 100)
        assert min(one.status().accepted for one in two) > 10
        for one in two:
            await one.stop()

    asyncio.run(go())
    assert sorted(numbers(log)) == list(range(100))


def test_retained_messages(server: Mosquitto) -> None:
    with publisher(server.port) as client:
        publish(client, "kept", '{"n":0}', retain=True)
    for retained in (True, False):
        log = MemoryLog(1)

        async def body(log: MemoryLog = log) -> None:
            with publisher(server.port) as client:
                publish(client, "a", '{"n":1}')
            await until(lambda: 1 in numbers(log))

        block = {"retained": retained, "sessionExpiryS": 0, "cleanStart": True}
        run(make(server.port, block), log, body)
        assert numbers(log) == ([0, 1] if retained else [1])


def test_our_broker_is_away_and_pausing(server: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "RETRY_AFTER_MS", 50)
    log = MemoryLog(1)
    collector = make(server.port, {"ackTimeoutMs": 100})

    async def body() -> None:
        log.away = True
        with publisher(server.port) as client:
            for n in range(20):
                publish(client, "a", json.dumps({"n": n}))
            await until(lambda: collector.state == "degraded")
            log.away = False
            log.release()
            await until(lambda: len(log.records("t")) == 20)
            await until(lambda: collector.state == "running")
            await collector.pause()
            publish(client, "a", '{"n":20}')
            await asyncio.sleep(0.2)
            assert len(log.records("t")) == 20
            await collector.resume()
            await until(lambda: len(log.records("t")) == 21)

    run(collector, log, body)
    assert numbers(log) == list(range(21))


# paho-mqtt leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_users_and_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "open sesame")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    cert, key, ca, users = (tmp_path / name for name in ("c.pem", "k.pem", "ca.pem", "users"))
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    if Path(PROGRAM).exists():
        users.touch()
        subprocess.run(
            ["mosquitto_passwd", "-c", "-b", str(users), "ann", "open sesame"],
            check=True, capture_output=True,
        )  # fmt: skip
        users.chmod(0o600)
    server = Mosquitto(
        tmp_path, f"certfile {cert}", f"keyfile {key}", "allow_anonymous false",
        f"password_file {users}",
    )  # fmt: skip
    server.start()
    log = MemoryLog(1)

    async def body() -> None: ...

    good = {"tls": {"caFile": str(ca)}, "username": "ann", "password": "${MQTT_PASSWORD}"}
    try:
        run(make(server.port, good, host="localhost"), log, body)
        wrong = make(server.port, {**good, "username": "eve"}, host="localhost")
        with pytest.raises(Invalid, match="refuses"):
            run(wrong, log, body)
        strangers = {**good, "tls": {}, "connectTimeoutMs": 1_000}
        with pytest.raises(Unavailable, match="cannot be reached"):
            run(make(server.port, strangers, host="localhost"), log, body)
    finally:
        server.stop()


def test_nothing_is_lost_when_it_is_killed_under_load(server: Mosquitto, tmp_path: Path) -> None:
    broker = BrokerThread(BrokerSettings(port=0, data_dir=str(tmp_path / "d"), durability="os"))
    broker.start()
    servers = f"127.0.0.1:{broker.port}"
    config = {
        "name": "m", "type": "mqtt", "host": "127.0.0.1", "port": server.port, "topic": "t",
        "mqtt": {"receiveMaximum": 20},
    }  # fmt: skip
    script = Path(__file__).with_name("collecting.py")
    rand, kills = random.Random(4), 3
    sending = Sending(server.port)
    try:
        for round_ in range(kills + 1):
            child = subprocess.Popen(
                [sys.executable, str(script), servers, json.dumps(config)],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert child.stdout is not None
            # What waited in the session may be told of before the start.
            while not child.stdout.readline().startswith("started"):
                assert child.poll() is None
            if round_ == 0:
                sending.start()
            if round_ < kills:  # in the middle of the load
                for _ in range(rand.randint(1, 20)):
                    assert child.stdout.readline()
                os.kill(child.pid, signal.SIGKILL)
                child.wait(30)
                child.stdout.close()
        sending.stop()
        reading = threading.Thread(target=child.stdout.read)
        reading.start()
        found = asyncio.run(_read_until(servers, sending.sent))
        child.kill()
        child.wait(30)
        reading.join(30)
        child.stdout.close()
    finally:
        sending.stop()
        broker.stop()
    assert set(found) == set(range(sending.sent))
    # At least once: a process takes a message once; what was in flight at its kill comes again.
    # That was seen to be more than `receiveMaximum`; who of the two sends or asks for more is open.
    assert max(found.values()) <= kills + 1


class Sending:
    """Numbers to the topic `a`, as fast as the MQTT broker takes them, until it is stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(60)

    def _run(self) -> None:
        with publisher(self._port) as client:
            while not self._ending.is_set() and self.sent < 100_000:
                publish(client, "a", json.dumps({"n": self.sent}))
                self.sent += 1


async def _read_until(servers: str, count: int) -> Counter[int]:
    from summit.client.log_reader import LogReader

    async with asyncio.timeout(60):
        while True:
            found: Counter[int] = Counter()
            async with LogReader({"bootstrapServers": servers}) as reader:
                for partition in range(await reader.partition_count("t")):
                    async for records in reader.read("t", partition, 0):
                        found.update(json.loads(record.value or b"")["n"] for record in records)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("filter_", "topic", "found"),
    [
        ("a/b", "a/b", []), ("a/b", "a/c", None), ("a/+", "a/b", ["b"]), ("a/+", "a/b/c", None),
        ("a/#", "a/b/c", ["b/c"]), ("a/#", "a", [None]), ("a/#", "ab", None), ("#", "a/b", ["a/b"]),
        ("#", "$SYS/x", None), ("+/x", "$SYS/x", None), ("+/+/c", "a/b/c", ["a", "b"]),
        ("a.b", "axb", None),
    ],
)  # fmt: skip
def test_filters(filter_: str, topic: str, found: Any) -> None:
    result = compile_filter(filter_)(topic)
    assert (result if result is None else [one or None for one in result]) == found


@pytest.mark.parametrize(
    ("block", "pointer"),
    [
        ({"topics": []}, "/mqtt/topics"),
        ({"topics": ["a/#/b"]}, "/mqtt/topics/0"),
        ({"topics": ["a+"]}, "/mqtt/topics/0"),
        ({"routes": [{"filter": "a/+", "topic": "t", "key": "${2}"}]}, None),
        ({"password": "${X}"}, "/mqtt/password"),
        ({"username": "a", "password": "written"}, "/mqtt/password"),
        ({"sharedGroup": "a/b"}, "/mqtt/sharedGroup"),
        ({"receiveMaximum": 70_000}, "/mqtt/receiveMaximum"),
    ],
)
def test_what_is_refused(block: dict[str, Any], pointer: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        CollectorConfig.from_dict({"name": "m", "type": "mqtt", "topic": "t", "mqtt": block})
    if pointer is not None:
        assert caught.value.details["pointer"] == pointer


def test_nobody_there() -> None:
    async def body() -> None: ...

    with pytest.raises(Unavailable, match="cannot be reached"):
        run(make(1, {"connectTimeoutMs": 300}), MemoryLog(1), body)
