"""`summit up` is killed under load and started on the same directory: does all of it answer again?

    python -m bench.broker.restarts [--rounds 20] [--seed 1] [--minutes 10] [--directory PATH]

Before each kill an idempotent and a transactional producer write, a group reads. SIGKILL hits the
whole of it at once, the parent alone, or the broker alone; the start follows at once. Or all of it
stands still for a while (SIGSTOP), as a machine may, and goes on. After it
producing, transactions (of the old id, of a new one), a new group, the group from before, reading
to the end by command, posting an event and `summit doctor` must each answer within a bound, and
what was acknowledged must be there, whole transactions only. One seed gives the same sequence of
kills; their moments are those of the machine. A line of JSON a round; exits 1 at the first fault.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import structlog
from bench.broker.harness import show
from tests.system.running import Running, call
from tests.system.test_kill import free_ports, pid_of

from summit.client import StreamConsumer, StreamProducer
from summit.client.admin import Admin

BOUND_S = 60.0
_PARTITIONS = 3
_PAIR = 2  # records of a transaction


class Fault(Exception):
    """What did not answer, or was not there."""


class Stand:
    """The directory, the ports, and what was acknowledged."""

    def __init__(self, directory: str, seed: int) -> None:
        self.rand = random.Random(seed)
        streaming, correlation, broker = free_ports(3)
        self.servers = [f"127.0.0.1:{broker}"]
        self.urls = [f"http://127.0.0.1:{port}" for port in (streaming, correlation)]
        self.arguments = (
            "up", "--port", str(streaming), "--correlation-port", str(correlation),
            "--broker-port", str(broker), "--data-dir", directory, "--workers", "1",
        )  # fmt: skip
        self.up: Running | None = None
        self.acked: set[bytes] = set()
        self.committed: set[bytes] = set()
        self.asked: set[bytes] = set()  # transactions whose end nobody knows
        self.number = 0

    def config(self, name: str, **more: Any) -> dict[str, Any]:
        return {"clientId": name, "bootstrapServers": self.servers, **more}

    async def start(self) -> None:
        """Until it is ready. A broker whose parent is gone may have the directory for a while."""
        deadline = time.monotonic() + 2 * BOUND_S
        while True:
            self.up = Running(*self.arguments)
            try:
                await asyncio.to_thread(self.up.wait_ready)
            except AssertionError as error:
                if time.monotonic() > deadline:
                    raise Fault(f"does not start: {str(error)[-2000:]}") from error
                await asyncio.sleep(0.5)
            else:
                return

    def processes(self) -> list[int]:
        """The parent first."""
        assert self.up is not None
        pid = self.up.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    async def kill(self, how: str) -> None:
        up = self.up
        assert up is not None
        victims = {"all": self.processes(), "parent": [up.process.pid]}
        for victim in victims.get(how) or [pid_of(up, "broker")]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        await asyncio.to_thread(up.process.wait, BOUND_S)

    async def stand_still(self, seconds: float) -> None:
        processes = self.processes()
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in processes:
                os.kill(pid, number)
            if number == signal.SIGSTOP:
                await asyncio.sleep(seconds)

    def value(self) -> bytes:
        self.number += 1
        return str(self.number).encode()

    # ---- the load ----

    async def write(self, stop: asyncio.Event) -> None:
        async with StreamProducer(self.config("load", deliveryTimeoutMs=5_000)) as producer:
            while not stop.is_set():
                value = self.value()
                with contextlib.suppress(Exception):
                    await producer.send({"topic": "load", "key": value, "value": value})
                    self.acked.add(value)

    async def transact(self, stop: asyncio.Event) -> None:
        config = self.config("pairs", transactionalId="pairs", requestTimeoutMs=3_000)
        with contextlib.suppress(Exception):  # a broker that dies ends it; the next start goes on
            async with StreamProducer(config) as producer:
                while not stop.is_set():
                    await self.pair(producer, self.value())

    async def pair(self, producer: StreamProducer, value: bytes) -> None:
        await producer.begin_transaction()
        for part in range(_PAIR):
            record = {"topic": "pairs", "partition": part, "key": value, "value": value}
            await producer.send(record)
        self.asked.add(value)
        await producer.commit_transaction()
        self.committed.add(value)

    async def read(self, stop: asyncio.Event) -> None:
        config = self.config("group", groupId="group", autoOffsetReset="earliest")
        with contextlib.suppress(Exception):
            async with StreamConsumer(config) as consumer:
                await consumer.subscribe(["load", "pairs"])
                while not stop.is_set():
                    await consumer.poll(200)

    async def under_load(self, how: str) -> None:
        """Load, the kill in it, and the start after it."""
        stop = asyncio.Event()
        load = [asyncio.create_task(work(stop)) for work in (self.write, self.transact, self.read)]
        await asyncio.sleep(self.rand.uniform(0.5, 3.0))
        if how == "still":
            starting = asyncio.create_task(self.stand_still(self.rand.uniform(1, 20)))
        else:
            await self.kill(how)
            starting = asyncio.create_task(self.start())
        stop.set()
        _, late = await asyncio.wait(load, timeout=BOUND_S)
        for task in late:
            task.cancel()
        await starting
        if late:
            raise Fault(f"{len(late)} clients did not end in {BOUND_S} s")

    # ---- the questions ----

    async def ask(self) -> dict[str, float]:
        """Seconds until each answered. Raises: Fault."""
        took: dict[str, float] = {}
        for what, question in (
            ("produce", self.produces()), ("same id", self.commits("pairs")),
            ("new id", self.commits(f"id-{self.number}")), ("new group", self.joins("new")),
            ("old group", self.joins("group")), ("command", self.command("consume", "load", "-e")),
            ("doctor", self.command("doctor", "--url", self.urls[0])), ("event", self.event()),
            ("kept", self.kept()),
        ):  # fmt: skip
            began = time.monotonic()
            try:
                await asyncio.wait_for(question, BOUND_S)
            except TimeoutError as error:
                raise Fault(f"{what}: no answer in {BOUND_S:.0f} s") from error
            took[what] = round(time.monotonic() - began, 2)
        return took

    async def produces(self) -> None:
        async with StreamProducer(self.config("asking")) as producer:
            value = self.value()
            await producer.send({"topic": "load", "key": value, "value": value})
            self.acked.add(value)

    async def commits(self, transactional_id: str) -> None:
        config = self.config("asking", transactionalId=transactional_id)
        async with StreamProducer(config) as producer:
            await self.pair(producer, self.value())

    async def joins(self, group: str) -> None:
        name = group if group == "group" else f"{group}-{self.number}"
        config = self.config("asking", groupId=name, autoOffsetReset="earliest")
        async with StreamConsumer(config) as consumer:
            await consumer.subscribe(["load"])
            while not await consumer.poll(500):
                value = self.value()
                async with StreamProducer(self.config("feeding")) as producer:
                    await producer.send({"topic": "load", "key": value, "value": value})
                    self.acked.add(value)

    async def command(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "summit", *words, "-b", self.servers[0],
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode and words[0] != "doctor":  # that one may find fault with the machine
            raise Fault(f"{' '.join(words)} ended with {process.returncode}: {told.decode()}")

    async def event(self) -> None:
        body = {"eventType": "asked", "eventId": str(self.number)}
        while True:  # a service that has just started says 503 for as long as no worker is ready
            status, told = await asyncio.to_thread(call, "POST", f"{self.urls[1]}/api/events", body)
            if status == 200:
                return
            if status != 503:
                raise Fault(f"an event was answered with {status}: {told}")
            await asyncio.sleep(0.5)

    async def kept(self) -> None:
        found = await self.values("load")
        if missing := self.acked - set(found):
            raise Fault(f"acknowledged and lost: {sorted(missing)[:5]} of {len(self.acked)}")
        pairs = await self.values("pairs")
        if missing := self.committed - set(pairs):
            raise Fault(f"committed and lost: {sorted(missing)[:5]}")
        halves = [value for value in set(pairs) if pairs.count(value) != _PAIR]
        if halves or not set(pairs) <= self.committed | self.asked:
            raise Fault(f"not whole: {halves[:5]}")

    async def values(self, topic: str) -> list[bytes]:
        """All committed values of a topic."""
        config = self.config(
            "reading", groupId="reading", isolationLevel="read_committed", enableAutoCommit=False
        )
        async with Admin(self.config("reading")) as admin:
            spans = await admin.offsets(topic)
        found: list[bytes] = []
        async with StreamConsumer(config, tell_ends=True) as consumer:
            await consumer.assign({(topic, index): span[0] for index, span in spans.items()})
            while not all(
                consumer.read_to().get((topic, index), 0) >= span[1]  # type: ignore[call-overload]
                for index, span in spans.items()
            ):
                found += [record.value for record in await consumer.poll_batch(5_000, 200)]
        return found


async def run(options: argparse.Namespace, directory: str) -> int:
    stand = Stand(directory, options.seed)
    began = time.monotonic()
    await stand.start()
    try:
        async with Admin(stand.config("making")) as admin:
            for name in ("load", "pairs"):
                with contextlib.suppress(Exception):  # of an earlier run
                    await admin.create_topic({"name": name, "partitions": _PARTITIONS})
        for number in range(options.rounds):
            if time.monotonic() - began > options.minutes * 60:
                break
            how = stand.rand.choice(["all", "all", "parent", "broker", "still"])
            try:
                await stand.under_load(how)
                took = await stand.ask()
            except Fault as fault:
                show("restarts", round=number, how=how, fault=str(fault), directory=directory)
                return 1
            show("restarts", round=number, how=how, acked=len(stand.acked),
                 committed=len(stand.committed), took_s=took)  # fmt: skip
    finally:
        if stand.up is not None:
            await asyncio.to_thread(stand.up.end)
    return 0


async def _with_limit(work: Awaitable[int], minutes: float) -> int:
    return await asyncio.wait_for(work, minutes * 60 + 10 * BOUND_S)


def _silence(*_: Any) -> Any:
    raise structlog.DropEvent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.broker.restarts")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--directory")
    options = parser.parse_args()
    structlog.configure(processors=[_silence])  # clients tell of brokers that are down
    directory = options.directory or tempfile.mkdtemp(prefix="summit-restarts-")
    return asyncio.run(_with_limit(run(options, directory), options.minutes))


if __name__ == "__main__":
    sys.exit(main())
