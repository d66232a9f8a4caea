r"""W1 from a topic to alerts in a topic, exactly once: our worker, Flink, Quix Streams, in one run.

    python -m bench.flow.peers [--events N] [--quix PYTHON] [--flink DIR --connector JAR]

One broker, one topic, one after the other; CPU-seconds are those of the whole process tree of each.
A peer's include its start (for Flink a virtual machine that has to warm up), so each peer runs
twice, over all events and over the first hundredth of them: what the rest costs is told too. Ours
are without its start, for a worker stays. Flink's and our alerts must be those of the closed form;
Quix Streams knows no order by event time, so its alerts are only counted.

    python -m venv quix && quix/bin/pip install quixstreams
    python -m venv flink && flink/bin/pip install apache-flink-libraries==2.3.0
    mvn dependency:get -Dtransitive=false \
        -Dartifact=org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2

`--quix quix/bin/python`; `--flink` is the folder `pyflink` of that environment. Flink takes a JDK.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from bench.broker.harness import broker, cpu_s, show
from bench.cep.w1_data import Workload, generate
from bench.flow import w1
from bench.flow.harness import TOPIC

from summit.client import Admin, LogReader, TopicConfig

CHECKPOINT_MS = 1_000
TIMEOUT_S = 420
QUIX = Path(__file__).with_name("quix.py")
FLINK = Path(__file__).with_name("flink") / "W1.java"
OPENED = [
    "java.base/java.lang", "java.base/java.util", "java.base/java.time", "java.base/java.net",
    "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
]  # fmt: skip


def run(command: list[str]) -> tuple[str, float, float]:
    """What a program prints, its CPU-seconds with all its children, and its seconds."""
    begun_s = time.perf_counter()
    before = os.times()
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    after = os.times()
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    spent = after.children_user - before.children_user
    spent += after.children_system - before.children_system
    return done.stdout, spent, time.perf_counter() - begun_s


class Flink:
    """The job in a virtual machine of its own."""

    name = "flink"
    order = "eventTime"

    def __init__(self, folder: Path, connector: Path, work: Path) -> None:
        self._classes = work / "classes"
        self._work = work
        self._path = f"{folder}/lib/*:{connector}"
        run(["javac", "-nowarn", "-d", str(self._classes), "-cp", self._path, str(FLINK)])

    def command(self, server: str, topic: str, alerts: str) -> list[str]:
        """What runs it."""
        opened = [part for each in OPENED for part in ("--add-opens", f"{each}=ALL-UNNAMED")]
        return [
            "java", "-Xmx1g", *opened, "-cp", f"{self._classes}:{self._path}", "W1", server,
            topic, alerts, str(CHECKPOINT_MS), str(self._work / alerts),
        ]  # fmt: skip


class Quix:
    """The script, run by the Python that has Quix Streams."""

    name = "quix"
    order = "arrival"

    def __init__(self, python: str, work: Path) -> None:
        self._python = python
        self._work = work

    def command(self, server: str, topic: str, alerts: str) -> list[str]:
        """What runs it."""
        state = str(self._work / alerts)
        return [self._python, str(QUIX), server, state, topic, alerts]


async def read(server: str, topic: str) -> list[Any]:
    """Everything in a topic of one partition, read committed."""
    config = {"bootstrapServers": server}
    found: list[Any] = []
    async with Admin(config) as admin, LogReader(config, committed=True) as reader:
        (first, end) = (await admin.offsets(topic, committed=True))[0]
        async for records in reader.read(topic, 0, first, end):
            found += [msgspec.json.decode(record.value or b"null") for record in records]
    return found


async def measure(peer: Flink | Quix, workload: Workload, few: int, server: str, pid: int) -> None:
    """Run a peer over few events, then over all. Quix Streams waits for 10 s at the end."""
    events = len(workload.values)
    start_s = 0.0
    for topic, count in ((f"{TOPIC}-few", few), (TOPIC, events)):
        alerts = f"{peer.name}-{count}"
        async with Admin({"bootstrapServers": server}) as admin:
            await admin.create_topic(TopicConfig(name=alerts, partitions=1, retention_ms=-1))
        broker_s = cpu_s(pid)
        command = peer.command(server, topic, alerts)
        _, spent, took_s = await asyncio.to_thread(run, command)
        broker_s = cpu_s(pid) - broker_s
        if count == few:
            start_s = spent
    found = await read(server, alerts)
    exact = sorted((str(a["user"]), a["firstSeen"], a["lastSeen"]) for a in found)
    line: dict[str, Any] = {
        "peer": peer.name, "order": peer.order, "events": events, "alerts": len(found),
        "alerts_correct": exact == sorted(workload.expected), "cpu_s": round(spent, 2),
        "start_cpu_s": round(start_s, 2), "broker_cpu_s": round(broker_s, 2),
        "events_per_cpu_s": round(events / spent),
        "events_per_cpu_s_without_start": round((events - few) / max(0.01, spent - start_s)),
        "events_per_s": round(events / took_s),
    }  # fmt: skip
    show("flow.peers", **line)


async def measure_all(arguments: argparse.Namespace, server: str, pid: int, work: Path) -> None:
    """Ours, then the peers that are there."""
    workload = generate(arguments.events)
    few = arguments.events // 100
    peers: list[Flink | Quix] = []
    if arguments.flink:
        peers.append(Flink(Path(arguments.flink), Path(arguments.connector), work))
    if arguments.quix:
        peers.append(Quix(arguments.quix, work))
    ours = argparse.Namespace(order="eventTime", relevance=11, guarantee="exactly-once", workers=1)
    await w1.measure(ours, workload, server, pid)
    if peers:
        first = Workload(workload.values[:few], workload.arrivals_ms[:few], [])
        await w1.fill(server, first, topic=f"{TOPIC}-few")
    for peer in peers:
        await measure(peer, workload, few, server, pid)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--quix", help="Python of an environment with quixstreams")
    parser.add_argument("--flink", help="folder pyflink of one with apache-flink-libraries")
    parser.add_argument("--connector", help="jar flink-sql-connector-kafka")
    arguments = parser.parse_args()
    if arguments.flink and not arguments.connector:
        sys.exit("--flink takes --connector JAR")
    with (
        tempfile.TemporaryDirectory() as data_dir,
        tempfile.TemporaryDirectory() as work,
        broker(data_dir, durability="fsync", auto_create_topics="false") as (pid, port),
    ):
        asyncio.run(measure_all(arguments, f"127.0.0.1:{port}", pid, Path(work)))


if __name__ == "__main__":
    main()
