"""A file collector that is killed again and again writes every event exactly once, in order.

The collector is a process of its own, the broker a real one; both directions are checked: no
event is missing, none is doubled, and each file's events stand in the order of its lines.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.interop.processes import BrokerProcess

from summit.broker import BrokerSettings, BrokerThread

PROGRAM = Path(__file__).with_name("collecting.py")
KILLS = 8
ROTATED_LINES = 100_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerThread]:
    settings = BrokerSettings(port=0, data_dir=str(tmp_path / "data"), durability="os")
    thread = BrokerThread(settings)
    thread.start()
    yield thread
    thread.stop()


class Child:
    """The collector's process and what it has printed."""

    def __init__(self, broker: BrokerThread | BrokerProcess, config: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), f"127.0.0.1:{broker.port}", json.dumps(config)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
        self.process.stdout.close()

    def wait_for(self, word: str, timeout_s: float = 180) -> None:
        deadline = time.monotonic() + timeout_s
        while not any(line.startswith((word, "done")) for line in list(self.lines)):
            assert self.process.poll() is None, self.lines[-3:]
            assert time.monotonic() < deadline, f"no '{word}' from the collector"
            time.sleep(0.002)

    def kill(self) -> None:
        self.process.kill()
        self.finish(10)

    def finish(self, timeout_s: float = 30) -> None:
        self.process.wait(timeout_s)
        self._reader.join(timeout_s)


def read_topic(broker: BrokerThread | BrokerProcess, topic: str) -> list[Any]:
    """Every record of a topic, by a foreign client, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{broker.port}",
            "group.id": "check",
            "enable.auto.commit": False,
        }
    )
    try:
        metadata = consumer.list_topics(topic, timeout=90).topics[topic]
        if metadata.error is not None:
            return []
        found: list[Any] = []
        for partition in sorted(metadata.partitions):
            part = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(part, timeout=90)
            consumer.assign([part])
            count = 0
            while count < end:
                records = consumer.consume(10_000, 5)
                assert records, f"records {count} to {end} do not come"
                found += records
                count += len(records)
        return found
    finally:
        consumer.close()


def sources(records: list[Any]) -> list[tuple[str, int, int]]:
    found = []
    for record in records:
        text = dict(record.headers())["summit.src"].decode()
        _, identity, offset, sub = text.split(":")
        found.append((identity, int(offset), int(sub)))
    return found


def kill_while_reading(broker: BrokerThread, config: dict[str, Any], rand: random.Random) -> int:
    """Start the collector and kill it in the middle, KILLS times, then let it finish."""
    in_the_middle = 0
    for _ in range(KILLS):
        child = Child(broker, config)
        child.wait_for("data")
        time.sleep(rand.uniform(0, 0.06))
        in_the_middle += "done" not in child.lines
        child.kill()
    child = Child(broker, config)
    child.wait_for("done", 120)
    child.finish()
    return in_the_middle


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_batch_jsonl_with_dead_letters(broker: BrokerThread, tmp_path: Path) -> None:
    rand = random.Random(7)
    path = tmp_path / "events.jsonl"
    expected: list[int] = []
    bad: list[int] = []
    with path.open("wb") as out:
        for number in range(160_000):
            if rand.random() < 0.0005:
                bad.append(out.tell())
                out.write(b"{broken\n" * rand.randint(1, 3))
                bad += range(bad[-1] + 8, out.tell(), 8)
            expected.append(out.tell())
            out.write(b'{"n":%d,"pad":"%s"}\n' % (number, b"x" * 100))
    config = {
        "name": "kill",
        "type": "file",
        "topic": "events",
        "path": str(path),
        "file": {"mode": "batch", "format": "jsonl"},
    }
    assert kill_while_reading(broker, config, rand) >= KILLS // 2
    assert [offset for _, offset, _ in sources(read_topic(broker, "events"))] == expected
    assert [offset for _, offset, _ in sources(read_topic(broker, "events.dlq"))] == bad


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_in_the_middle_of_repeated_lines(broker: BrokerThread, tmp_path: Path) -> None:
    rand = random.Random(3)
    path = tmp_path / "auth.log"
    expected: list[tuple[int, int]] = []
    with path.open("w") as out:
        for number in range(1200):
            failed = f"Failed password for root from 192.0.2.{number % 250} port 4022 ssh2"
            count = rand.choice([1, 1, 5, 900])
            message = failed if count == 1 else f"message repeated {count} times: [ {failed}]"
            expected += [(out.tell(), sub) for sub in range(count)]
            out.write(f"Dec 10 07:13:{number % 60:02} LabSZ sshd[{number}]: {message}\n")
    config = {
        "name": "kill",
        "type": "file",
        "topic": "auth",
        "path": str(path),
        "file": {"mode": "batch", "format": "sshd"},
    }
    assert kill_while_reading(broker, config, rand) >= 1
    places = [(offset, sub) for _, offset, sub in sources(read_topic(broker, "auth"))]
    assert places == expected


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_tail_through_rotations(broker: BrokerThread, tmp_path: Path) -> None:
    rand = random.Random(11)
    path = tmp_path / "app.log"
    written: list[str] = []
    stop = threading.Event()

    def write() -> None:
        number = rotation = 0
        out = path.open("w")
        while not stop.is_set():
            pause_s = 0.01 if number < ROTATED_LINES else 0.1  # not without bound on a slow machine
            for _ in range(rand.randint(1, 400) if number < ROTATED_LINES else 10):
                text = f"line {number}"
                written.append(text)
                out.write(text + "\n")
                number += 1
            out.flush()
            if rand.random() < 0.05:
                rotation += 1
                path.rename(tmp_path / f"app.log.{rotation}")
                out.write(f"late {rotation}\n")
                written.append(f"late {rotation}")
                out.close()
                out = path.open("w")
            stop.wait(pause_s)
        out.close()

    config = {
        "name": "kill",
        "type": "file",
        "topic": "lines",
        "path": str(tmp_path / "app.log*"),
        "file": {"mode": "tail", "pollIntervalMs": 20},
    }
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(KILLS):
            child = Child(broker, config)
            child.wait_for("data")
            time.sleep(rand.uniform(0, 0.5))
            child.kill()
    finally:
        stop.set()
        writer.join()
    config["file"] = {"mode": "batch"}
    child = Child(broker, config)
    child.wait_for("done")
    child.finish()
    records = read_topic(broker, "lines")
    messages = [json.loads(record.value())["message"] for record in records]
    assert len(messages) == len(written)
    assert sorted(messages) == sorted(written)
    by_file: dict[str, list[tuple[int, int]]] = {}
    for identity, offset, sub in sources(records):
        by_file.setdefault(identity, []).append((offset, sub))
    assert len(by_file) > 1
    assert all(places == sorted(places) for places in by_file.values())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_broker_is_killed_instead(tmp_path: Path) -> None:
    rand = random.Random(5)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(b'{"n":%d}\n' % number for number in range(200_000)))
    config = {
        "name": "kill",
        "type": "file",
        "topic": "events",
        "path": str(path),
        "file": {"mode": "batch", "format": "jsonl"},
    }
    broker = BrokerProcess(str(tmp_path / "data"), durability="os")
    broker.start()
    try:
        child = Child(broker, config)
        child.wait_for("data")
        for _ in range(5):
            time.sleep(rand.uniform(0, 0.3))
            broker.kill()
            broker.start()
        child.wait_for("done", 120)
        child.finish()
        numbers = [json.loads(record.value())["n"] for record in read_topic(broker, "events")]
        assert numbers == [*range(200_000)]
    finally:
        broker.kill()
