"""Kafka Connect: a file goes through a topic into another file, standalone and distributed.

Distributed, with exactly-once sources, asks more of a broker: its own group protocol, compacted
topics for configurations, offsets and states, and transactions that fence. Its worker is killed
halfway.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer
from tests.interop import jvm
from tests.interop.processes import BrokerProcess
from tests.interop.suites.rows import Row

CLI = "org.apache.kafka.connect.cli."
FILE = "org.apache.kafka.connect.file."
LINES = 1000


def properties(path: Path, **values: str) -> str:
    text = "".join(f"{key.replace('_', '.')}={value}\n" for key, value in values.items())
    path.write_text(text)
    return str(path)


def worker(folder: Path, broker: BrokerProcess, port: int, **more: str) -> str:
    converter = "org.apache.kafka.connect.storage.StringConverter"
    return properties(
        folder / "worker.properties",
        bootstrap_servers=broker.address,
        key_converter=converter,
        value_converter=converter,
        offset_flush_interval_ms="500",
        listeners=f"http://127.0.0.1:{port}",
        **more,
    )


def connectors(folder: Path, topic: str) -> tuple[dict[str, str], dict[str, str]]:
    source = {
        "name": f"{topic}-source",
        "connector.class": FILE + "FileStreamSourceConnector",
        "tasks.max": "1",
        "file": str(folder / "in.txt"),
        "topic": topic,
    }
    sink = {
        "name": f"{topic}-sink",
        "connector.class": FILE + "FileStreamSinkConnector",
        "tasks.max": "1",
        "file": str(folder / "out.txt"),
        "topics": topic,
    }
    return source, sink


class Worker:
    """A process of Connect; its log goes to a file."""

    def __init__(self, folder: Path, main: str, *arguments: str) -> None:
        self._log = (folder / "worker.log").open("ab")
        self._process = subprocess.Popen(
            jvm.java(CLI + main, *arguments), stdout=self._log, stderr=self._log
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            pass
        self.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def append(folder: Path, first: int, count: int) -> None:
    with (folder / "in.txt").open("a") as file:
        file.writelines(f"line-{n}\n" for n in range(first, first + count))


def wait_for_lines(folder: Path, count: int, timeout_s: float) -> set[str]:
    """The lines of the sink's file, as soon as they are as many, each counted once."""
    end = time.monotonic() + timeout_s
    found: set[str] = set()
    while len(found) < count and time.monotonic() < end:
        time.sleep(0.3)
        if (folder / "out.txt").exists():
            found = set((folder / "out.txt").read_text().split())
    return found


def put(port: int, config: dict[str, str], timeout_s: float = 90) -> None:
    """Set a connector as soon as the worker takes it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/connectors/{config['name']}/config",
        json.dumps(config).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    end = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=90):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, "the worker does not answer"
            time.sleep(0.5)


def read_topic(address: str, topic: str, count: int) -> list[str]:
    """The committed records of the topic, and what more comes in two seconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "verifier",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    found: list[str] = []
    end = time.monotonic() + 90
    while time.monotonic() < end:
        message: Any = consumer.poll(2.0)
        if message is None:
            if len(found) >= count:
                break
        elif message.error() is None:
            found.append(message.value().decode())
    consumer.close()
    return found


def standalone(folder: Path, broker: BrokerProcess) -> str:
    folder.mkdir()
    append(folder, 0, LINES)
    source, sink = connectors(folder, "standalone")
    files = [folder / "source.json", folder / "sink.json"]
    for file, config in zip(files, (source, sink), strict=True):
        file.write_text(json.dumps({"name": config["name"], "config": config}))
    offsets = {"offset_storage_file_filename": str(folder / "offsets")}
    config = worker(folder, broker, free_port(), **offsets)
    one = Worker(folder, "ConnectStandalone", config, *map(str, files))
    try:
        found = wait_for_lines(folder, LINES, 90)
    finally:
        one.stop()
    return "" if len(found) == LINES else f"{len(found)} of {LINES} lines"


def distributed(folder: Path, broker: BrokerProcess) -> str:
    folder.mkdir()
    append(folder, 0, LINES)
    port = free_port()
    topics: dict[str, str] = {}
    for name in ("config", "offset", "status"):
        topics[f"{name}_storage_topic"] = f"connect-{name}"
        topics[f"{name}_storage_replication_factor"] = "1"
    config = worker(
        folder, broker, port, group_id="connect", exactly_once_source_support="enabled", **topics
    )
    one = Worker(folder, "ConnectDistributed", config)
    try:
        for each in connectors(folder, "distributed"):
            put(port, each)
        wait_for_lines(folder, LINES, 90)
        one.kill()
        append(folder, LINES, LINES)
        one = Worker(folder, "ConnectDistributed", config)
        found = wait_for_lines(folder, 2 * LINES, 120)
    finally:
        one.stop()
    records = read_topic(broker.address, "distributed", 2 * LINES)
    if records != [f"line-{n}" for n in range(2 * LINES)]:
        return f"the topic has {len(records)} records, {len(set(records))} of them different"
    return "" if len(found) == 2 * LINES else f"{len(found)} of {2 * LINES} lines in the sink"


def run() -> Iterator[Row]:
    """A row for each way to run it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with BrokerProcess(str(folder / "broker"), num_partitions=1) as broker:
            for scenario in (standalone, distributed):
                wrong = scenario(folder / scenario.__name__, broker)
                outcome = "failed" if wrong else "passed"
                yield Row("connect", scenario.__name__, outcome, wrong)
