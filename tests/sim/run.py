"""One seed, one run: the whole broker under trouble, then the question whether it kept its word.

    python -m tests.sim.run 17                      replay seed 17; --show prints every step
    python -m tests.sim.run --seeds 1000            seeds from --first on; --minutes ends earlier

A run goes through: boot and the making of topics; trouble, with all actors at work; peace, in which
every actor comes to its end; perhaps one more crash; then everything is read and checked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from tests.sim import checks
from tests.sim.actors.actor import Actor, Stage
from tests.sim.actors.admins import Admin, Changer, Stranger, TopicMaker, Trimmer
from tests.sim.actors.auditor import Auditor, durable_topics
from tests.sim.actors.groups import Committer, Looker, Member
from tests.sim.actors.history import History, Topic, describe
from tests.sim.actors.producers import IdempotentProducer, PlainProducer
from tests.sim.actors.readers import Reader
from tests.sim.actors.transactional import TransactionalProducer
from tests.sim.plan import TOPICS, Plan, draw
from tests.sim.troubles import Troubles
from tests.sim.world.loop import SimLoop
from tests.sim.world.machine import Machine
from tests.sim.world.network import Network
from tests.sim.world.scheduler import Violation, World
from tests.sim.world.threads import simulated_locks

from summit.broker import Broker

_PEACE_LIMIT_S = 400.0
_GROUP = "shared-group"


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    trace: int
    events: int
    seconds: float  # simulated
    counts: dict[str, int]
    boots: int


class Run:
    """One run of one seed."""

    def __init__(self, seed: int, *, show: bool = False) -> None:
        self.world = World(seed, show=show)
        self.plan: Plan = draw(self.world.chance("plan"))
        self.network = Network(self.world, self.plan.weather)
        self.machine = Machine(self.world, self.network, self.plan.broker_settings())
        self.machine.on_listening = self._listening
        self.machine.on_uncaught = self._fail
        self.machine.disk.slowness = self.plan.slowness
        self.history = History(self.world)
        self.loop = SimLoop(self.world, "clients", on_error=self._on_error)
        self.stage = Stage(
            self.world, self.loop, self.network, self.history, patience_s=self.plan.patience_s
        )
        self.troubles = Troubles(self.world, self.machine, self.plan)
        self.gone: set[UUID] = set()
        self.actors: list[Actor] = []
        self._failure: BaseException | None = None

    # ---- the whole ----

    def go(self) -> Outcome:
        """Raises: Violation."""
        world = self.world
        with simulated_locks():
            try:
                self.loop.create_task(self._guard(self.troubles.keep_running()))
                self._until(self._prepare(), 200.0, "making the topics")
                self._until(self._trouble(), self.plan.seconds + 60.0, "making trouble")
                self._until(self._peace(), _PEACE_LIMIT_S, "coming to an end")
                self._until(self._last_crash(), 200.0, "the last crash")
                auditor = Auditor(self.stage, "auditor")
                self._until(self._audit(auditor), _PEACE_LIMIT_S, "the last look")
                self.history.count("disk calls", self.machine.disk.call_count)
                checks.check_all(self.history, auditor)
                checks.check_topics(self.history, auditor, set(self.gone))
                if self._failure is not None:
                    raise self._failure
            finally:
                self._tear_down()
        return Outcome(
            world.seed, world.trace, world.event_count, world.now_us / 1e6,
            self.history.counts, self.machine.boot_count,
        )  # fmt: skip

    def _until(self, work: Any, limit_s: float, what: str) -> None:
        """Let the world go on until a piece of work is done."""
        task = self.loop.create_task(self._guard(work))
        done = self.world.run(lambda: task.done() or self._failure is not None, limit_s)
        if self._failure is not None:
            raise self._failure
        if not done:
            doing = [f"{actor.name}: {actor.doing}" for actor in self.actors]
            raise Violation(f"{what} does not end; {'; '.join(doing)}")
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _guard(self, work: Any) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)
            raise

    def _on_error(self, context: dict[str, Any]) -> None:
        self._fail(context.get("exception") or Violation(str(context.get("message"))))

    def _fail(self, error: BaseException) -> None:
        """Let the run end with what was found first."""
        if self._failure is None:
            self._failure = error

    def _tear_down(self) -> None:
        self.machine.kill()
        with contextlib.suppress(Exception):
            self.world.run(lambda: not self.machine.is_up, 10.0)
        self.loop.die()

    def _listening(self, broker: Broker) -> None:
        assert broker._store is not None
        assert broker._housekeeping is not None
        if not broker._store.report.was_clean:
            self.history.crash_count += 1
        if broker._store.report.gaps:
            raise Violation(f"offsets are missing after a start: {broker._store.report.gaps}")
        broker._housekeeping.rewriter.records_min = self.plan.rewrite_records

    # ---- its parts ----

    async def _prepare(self) -> None:
        admin = Admin(self.stage, "admin")
        self.actors.append(admin)
        for name, (count, configs) in TOPICS.items():
            own = {"segment.bytes": str(self.plan.segment_bytes), **configs}
            topic = await admin.create(name, count, own)
            topic.is_compacted = name == "table"
            topic.is_trimmed = name in ("trim", "short")
            self.history.add_topic(topic)
        self.actors.remove(admin)

    def _make_actors(self) -> list[Actor]:
        topics = self.history.topics
        chance = self.world.chance("casting")
        everywhere = [topics[name] for name in ("plain", "grown", "trim", "short", "table")]
        found: list[Actor] = []
        for kind, count in self.plan.actors.items():
            for number in range(count):
                name = f"{kind.replace(' ', '-')}{number}"
                some = chance.sample(everywhere, chance.randint(1, len(everywhere)))
                found.append(self._make(kind, name, some, chance.random()))
        return found

    def _make(self, kind: str, name: str, some: list[Topic], draw: float) -> Actor:
        stage, topics = self.stage, self.history.topics
        plain, txn, table = topics["plain"], topics["txn"], topics["table"]
        match kind:
            case "plain":
                return PlainProducer(
                    stage, name, [t for t in some if not t.is_compacted] or [plain]
                )
            case "idempotent":
                return IdempotentProducer(stage, name, some)
            case "newer" | "older":
                mine = [txn, plain, *([table] if draw < 0.3 else [])]
                return TransactionalProducer(
                    stage, name, mine, newer=kind == "newer", offsets_of=txn
                )
            case "reader" | "committed reader":
                return Reader(stage, name, [txn, *some], is_committed=kind != "reader")
            case "member":
                instance_id = f"static-{name}" if draw < 0.3 else None
                return Member(stage, name, _GROUP, plain, instance_id)
            case "committer":
                return Committer(stage, name, "loose-group", plain)
            case "maker":
                return TopicMaker(stage, name, self.gone)
            case "trimmer":
                return Trimmer(stage, name, topics["trim"])
            case "changer":
                return Changer(stage, name, [plain, txn, table, topics["trim"]], topics["grown"])
            case _:
                return Stranger(stage, name)

    async def _trouble(self) -> None:
        self.actors = self._make_actors()
        for group_id, topic in self._groups():
            self.actors.append(Looker(self.stage, f"looker-{group_id}", group_id, topic))
        self._work = [
            self.loop.create_task(self._guard(actor.run()), name=actor.name)
            for actor in self.actors
        ]
        await self.troubles.run(self.plan.seconds)

    def _groups(self) -> list[tuple[str, Topic]]:
        topics = self.history.topics
        found = [(_GROUP, topics["plain"]), ("loose-group", topics["plain"])]
        found += [
            (actor.group_id, actor.offsets_of)
            for actor in self.actors
            if isinstance(actor, TransactionalProducer)
        ]
        return found

    async def _peace(self) -> None:
        machine = self.machine
        machine.disk.heal()
        machine.disk.capacity_bytes = None
        self.network.weather.spike_share = 0.0
        for link in self.network.open_links():
            link.up.is_deaf = link.down.is_deaf = False
        self.stage.is_closing = True
        for actor, task in zip(self.actors, self._work, strict=True):
            await asyncio.wait([task])
            actor.doing = "at its end"

    async def _last_crash(self) -> None:
        machine, how = self.machine, self.plan.last_crash
        while machine.broker is None:
            await asyncio.sleep(0.05)
        boots = machine.boot_count
        match how:
            case "stop":
                machine.stop()
            case "kill":
                machine.kill()
            case "power":
                machine.lose_power("none")
            case _:
                return
        while machine.broker is None or machine.boot_count == boots:
            await asyncio.sleep(0.05)

    async def _audit(self, auditor: Auditor) -> None:
        self.actors = [auditor]
        groups = [(group, topic) for group, topic in self._all_groups]
        await auditor.audit(durable_topics(self.history), groups)

    @property
    def _all_groups(self) -> list[tuple[str, Topic]]:
        topics = self.history.topics
        names = dict.fromkeys(
            [(g, t) for g, t, _ in self.history.lookups]
            + [(g, t) for g, t, _ in self.history.commits]
        )
        return [(group, topics[topic]) for group, topic in names]


def run_seed(seed: int, *, show: bool = False) -> Outcome:
    """Run one seed. Raises Violation (or what went wrong otherwise), with how to replay it."""
    run = Run(seed, show=show)
    try:
        return run.go()
    except BaseException as error:
        error.add_note(f"replay with: python -m tests.sim.run {seed}")
        error.add_note(f"plan: {run.plan}")
        error.add_note("last steps:\n" + "\n".join(list(run.world.tail)[-40:]))
        raise


def _silence(*_: Any) -> Any:
    raise structlog.DropEvent


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.run")
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args(arguments)
    if not options.show:
        structlog.configure(processors=[_silence])
    if options.seed is not None:
        outcome = run_seed(options.seed, show=options.show)
        print(f"seed {outcome.seed}: trace {outcome.trace:08x}; {describe(outcome.counts)}")
        return 0
    began = time.monotonic()
    failures = count = 0
    for seed in range(options.first, options.first + options.seeds):
        if time.monotonic() - began > options.minutes * 60:
            break
        count += 1
        try:
            run_seed(seed)
        except Exception as error:
            failures += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
            if not options.keep_going:
                raise
    minutes = (time.monotonic() - began) / 60
    print(f"{count} seeds, {failures} failed, {count / minutes:.1f} seeds a minute")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
