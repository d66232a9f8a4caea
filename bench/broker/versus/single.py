"""Single acknowledged sends by librdkafka, to all brokers in turn.

The brokers run side by side and each is asked for 1,000 sends at a time: what else the machine does
in a second meets them all. Wall-clock figures of a shared machine are worth nothing otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.broker.harness import cpu_s, percentile, show
from bench.broker.versus.peers import Peer
from bench.broker.versus.topics import PATIENCE_S, create

SENDS = 1_000
WARM_UP = 2_000


class _Client:
    def __init__(self, peer: Peer) -> None:
        from confluent_kafka import Producer

        create(peer, "single", 1)
        self.peer = peer
        self.found: list[float] = []
        self.cpu_s = self.queued_s = 0.0
        # A broker that has stopped by the time a producer ends is no news.
        self._producer: Any = Producer(
            {"bootstrap.servers": f"127.0.0.1:{peer.port}", "linger.ms": 0, "acks": "all",
             "log_level": 0}
        )  # fmt: skip

    def send(self, count: int) -> list[float]:
        """Send one by one. Returns: Microseconds of each."""
        found = []
        for _ in range(count):
            begun = time.perf_counter()
            self._producer.produce("single", b"x" * 100, partition=0)
            self._producer.flush(PATIENCE_S)
            found.append((time.perf_counter() - begun) * 1e6)
        return found

    def measure(self) -> None:
        """One turn."""
        cpu, queued = cpu_s(self.peer.pid), queued_s(self.peer.pid)
        self.found += self.send(SENDS)
        self.cpu_s += cpu_s(self.peer.pid) - cpu
        self.queued_s += queued_s(self.peer.pid) - queued


def sends(peers: Sequence[Peer], rounds: int) -> None:
    """Measure them in turn and show a row for each."""
    clients = [_Client(peer) for peer in peers]
    for client in clients:
        client.send(WARM_UP)
    for _ in range(rounds):
        for client in clients:
            client.measure()
    for client in clients:
        found = sorted(client.found)
        show("single sends", broker=client.peer.name, p50_us=percentile(found, 0.5),
             p99_us=percentile(found, 0.99), p999_us=percentile(found, 0.999),
             us_cpu_per_send=1e6 * client.cpu_s / len(found),
             us_queued_per_send=1e6 * client.queued_s / len(found))  # fmt: skip


def queued_s(pid: int) -> float:
    """Seconds that a process's threads, those that live, were ready and had no processor."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[1])
        except OSError:  # it has ended
            continue
    return total / 1e9
