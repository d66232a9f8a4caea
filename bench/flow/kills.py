"""Workers and brokers die under load, round after round: nothing is lost, nothing is doubled.

    python -m bench.flow.kills [--back-end embedded|kafka] [--rounds 40] [--seed 1] [--workers 0]
                               [--guarantee exactly-once|at-least-once] [--seconds 400]

In each round something happens at a random moment, while bursts of events are sent on and on: a
worker or a broker is killed (SIGKILL), both at once, a worker stops in order, one more joins, one
is frozen for longer than its session lasts, rules change. Every fifteen rounds, and at the end, all
that was written is compared with `kill_load.expected`: alerts of patterns and window rules,
forwarded events, patterns that others start, correlated groups, results of a query. Exactly once,
each must be there as often as the reference says when read committed; at least once alerts may
stand twice under their id, and nothing else. The ids of alerts and groups must be those of one
engine that reads the log in one go. What was sent must stand in the log once.

A line of JSON for every comparison; exits 1 at the first difference and keeps the directory. One
seed gives the same events and the same sequence of faults; their moments are those of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.broker.harness import show
from bench.flow.kill_check import Written, differences, read_inputs, read_written, reference
from bench.flow.kill_load import (
    DOCUMENTS,
    FORWARDED,
    PARTITIONS,
    TOPICS,
    Traffic,
    dumped,
    harmless,
)
from bench.flow.kill_system import BACK_ENDS, WORKERS_MAX, BackEnd, Workers

from summit.client import ClusterAdmin, StreamProducer, TopicConfig
from summit.journal.alert_follower import AlertFollower
from summit.journal.definitions import Definitions
from summit.journal.topics import CORRELATIONS_TOPIC, WAIT_HEADER

CHECK_EVERY = 15
SETTLE_MS = 120_000


class Rounds:
    """One run: a back end, workers, traffic, and what has happened."""

    def __init__(self, back_end: BackEnd, arguments: argparse.Namespace) -> None:
        self.back_end = back_end
        self.arguments = arguments
        self.rand = random.Random(arguments.seed)
        self.traffic = Traffic(random.Random(arguments.seed + 1))
        self.workers = Workers(random.Random(arguments.seed + 2), arguments.guarantee)
        self.sent: list[tuple[str, int, int, str]] = []
        self.faults: Counter[str] = Counter()
        self.wanted = arguments.workers or self.rand.randint(1, WORKERS_MAX)
        self._may_send = asyncio.Event()
        self._is_over = False
        self._changes = 0

    async def run(self) -> bool:
        """All rounds; whether nothing differed."""
        servers = self.back_end.servers
        await self._make_topics()
        self.definitions = Definitions(servers)
        self.alerts = AlertFollower(servers)
        config = {
            "bootstrapServers": servers, "lingerMs": 20, "deliveryTimeoutMs": 300_000,
            "retries": 1_000_000,
        }  # fmt: skip
        async with StreamProducer(config) as producer:
            self.producer = producer
            await asyncio.gather(self.definitions.start(), self.alerts.start())
            sending = asyncio.create_task(self._send_on())
            try:
                for document in DOCUMENTS:
                    await self.definitions.publish(document)
                for _ in range(self.wanted):
                    await self.workers.add(servers)
                self._may_send.set()
                return await self._rounds(sending)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                self.workers.end()
                await asyncio.gather(self.definitions.stop(), self.alerts.stop())

    async def _rounds(self, sending: asyncio.Task[None]) -> bool:
        arguments = self.arguments
        until = time.monotonic() + arguments.seconds
        done = 0
        while done < arguments.rounds and time.monotonic() < until:
            await asyncio.sleep(self.rand.random() * 1.5)
            if sending.done():
                await sending
            await self._fault()
            done += 1
            if done % CHECK_EVERY == 0 and not await self._check(done):
                return False
        return done % CHECK_EVERY == 0 or await self._check(done)

    async def _make_topics(self) -> None:
        async with ClusterAdmin({"bootstrapServers": self.back_end.servers}) as admin:
            for name in TOPICS:
                await admin.create_if_missing(
                    TopicConfig(name=name, partitions=PARTITIONS, retention_ms=-1)
                )
            # Nothing may go of what is counted: neither what is told of a group first, by
            # compaction, nor forwarded events, which have the times of years ago.
            for name in (CORRELATIONS_TOPIC, FORWARDED):
                await admin.create_if_missing(TopicConfig(name=name, partitions=1, retention_ms=-1))

    async def _send_on(self) -> None:
        """Burst after burst; one at a time, so that event time goes forward in every partition."""
        while True:
            await self._may_send.wait()
            self._is_over = False
            await self._send(*self.traffic.burst())
            self._is_over = True
            await asyncio.sleep(0.03)

    async def _send(self, topic: str, partition: int, events: list[dict[str, Any]]) -> int:
        values = [dumped(event) for event in events]
        results = await self.producer.send_batch(
            [
                {"topic": topic, "partition": partition, "value": value,
                 "headers": {WAIT_HEADER: b"1"}}
                for value in values
            ]
        )  # fmt: skip
        self.sent += [
            (topic, partition, result.offset, value)
            for result, value in zip(results, values, strict=True)
        ]
        return results[-1].offset

    async def _fault(self) -> None:
        rand, workers, servers = self.rand, self.workers, self.back_end.servers
        what = rand.choices(
            ["kill", "kill all", "broker", "broker and worker", "stop", "join", "freeze", "rules"],
            [30, 8, 14, 8, 10, 12, 10, 8],
        )[0]
        if what == "join" and len(workers.alive) >= WORKERS_MAX:
            what = "stop"
        self.faults[what] += 1
        if what == "kill":
            workers.kill()
        elif what == "kill all":
            while workers.alive:
                workers.kill()
        elif what == "broker":
            await self.back_end.kill(rand)
        elif what == "broker and worker":
            workers.kill()
            await self.back_end.kill(rand)
        elif what == "stop":
            await workers.stop_one()
        elif what == "join":
            await workers.add(servers, wait=False)
        elif what == "freeze":
            await workers.freeze()
        else:
            self._changes += 1
            await self.definitions.publish(harmless(self._changes))
        while len(workers.alive) < self.wanted:
            await workers.add(servers, wait=rand.random() < 0.7)
        if rand.random() < 0.2:
            self.wanted = self.arguments.workers or rand.randint(1, WORKERS_MAX)

    async def _check(self, done: int) -> bool:
        """Let all that is begun come to its end, and compare."""
        self._may_send.clear()
        while not self._is_over:
            await asyncio.sleep(0.01)
        pause = self.traffic.pause()
        ends = {
            (topic, partition): await self._send(topic, partition, [pause])
            for topic in TOPICS for partition in range(PARTITIONS)
        }  # fmt: skip
        servers = self.back_end.servers
        if not self.workers.alive:
            await self.workers.add(servers)
        rows = await read_inputs(servers)
        told: list[str] = []
        if [(row.topic, row.partition, row.offset, dumped(row.event)) for row in rows] != sorted(
            self.sent
        ):
            told.append("what was sent is not what stands in the log")
        try:
            for place, offset in ends.items():
                await self.alerts.wait_readable(*place, offset, SETTLE_MS)
        except Exception as error:  # noqa: BLE001  what is missing is told with it
            told.append(f"workers do not come to the end: {error}")
        once = self.arguments.guarantee == "exactly-once"
        written = Written()
        must = await reference(servers, rows)
        for _ in range(20):  # what the pause closes may be told a moment later
            written = await read_written(servers)
            found = differences(must, written, once=once)
            if not found:
                break
            await asyncio.sleep(0.5)
        told += found
        show(
            "flow.kills", back_end=self.arguments.back_end, seed=self.arguments.seed,
            guarantee=self.arguments.guarantee, rounds=done, events=len(rows),
            faults=dict(self.faults), workers_started=self.workers.started,
            slow_stops=self.workers.slow_stops,
            written={name: len(getattr(written, name)) for name in written.__annotations__},
            differences=told,
        )  # fmt: skip
        self._may_send.set()
        return not told


async def play(arguments: argparse.Namespace, directory: Path) -> bool:
    """One run on a fresh back end."""
    back_end = BACK_ENDS[arguments.back_end](directory)
    await back_end.start()
    try:
        return await Rounds(back_end, arguments).run()
    finally:
        await back_end.stop()


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--back-end", choices=sorted(BACK_ENDS), default="embedded")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=400, help="no round begins after this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="0 = one to three, as it comes")
    parser.add_argument(
        "--guarantee", choices=["exactly-once", "at-least-once"], default="exactly-once"
    )
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="summit-kills-")
    if not asyncio.run(play(arguments, Path(directory))):
        sys.stderr.write(f"differs; everything is kept in {directory}\n")
        sys.exit(1)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
