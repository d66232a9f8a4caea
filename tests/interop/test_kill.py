"""`kill -9` under load: nothing acknowledged is lost, nothing is doubled, the order is kept."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tests.broker.test_groups_on_the_wire import commit_request, committed
from tests.broker.wire import Wire
from tests.interop.processes import BrokerProcess

from summit.protocol.offset_commit import OFFSET_COMMIT

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = {"fsync": 52, "interval": 6, "os": 6}
PARTITIONS = 3


class Load:
    """An idempotent acks=all producer that never stops, whatever happens to its broker."""

    def __init__(self, address: str, topic: str) -> None:
        self.topic = topic
        self.acked: dict[int, dict[int, int]] = {p: {} for p in range(PARTITIONS)}  # offset → n
        self.failed: list[Any] = []
        self.count = 0
        self._end = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "batch.num.messages": 50,
                "queue.buffering.max.messages": 5_000,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 50,
                "retry.backoff.ms": 20,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            n = self.count
            with contextlib.suppress(BufferError):
                self._producer.produce(
                    self.topic,
                    b"%d" % n,
                    partition=n % PARTITIONS,
                    on_delivery=lambda error, message, n=n: self._delivered(error, message, n),
                )
                self.count += 1
            self._producer.poll(0.0005)

    def _delivered(self, error: Any, message: Any, n: int) -> None:
        if error is not None:
            self.failed.append((n, str(error)))
        else:
            self.acked[message.partition()][message.offset()] = n

    def stop(self) -> None:
        self._end.set()
        self._thread.join()
        assert self._producer.flush(60) == 0

    @property
    def acked_count(self) -> int:
        return sum(map(len, self.acked.values()))


class Committer:
    """Commits 1, 2, 3, … and remembers the last that was acknowledged."""

    def __init__(self, port: int, topic: str) -> None:
        self._port, self._topic = port, topic
        self.last_acked = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        offset = 0
        while not self._end.is_set():
            try:
                with Wire(self._port, timeout_s=2) as wire:
                    while not self._end.wait(0.002):
                        offset += 1
                        request = commit_request("killed", self._topic, offset)
                        answer = wire.ask(OFFSET_COMMIT, 8, request)
                        if answer.topics[0].partitions[0].error_code == 0:
                            self.last_acked = offset
            except (OSError, EOFError):
                self._end.wait(0.05)

    def stop(self) -> None:
        self._end.set()
        self._thread.join()


def read_all(address: str, topic: str, partition: int) -> list[int]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "reader",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[int] = []
    end = time.monotonic() + 60
    while time.monotonic() < end:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error() is not None:
            break
        assert message.offset() == len(found), "an offset is missing or doubled"
        found.append(int(message.value()))
    consumer.close()
    return found


@pytest.mark.parametrize("durability", list(KILLS))
def test_kill_under_load(tmp_path: Path, durability: str) -> None:
    """A kill spares the page cache, so that this holds in every durability."""
    chance = random.Random(20)
    broker = BrokerProcess(
        str(tmp_path),
        durability=durability,
        log_segment_bytes=200_000,
        wal_file_bytes=1 << 20,
        checkpoint_interval_ms=150,
    ).start()
    with Wire(broker.port) as wire:
        assert wire.create_topic("killed", PARTITIONS).error_code == 0
    load = Load(broker.address, "killed")
    committer = Committer(broker.port, "killed")
    try:
        for _ in range(KILLS[durability]):
            before = load.acked_count
            end = time.monotonic() + 90
            while load.acked_count == before:
                assert time.monotonic() < end, f"no progress after a restart: {load.failed[:3]}"
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.5))
            broker.kill()
            at_least = committer.last_acked
            broker.start()
            with Wire(broker.port) as wire:
                assert committed(wire, "killed", "killed").committed_offset >= at_least
    finally:
        committer.stop()
        load.stop()
    assert load.failed == []
    assert load.acked_count == load.count
    for partition, acked in load.acked.items():
        found = read_all(broker.address, "killed", partition)
        assert {offset: found[offset] for offset in acked} == acked, "acknowledged and lost"
        assert found == list(range(partition, load.count, PARTITIONS)), "order, or doubled"
    assert broker.stop() == 0
    assert load.count > 50 * KILLS[durability]
