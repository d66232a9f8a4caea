"""What the runtime's benchmarks share: a broker and workers as processes, rules, paused inputs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.broker.harness import cpu_s

from summit.alerts import Alert, decode_alert
from summit.base.clock import SystemClock
from summit.client import Admin, LogReader
from summit.documents import FLOW_ID
from summit.journal.definitions import Definitions
from summit.journal.progress import Progress, ProgressFollower

TOPIC = "events"


@contextmanager
def worker(server: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process, ready; `options` are more of its command line."""
    child = subprocess.Popen(
        [sys.executable, "-m", "summit", "worker", "-b", server, "--log-level", "error", *options],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        json.loads(child.stdout.readline())
        yield child
    finally:
        child.terminate()
        child.wait(60)
        if child.stdout is not None:
            child.stdout.close()


async def publish(server: str, *documents: dict[str, Any]) -> None:
    """Put definitions into force."""
    definitions = Definitions([server])
    await definitions.start()
    try:
        for document in documents:
            await definitions.publish(document)
    finally:
        await definitions.stop()


async def pause(server: str, *, paused: bool) -> None:
    """Let workers rest from the topic of the bench, or go on."""
    topics = [TOPIC] if paused else []
    document = {"kind": "flow", "id": FLOW_ID, "paused": {"topics": topics, "rules": []}}
    await publish(server, document)


async def settled(
    server: str, done: Callable[[Progress], bool], timeout_s: float
) -> tuple[float, Progress]:
    """Seconds until what the workers have told satisfies `done`; and what they have told."""
    follower = ProgressFollower([server], SystemClock())
    await follower.start()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            while not done(follower.progress):
                await asyncio.sleep(0.02)
        return time.perf_counter() - began, follower.progress
    finally:
        await follower.stop()


async def ends(server: str, topic: str = TOPIC) -> dict[str, int]:
    """Where the partitions of a topic end."""
    async with Admin({"bootstrapServers": server}) as admin:
        return {f"{topic}/{n}": end for n, (_, end) in (await admin.offsets(topic)).items()}


async def alerts(server: str) -> list[Alert]:
    """All alerts, read committed."""
    config = {"bootstrapServers": server}
    found: list[Alert] = []
    async with Admin(config) as admin, LogReader(config, committed=True) as reader:
        for partition, (first, end) in (await admin.offsets("alerts", committed=True)).items():
            async for records in reader.read("alerts", partition, first, end):
                found += [decode_alert(record.value or b"") for record in records]
    return found


class Cpu:
    """CPU-seconds of some processes from here on."""

    def __init__(self, *pids: int) -> None:
        self._began = {pid: cpu_s(pid) for pid in pids}

    def spent(self) -> dict[int, float]:
        """By process."""
        return {pid: cpu_s(pid) - began for pid, began in self._began.items()}
