"""The cluster and the workers of `test_runtime_sim.py`: topics as lists, transactions as Kafka's.

A transaction is written at once and read when its marker is there. Its coordinator decides how it
ends; each partition gets the marker at a time of its own. A worker is told the end when it is
decided, or never: then it takes a newer epoch, for which the coordinator ends what is open.

    written ──► decided (commit, abort) ──► marker in each partition: readable there
                  └── told to the worker, or lost on the way
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from summit.alerts.entries import decode_entry
from summit.base.limits import WATERMARK_UNKNOWN
from summit.client.types import ConsumerRecord
from summit.documents.stream import StreamPlan
from summit.flow.findings import Made
from summit.flow.kinds import Plan
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Cut, Runtime
from summit.flow.switching import Switch, acting_of
from summit.journal.exchange_log import decode_frame
from summit.journal.state_log import Restored, state_partition
from summit.journal.topics import (
    ALERT_STATE_TOPIC,
    CORRELATIONS_TOPIC,
    EXCHANGE_TOPIC,
    RESULTS_TOPIC,
    STATE_TOPIC,
)
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS

T0: Final = 1_700_000_000_000
INPUTS: Final = [("t", 0), ("t", 1), ("u", 0), ("u", 1)]
Part = tuple[str, int]  # a partition that transactions write to
OFFSETS: Final = ("offsets", 0)  # all of a group's are in one partition of the broker's topic
ALERTS: Final = ("alerts", 0)
FIRED: Final = (ALERT_STATE_TOPIC, 0)
RESULTS: Final = (RESULTS_TOPIC, 0)
CORRELATIONS: Final = (CORRELATIONS_TOPIC, 0)


class Rules(NamedTuple):
    """Rules in force, or variants of which each time one is."""

    plans: list[Plan]
    streams: list[StreamPlan]
    variants: tuple[list[Plan | None], ...] = ()


def shown(made: Made) -> tuple[str, str, str]:
    """An alert as it is compared: rule, key, id and title."""
    alert = made.alert
    assert alert is not None
    return str(alert.pattern), repr(alert.key), f"{alert.id} {alert.title}"


class Transaction:
    """What one commit writes, and how far its end has come.

    Attributes:
        may_commit: The group has taken its positions; of who is dead to the group it has not.
        unmarked: Partitions that it wrote to and that have no marker yet.
    """

    def __init__(self, worker: Worker, cut: Cut) -> None:
        self.worker = worker
        self.cut = cut
        self.may_commit = not worker.is_dead
        self.is_committed: bool | None = None
        self.unmarked: set[Part] = {OFFSETS}


class Cluster:
    """What is durable. Offsets of the exchange have gaps, as marks of transactions leave them."""

    def __init__(self, rules: Rules, rand: random.Random) -> None:
        self.rand = rand
        # Each one's place is the offset below which it acts: by the first, none does.
        self.definitions = [Rules([], []), rules]
        self.acted: set[int] = set()
        self.stretches: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        self.inputs: dict[tuple[str, int], list[bytes]] = {place: [] for place in INPUTS}
        self.exchange: list[list[tuple[int, bytes, Transaction]]] = [[] for _ in range(KEY_GROUPS)]
        self.ends = [0] * KEY_GROUPS
        self.logs: dict[Part, list[tuple[Any, Transaction]]] = defaultdict(list)
        self.read: dict[tuple[str, int], int] = {}
        self.frames_read: dict[int, int] = {}
        self.open: list[Transaction] = []  # not every marker is there
        self.begun_anew = 0  # how often somebody has

    def committed(self, part: Part) -> list[Any]:
        """What readers of committed records find in a partition, to the oldest open end."""
        found = []
        for value, made in self.logs[part]:
            if part in made.unmarked:
                break
            if made.is_committed:
                found.append(value)
        return found

    # ---- transactions ----

    def write(self, worker: Worker, cut: Cut, outputs: Outputs) -> Transaction:
        """Write a transaction; nothing of it can be read yet."""
        made = Transaction(worker, cut)
        for record in outputs.others:
            part = (record.topic, record.partition)
            if record.topic == EXCHANGE_TOPIC:
                group = record.partition
                self.exchange[group].append((self.ends[group], record.value or b"", made))
                self.ends[group] += 1
                made.unmarked.add(part)
            elif record.topic == ALERT_STATE_TOPIC:
                self._append(FIRED, decode_entry(record.value or b""), made)
            else:
                assert record.topic == STATE_TOPIC
                kept = ConsumerRecord(
                    topic=STATE_TOPIC, partition=record.partition, offset=0, timestamp=0,
                    key=record.key, value=record.value,
                )  # fmt: skip
                self._append(part, kept, made)
        for each in cut.made:
            self._append(ALERTS, shown(each), made)
        for record in cut.records:
            part = (record.topic, 0)
            assert part in (RESULTS, CORRELATIONS)
            self._append(part, record.value, made)
        self.open.append(made)
        return made

    def _append(self, part: Part, value: Any, made: Transaction) -> None:
        self.logs[part].append((value, made))
        made.unmarked.add(part)

    def decide(self, made: Transaction, *, is_committed: bool) -> None:
        """The coordinator writes down how it ends, if it has not."""
        if made.is_committed is None:
            made.is_committed = is_committed and made.may_commit

    def mark(self, made: Transaction, parts: Iterable[Part]) -> None:
        """Markers reach these partitions."""
        assert made.is_committed is not None
        for part in sorted(made.unmarked & set(parts)):
            made.unmarked.discard(part)
            if part[0] == EXCHANGE_TOPIC:
                self.ends[part[1]] += 1
            if part == OFFSETS and made.is_committed:
                self._move(made.cut)
        if not made.unmarked:
            self.open.remove(made)

    def _move(self, cut: Cut) -> None:
        for name, at in cut.positions.items():
            topic, _, partition = name.rpartition("/")
            assert at >= self.read.get((topic, int(partition)), 0), "positions go back"
            self.read[topic, int(partition)] = at
            self.stretches[topic, int(partition)].append((at, cut.acting))
        self.acted.add(cut.acting)
        self.frames_read.update(cut.exchange)

    def mark_some(self) -> None:
        """A few markers that are under way arrive; what the dead have open times out."""
        for made in list(self.open):
            if made.worker.is_dead and self.rand.random() < 0.1:
                self.decide(made, is_committed=self.rand.random() < 0.5)
            if made.is_committed is not None:
                parts = sorted(made.unmarked)
                self.mark(made, self.rand.sample(parts, self.rand.randint(0, len(parts))))

    def wait_for(self, parts: set[Part]) -> None:
        """Who reads these to their ends waits for the markers of what is open there."""
        for made in [each for each in self.open if each.unmarked & parts]:
            # Of who is dead the request to commit may be on its way, else the time is over.
            is_asked_for = not made.worker.is_dead or self.rand.random() < 0.5
            self.decide(made, is_committed=is_asked_for)
            self.mark(made, parts)

    def end_all(self, worker: Worker) -> None:
        """A newer epoch: what older ones have open is ended, with all markers."""
        for made in [each for each in self.open if each.worker is worker]:
            self.decide(made, is_committed=self.rand.random() < 0.5)
            self.mark(made, set(made.unmarked))

    def readable(self, group: int) -> int:
        """The offset of a partition of the exchange below which everything is decided."""
        for offset, _, made in self.exchange[group]:
            if (EXCHANGE_TOPIC, group) in made.unmarked:
                return offset
        return self.ends[group]


class Worker:
    """One worker; what is not committed dies with the object."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.runtime = Runtime()
        self.runtime.clear()
        self.switch = Switch(self.runtime)
        self.known = 0
        self.barrier: dict[int, int] = {}
        self.made: Transaction | None = None
        self.is_dead = False  # to the group; what it tries to commit is refused

    def go_by(self, definitions: int) -> None:
        self.switch.acts(definitions)
        rules = self.cluster.definitions[definitions]
        self.runtime.set_rules(rules.plans, rules.streams)
        self.watch({})

    def follow(self) -> None:
        """Read the definitions, and go on with what that began."""
        self.known = len(self.cluster.definitions) - 1
        if not self.runtime.held:
            return
        if self.known > self.switch.target:
            self.commit(tell_all=False)
            self.switch.aim(self.known)
            self.commit(tell_all=True)
        if not self.switch.is_open or self.barrier:
            return
        if self.switch.makes_ready():
            self.runtime.advance()
            self.commit(tell_all=True)
        if self.switch.may_act:
            self.go_by(self.switch.target)
            self.commit(tell_all=True)

    def acquire(self, groups: set[int]) -> None:
        cluster, runtime = self.cluster, self.runtime
        partitions = {state_partition(group) for group in groups}
        cluster.wait_for({OFFSETS, *((STATE_TOPIC, partition) for partition in partitions)})
        restored = Restored()
        for partition in sorted(partitions):
            restored.take(cluster.committed((STATE_TOPIC, partition)))
        content = restored.content(groups)
        self.known = len(cluster.definitions) - 1
        if not runtime.held:
            self.switch.forget()
        was = self.switch.acting
        at = acting_of(groups, content.acts, was)
        if at != was or not runtime.held:
            self.go_by(at)
        self.switch.takes_up()
        starts = {group: cluster.frames_read.get(group, 0) for group in groups}
        runtime.hold(starts, content, tidy=True)
        self.barrier = {group: cluster.ends[group] for group in runtime.held}
        runtime.catch_up(begins=True)
        self.watch(content.times)

    def watch(self, times: Mapping[tuple[str, int], int]) -> None:
        """Read the inputs that come along with the key groups; without rules there are none."""
        runtime = self.runtime
        if self.switch.acting == 0:
            return
        for place in INPUTS:
            name = "/".join(map(str, place))
            if carrier(*place) in runtime.held and name not in runtime.positions:
                at_ms = times.get(place, WATERMARK_UNKNOWN)
                runtime.begin(name, self.cluster.read.get(place, 0), at_ms)
        runtime.watch([f"{t}/{p}" for t, p in INPUTS if carrier(t, p) not in runtime.held])

    def begin_anew(self) -> None:
        """Nobody has said how the transaction ended: a newer epoch, and what is committed."""
        held = set() if self.is_dead else set(self.runtime.held)
        self.made = None
        self.cluster.begun_anew += 1
        self.cluster.end_all(self)
        self.is_dead = False
        self.runtime.clear()
        self.barrier = {}
        self.switch.forget()
        if held:
            self.acquire(held)

    def take_frames(self, most: int) -> int:
        taken = 0
        for group in sorted(self.runtime.held):
            at, end = self.runtime.exchange[group], self.cluster.readable(group)
            for offset, value, made in self.cluster.exchange[group]:
                if at <= offset < end and taken < most:
                    if not made.is_committed:
                        continue
                    frame = decode_frame(value)
                    if frame.acting > self.switch.acting:
                        self.go_by(frame.acting)
                    self.switch.hear(frame)
                    self.runtime.take_frame(group, offset, frame)
                    taken += 1
            if taken < most:
                self.runtime.reach_exchange(group, end)
        if taken:
            self.runtime.advance()
        self.pass_barrier()
        return taken

    def pass_barrier(self) -> None:
        if self.barrier and all(
            self.runtime.exchange.get(group, end) >= end for group, end in self.barrier.items()
        ):
            self.barrier = {}
            self.runtime.catch_up(begins=False)

    def poll(self, most: int, rand: random.Random) -> int:
        names = sorted(self.runtime.positions)
        self.pass_barrier()
        if self.barrier or not names:
            return 0
        if self.switch.is_open or self.switch.target < self.known:
            return 0
        topic, _, partition = rand.choice(names).rpartition("/")
        place = (topic, int(partition))
        at = self.runtime.positions[f"{topic}/{partition}"]
        values = self.cluster.inputs[place][at : at + most]
        if values:
            offsets = list(range(at, at + len(values)))
            stamps = [T0 + 10**9] * len(values)
            self.runtime.take([Chunk(*place, offsets, stamps, values)])
        return len(values)

    def rest(self, clock_ms: int, *, idle: bool) -> int:
        """The clock goes on for inputs that are read to their ends."""
        if self.barrier or self.switch.is_open:
            return 0
        for name, at in self.runtime.positions.items():
            topic, _, partition = name.rpartition("/")
            if at == len(self.cluster.inputs[topic, int(partition)]):
                self.runtime.rest(name, clock_ms, idle=idle)
        return self.runtime.advance()

    # ---- transactions ----

    def commit(self, *, tell_all: bool) -> None:
        """Make durable what was processed; if its end is not answered, begin anew."""
        self.begin(tell_all=tell_all)
        self.settle()

    def begin(self, *, tell_all: bool) -> None:
        """Write a transaction; the one before is settled, and has all its markers."""
        self.settle()
        for made in [each for each in self.cluster.open if each.worker is self]:
            self.cluster.mark(made, set(made.unmarked))
        cut = self.runtime.cut(tell_all=tell_all)
        self.made = self.cluster.write(self, cut, Outputs(cut, self.runtime.held, []))

    def settle(self) -> None:
        """Ask for the end of the transaction under way, and wait for the answer."""
        made = self.made
        if made is None:
            return
        is_lost = self.cluster.rand.random() < 0.04  # the request, or its answer
        if is_lost or self.is_dead:
            self.begin_anew()
            return
        self.made = None
        self.cluster.decide(made, is_committed=True)
        assert made.is_committed, "told that it is committed, and it is not"
