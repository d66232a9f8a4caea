"""Keys and numbers of senders over restarts and kill -9, with a real broker and a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from summit.broker import BrokerSettings, BrokerThread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SENDING = 4_000  # events of the request that is killed in the middle


@contextmanager
def collecting(servers: str, config: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A collector in a process of its own, and its address."""
    script = Path(__file__).with_name("collecting.py")
    child = subprocess.Popen(
        [sys.executable, str(script), servers, json.dumps(config)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().split()[1]
    finally:
        child.kill()
        child.wait(30)
        if child.stdout is not None:
            child.stdout.close()


def written(servers: str, topic: str) -> list[int]:
    import asyncio

    from summit.client.log_reader import LogReader

    async def go() -> list[int]:
        found = []
        async with LogReader({"bootstrapServers": servers}) as reader:
            for partition in range(await reader.partition_count(topic)):
                async for records in reader.read(topic, partition, 0):
                    found += [json.loads(record.value or b"")["n"] for record in records]
        return found

    return asyncio.run(go())


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[str]:
    settings = BrokerSettings(port=0, data_dir=str(tmp_path), durability="os")
    broker = BrokerThread(settings)
    broker.start()
    try:
        yield f"127.0.0.1:{broker.port}"
    finally:
        broker.stop()


def test_a_key_outlives_the_collector_and_a_kill(servers: str) -> None:
    config = {"name": "web", "type": "http", "port": 0, "topic": "t"}
    events = [{"n": n} for n in range(SENDING)]
    answers = []
    with httpx.Client(trust_env=False, timeout=60) as client:
        with collecting(servers, config) as (child, address):
            key = {"Idempotency-Key": "done"}
            done = client.post(f"http://{address}/ingest", json=[{"n": -1}], headers=key).json()
            assert done["accepted"] == 1
            # Killed while it writes, or right after: how many there are then is not known.
            key = {"Idempotency-Key": "killed"}
            killer = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.15; kill -9 {child.pid}"])
            try:
                answers.append(client.post(f"http://{address}/ingest", json=events, headers=key))
            except httpx.TransportError:
                pass
            killer.wait(30)
        before = written(servers, "t")
        with collecting(servers, config) as (child, address):
            key = {"Idempotency-Key": "done"}
            again = client.post(f"http://{address}/ingest", json=[{"n": -1}], headers=key)
            assert again.json() == done
            assert again.headers["idempotency-replayed"] == "true"
            key = {"Idempotency-Key": "killed"}
            last = client.post(f"http://{address}/ingest", json=events, headers=key)
            assert last.json()["accepted"] == SENDING
            child.send_signal(signal.SIGKILL)
    found = written(servers, "t")
    assert len(found) == SENDING + 1, (len(before), len(found))
    assert sorted(found) == list(range(-1, SENDING))


def test_a_websocket_client_outlives_the_collector_and_a_kill(servers: str) -> None:
    config = {
        "name": "ws", "type": "websocket", "port": 0, "topic": "t",
        "websocket": {"acks": "cumulative"},
    }  # fmt: skip
    next_n = 1
    for round_ in range(3):
        with (
            collecting(servers, config) as (child, address),
            connect(f"ws://{address}/?client=c", proxy=None) as socket,
        ):
            seq = json.loads(socket.recv())["seq"]
            assert seq < next_n
            # It sends what comes after the last one that is done, whatever it sent before.
            for n in range(seq + 1, next_n + 400):
                socket.send(json.dumps({"n": n}))
            next_n += 400
            if round_ < 2:
                while json.loads(socket.recv())["ack_seq"] < next_n - 200:
                    pass
                os.kill(child.pid, signal.SIGKILL)
                continue
            while json.loads(socket.recv())["ack_seq"] < next_n - 1:
                pass
    found = written(servers, "t")
    assert sorted(found) == list(range(1, next_n)), len(found)
