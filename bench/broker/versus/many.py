"""Thousands of partitions: made, stopped, started, a record in each, killed, started, stopped.

A start counts until a partition of the last topic serves. Rows are shown as they are known: a
broker that does not come to an end has shown how far it came.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from bench.broker import small
from bench.broker.harness import cpu_s, one_record, produce_frame, rss_mb, show
from bench.broker.versus.peers import Peer
from bench.broker.versus.topics import PATIENCE_S, create, wait_led

_OF_A_TOPIC = 100


def measure(start: Callable[..., Any], path: str, count: int) -> None:
    """Measure one broker: `start` runs it over a directory, as often as it is called."""
    topics = [f"many{n}" for n in range(max(1, count // _OF_A_TOPIC))]
    with start(path) as peer:
        begun, cpu = time.perf_counter(), cpu_s(peer.pid)
        for topic in topics:
            create(peer, topic, _OF_A_TOPIC)
        _show(peer, "made", begun, cpu)
        begun = time.perf_counter()
    show("many partitions", broker=peer.name, step="stopped", s=time.perf_counter() - begun)
    begun = time.perf_counter()
    with start(path) as peer:
        wait_led(peer, topics[-1], _OF_A_TOPIC)
        _show(peer, "started", begun)
        begun, cpu = time.perf_counter(), cpu_s(peer.pid)
        _write(peer, topics)
        _show(peer, "a record in each", begun, cpu)
        os.kill(peer.pid, signal.SIGKILL)
    begun = time.perf_counter()
    with start(path) as peer:
        wait_led(peer, topics[-1], _OF_A_TOPIC)
        _show(peer, "started after kill -9", begun)
        begun = time.perf_counter()
    show("many partitions", broker=peer.name, step="stopped", s=time.perf_counter() - begun)
    begun = time.perf_counter()
    with start(path) as peer:
        wait_led(peer, topics[-1], _OF_A_TOPIC)
        _show(peer, "started", begun)


def _show(peer: Peer, step: str, begun: float, cpu: float = 0.0) -> None:
    show("many partitions", broker=peer.name, step=step, s=time.perf_counter() - begun,
         cpu_s=cpu_s(peer.pid) - cpu, rss_mb=rss_mb(peer.pid), load=os.getloadavg()[0])  # fmt: skip


def _write(peer: Peer, topics: list[str]) -> None:
    batch = one_record(b"x" * 100)
    with small.connect(peer.port) as connection:
        connection.settimeout(PATIENCE_S)
        for topic in topics:
            for index in range(_OF_A_TOPIC):
                connection.sendall(produce_frame(topic, batch, partition=index))
                small.read_frame(connection)
