"""Networks that are cut, slow, or held up with both ends open, between sources and collectors.

The same for each: a source brings numbers all the while, a seed says what the network does, and in
the end every number is there, once where the guarantee says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.ingest.database.reading import make_broker
from tests.ingest.memory_log import MemoryLog
from tests.ingest.mosquitto import Mosquitto
from tests.ingest.network import Network
from tests.ingest.sources import Mariadb, Mqtt, Postgresql, Servers, Source
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from summit.ingest import make_collector
from summit.ingest.grpc.messages import SERVICE, PublishAck, PublishRequest

pytestmark = pytest.mark.timeout(180)

DIALLING = (Postgresql, Mariadb, Mqtt)
FAULTS = 6


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    broker = make_broker(tmp_path_factory.mktemp("broker"))
    mosquitto = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    mosquitto.start()
    found = Servers(broker, mosquitto, tmp_path_factory.mktemp("mariadb"))
    yield found
    found.stop()


def through(config: dict[str, Any], port: int) -> dict[str, Any]:
    """The configuration with the network in the way."""
    if config["type"] == "mqtt":
        return {**config, "port": port, "mqtt": {**config["mqtt"], "keepaliveS": 5}}
    database = config["database"]
    before, _, after = database["url"].rpartition(":")
    url = f"{before}:{port}/{after.partition('/')[2]}"
    return {**config, "database": {**database, "url": url, "heartbeatIntervalMs": 200}}


def target_of(config: dict[str, Any]) -> int:
    if config["type"] == "mqtt":
        return int(config["port"])
    return int(config["database"]["url"].rpartition(":")[2].partition("/")[0])


async def trouble(network: Network, rand: random.Random, count: int = FAULTS) -> None:
    """Some faults, one after the other; in the end the network is whole."""
    for _ in range(count):
        await asyncio.sleep(rand.uniform(0.05, 0.3))
        match rand.choice(("cut", "down", "slow", "hold", "hold and cut")):
            case "cut":
                network.cut()
            case "down":
                network.down()
                await asyncio.sleep(rand.uniform(0.1, 0.5))
                network.up()
            case "slow":
                network.bytes_per_s = 20_000
                await asyncio.sleep(0.4)
                network.bytes_per_s = None
            case held:
                network.freeze()
                await asyncio.sleep(rand.uniform(0.1, 0.5))
                if held != "hold":
                    network.cut()
                network.thaw()


@pytest.mark.parametrize("kind", DIALLING, ids=lambda row: row.__name__)
def test_what_dials_its_source(kind: type[Source], tmp_path: Path, servers: Servers) -> None:
    rand = random.Random(11)
    source = kind(tmp_path, servers, f"net{kind.__name__.lower()}")

    async def go() -> tuple[list[int], int]:
        config = {"name": source.name, "topic": source.name, **source.config()}
        count = 0
        async with Network(target_of(config)) as network:
            if config["type"] == "database":  # so that the snapshot is cut, too
                await source.add(*range(3_000))
                count = 3_000
                config["database"] |= {"snapshotChunkRows": 100, "queueChanges": 100}
            collector = make_collector(through(config, network.port))
            await source.start(collector)
            failing = asyncio.create_task(trouble(network, rand))
            try:
                async with asyncio.timeout(120):
                    while not failing.done():
                        await source.add(*range(count, count + 5))
                        count += 5
                        await asyncio.sleep(0.02)
                    await failing
                    while collector.status().accepted < count:
                        await asyncio.sleep(0.05)
                    while len({*map(source.value_of, await source.events())}) < count:
                        await asyncio.sleep(0.1)
                    status = collector.status()
                    assert status.state == "running", status.last_error
                    assert network.connections > 2, "nothing was cut"
                    # A network that is held up for good holds up no stop.
                    network.freeze()
                    await source.add(count)
                    async with asyncio.timeout(40):
                        await collector.stop()
                    network.thaw()
            finally:
                failing.cancel()
                await collector.stop()
                found = [source.value_of(event) for event in await source.events()]
                await source.close()
        return found, count

    found, count = asyncio.run(go())
    seen = Counter(found)
    seen.pop(count, None)  # what was added last may have come
    assert set(seen) == set(range(count))
    if source.guarantees == ("exactly_once",):
        assert set(seen.values()) == {1}


def run(kind: str, body: Any, log: MemoryLog | None = None, **block: Any) -> list[int]:
    """What a listening collector wrote of what `body` sent through the network."""
    log = log or MemoryLog(1)

    async def go() -> None:
        config = {"name": "one", "type": kind, "port": 0, "topic": "t", kind: block}
        collector = make_collector(config)
        await collector.start(log)
        target = int(str(collector.address).rpartition(":")[2])
        try:
            async with Network(target) as network, asyncio.timeout(120):
                failing = asyncio.create_task(trouble(network, random.Random(kind)))
                try:
                    await body(network.port, failing)
                finally:
                    failing.cancel()
        finally:
            await collector.stop()

    asyncio.run(go())
    return [json.loads(record.value or b"")["n"] for record in log.records("t")]


def test_http_with_keys_over_a_bad_network() -> None:
    sent: list[int] = []

    async def body(port: int, failing: asyncio.Task[None]) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
            while not failing.done():
                n = len(sent)
                headers = {"Idempotency-Key": f"k{n}"}
                for _ in range(200):
                    with contextlib.suppress(httpx.TransportError):
                        reply = await client.post(
                            f"http://127.0.0.1:{port}/ingest", json={"n": n}, headers=headers
                        )
                        if reply.status_code == 200:
                            break
                        assert reply.status_code == 409, reply.text  # the first one still runs
                    await asyncio.sleep(0.02)
                else:
                    raise AssertionError(f"{n} does not get through")
                sent.append(n)

    assert run("http", body) == sent


def test_a_named_websocket_client_over_a_bad_network() -> None:
    sent: list[int] = []

    async def body(port: int, failing: asyncio.Task[None]) -> None:
        done = 0
        while not failing.done() or done < len(sent):
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with (
                    asyncio.timeout(5),
                    connect(f"ws://127.0.0.1:{port}/?client=c", proxy=None) as socket,
                ):
                    done = json.loads(await socket.recv())["seq"]
                    for n in sent[done:]:
                        await socket.send(json.dumps({"n": n}))
                    while not failing.done() or done < len(sent):
                        if not failing.done():
                            sent.append(len(sent))
                            await socket.send(json.dumps({"n": sent[-1]}))
                        told = json.loads(await socket.recv())
                        done = told.get("ack_seq", told.get("seq", done))
            await asyncio.sleep(0.02)

    assert run("websocket", body) == sent


def test_a_named_stream_of_grpc_over_a_bad_network() -> None:
    sent: list[int] = []

    async def body(port: int, failing: asyncio.Task[None]) -> None:
        done = 0
        while not failing.done() or done < len(sent):
            options = [("grpc.initial_reconnect_backoff_ms", 50)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                call = channel.stream_stream(f"/{SERVICE}/PublishStream")(
                    metadata=(("summit-client", "c"),), timeout=5
                )
                with contextlib.suppress(grpc.aio.AioRpcError):
                    told_seq = dict(await call.initial_metadata()).get("summit-seq")
                    if told_seq is None:
                        continue  # the call has failed
                    done = int(str(told_seq))
                    for n in sent[done:]:
                        await call.write(PublishRequest(json=b'{"n":%d}' % n).SerializeToString())
                    while not failing.done() or done < len(sent):
                        if not failing.done():
                            sent.append(len(sent))
                            one = PublishRequest(json=b'{"n":%d}' % sent[-1])
                            await call.write(one.SerializeToString())
                        told = await call.read()
                        if told is grpc.aio.EOF:
                            break
                        done = PublishAck.FromString(told).seq
            await asyncio.sleep(0.02)

    assert run("grpc", body) == sent
