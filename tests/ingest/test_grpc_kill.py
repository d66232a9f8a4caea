"""gRPC streams over kill -9 of the collector and of the broker: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.ingest.test_remembering import collecting, written
from tests.interop.processes import BrokerProcess

from summit.ingest.grpc.stub import IngestStub, PublishRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
CONFIG = {
    "name": "g", "type": "grpc", "port": 0, "topic": "t",
    "grpc": {"acks": "cumulative", "ackTimeoutMs": 3000},
}  # fmt: skip
DEADLINE_S = 120


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(str(tmp_path), durability="os")
    process.start()
    yield process
    process.kill()


class Sending:
    """One stream of a client that names itself: it sends what comes after the last that is done."""

    def __init__(self, address: str, until_n: int) -> None:
        self.acked = 0
        self.is_over = threading.Event()
        self._channel = grpc.insecure_channel(address)
        self._until_n = until_n
        self._start: queue.Queue[int] = queue.Queue()
        self._call = IngestStub(self._channel).PublishStream(
            self._requests(), metadata=(("summit-client", "c"),), timeout=DEADLINE_S
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _requests(self) -> Iterator[PublishRequest]:
        seq = self._start.get(timeout=DEADLINE_S)
        for n in range(seq + 1, self._until_n + 1):
            if self.is_over.is_set():
                return
            yield PublishRequest(seq=n, json=b'{"n": %d}' % n)

    def _read(self) -> None:
        try:
            metadata: Any = dict(self._call.initial_metadata())
            self.acked = int(metadata["summit-seq"])
            self._start.put(self.acked)
            for ack in self._call:
                assert not ack.refusal.code, ack
                self.acked = max(self.acked, ack.seq)
        except (grpc.RpcError, KeyError):
            self._start.put(self._until_n)
        finally:
            self.is_over.set()

    def wait_for(self, n: int) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while self.acked < n and not self.is_over.is_set():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def close(self) -> None:
        self.is_over.set()
        self._call.cancel()
        self._reader.join(30)
        self._channel.close()


def test_the_broker_is_killed_under_a_stream(broker: BrokerProcess) -> None:
    total, acked, kills = 4_000, 0, 0
    deadline = time.monotonic() + DEADLINE_S
    with collecting(broker.address, CONFIG) as (_, address):
        while acked < total:
            assert time.monotonic() < deadline, acked
            sending = Sending(address, total)
            sending.wait_for(acked + 300)
            if kills < 3:
                kills += 1
                broker.kill()
                broker.start()
            sending.wait_for(total)
            sending.close()
            assert sending.acked >= acked  # what was told as done stays done
            acked = sending.acked
    assert kills
    assert sorted(written(broker.address, "t")) == [*range(1, total + 1)]


def test_the_collector_is_killed_under_a_stream(broker: BrokerProcess) -> None:
    total, acked = 0, 0
    for round_ in range(3):
        total += 600
        with collecting(broker.address, CONFIG) as (child, address):
            sending = Sending(address, total)
            sending.wait_for(acked + 200 if round_ < 2 else total)
            if round_ < 2:
                os.kill(child.pid, signal.SIGKILL)
            assert sending.acked >= acked
            acked = sending.acked
            sending.close()
    assert acked == total
    assert sorted(written(broker.address, "t")) == [*range(1, total + 1)]
