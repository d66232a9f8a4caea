"""What kill rounds break: a broker (ours, or a cluster of Apache Kafka) and worker processes."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from tests.clusters import CONFIGS
from tests.flow.worker_process import WorkerProcess

from summit.cluster import KafkaCluster

SESSION_MS = 1_500
TRANSACTION_MS = 3_000
WORKERS_MAX = 3


class BackEnd(Protocol):
    """Brokers that can be killed."""

    servers: list[str]

    async def start(self) -> None:
        """Start all."""

    async def kill(self, rand: random.Random) -> None:
        """Kill one without a goodbye; return when it is back."""

    async def stop(self) -> None:
        """End all."""


class Embedded:
    """Our broker, `fsync`, in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self._child: subprocess.Popen[str] | None = None
        self.servers: list[str] = []

    async def start(self) -> None:
        child = subprocess.Popen(
            [sys.executable, "-m", "summit.broker", f"port={self._port}",
             f"data_dir={self._directory}", "num_partitions=2", "auto_create_topics=false",
             "group_min_session_timeout_ms=100"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        line = await asyncio.to_thread(child.stdout.readline)
        self._child, self._port = child, json.loads(line)["port"]
        self.servers = [f"127.0.0.1:{self._port}"]

    async def kill(self, rand: random.Random) -> None:
        self._end(signal.SIGKILL)
        await asyncio.sleep(rand.random() * 2)
        await self.start()

    async def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            child.send_signal(number)
            child.wait(60)
            if child.stdout is not None:
                child.stdout.close()
            self._child = None


class Kafka:
    """Three brokers of Apache Kafka; one is killed at a time."""

    def __init__(self, directory: Path) -> None:
        self._cluster = KafkaCluster(directory, brokers=3, configs=CONFIGS)
        self.servers: list[str] = []

    async def start(self) -> None:
        status = await self._cluster.up()
        self.servers = status.bootstrap_servers.split(",")

    async def kill(self, rand: random.Random) -> None:
        node = rand.randint(1, 3)
        self._cluster.kill_node(node)
        await asyncio.sleep(rand.random() * 4)
        await self._cluster.start_node(node)

    async def stop(self) -> None:
        await self._cluster.down()


BACK_ENDS = {"embedded": Embedded, "kafka": Kafka}


class Paused(WorkerProcess):
    """A worker that can be stopped for a while, as a virtual machine that is moved."""

    def pause(self) -> None:
        """It does nothing from now on, and does not know."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)


class Workers:
    """The workers of one run."""

    def __init__(self, rand: random.Random, guarantee: str) -> None:
        self._rand = rand
        self._guarantee = guarantee
        self.alive: list[Paused] = []
        self.killed = self.started = 0
        self.slow_stops = 0  # that were not over after 20 s

    async def add(self, servers: list[str], *, wait: bool = True) -> None:
        """One more."""
        settings: dict[str, Any] = {
            "sessionTimeoutMs": SESSION_MS, "transactionTimeoutMs": TRANSACTION_MS,
            "guarantee": self._guarantee, "standby": int(self._rand.random() < 0.25),
            "retryBackoffMaxMs": 500,
        }  # fmt: skip
        worker = await asyncio.to_thread(Paused, servers, **settings)
        self.started += 1
        self.alive.append(worker)
        if wait:
            await asyncio.to_thread(worker.wait_active)

    def kill(self) -> None:
        """Kill one of them, if there is one."""
        if self.alive:
            self.alive.pop(self._rand.randrange(len(self.alive))).kill()
            self.killed += 1

    async def stop_one(self) -> None:
        """Let one of them go in order."""
        if self.alive:
            worker = self.alive.pop(self._rand.randrange(len(self.alive)))
            try:
                await asyncio.to_thread(worker.stop)
            except subprocess.TimeoutExpired:  # it was killed then
                self.slow_stops += 1

    async def freeze(self) -> None:
        """Stop one for longer than its session and its transaction may last."""
        if self.alive:
            worker = self._rand.choice(self.alive)
            worker.pause()
            await asyncio.sleep((SESSION_MS + self._rand.randrange(3_000)) / 1000)
            worker.resume()

    def end(self) -> None:
        """Kill all."""
        for worker in self.alive:
            worker.resume()
            worker.kill()
        self.alive.clear()
