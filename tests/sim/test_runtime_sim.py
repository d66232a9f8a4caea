"""Workers in miniature: the real runtime, a pretended cluster, one seed for the whole schedule.

Topics are lists, a transaction is one step, time is the events'. Workers poll, take frames, commit,
crash without warning, and hand key groups over; as the session does it: commit before anything
goes or comes, restore from what is committed, frames that were sent before come before inputs.
What is committed in the end must be what one engine finds that reads everything: the same alerts
with the same ids, in the same order for each key, none lost, none twice.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from typing import Any, Final

import pytest

from summit.base.limits import WATERMARK_UNKNOWN
from summit.cep.chunks import Chunk
from summit.cep.keygroups import KEY_GROUPS
from summit.client.types import ConsumerRecord
from summit.documents import validate_pattern
from summit.flow.engine import Engine, Made
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Runtime
from summit.journal.exchange_log import decode_frame
from summit.journal.state_log import Restored, state_partition
from summit.journal.topics import EXCHANGE_TOPIC, STATE_TOPIC

T0: Final = 1_700_000_000_000
INPUTS: Final = [("t", 0), ("t", 1), ("u", 0), ("u", 1)]
SEEDS: Final = int(os.environ.get("SUMMIT_SIM_SEEDS", "12"))


def rule(rule_id: str, key: list[str], **members: Any) -> Any:
    document = {
        "kind": "pattern", "id": rule_id, "groupBy": key,
        "steps": [
            {"name": "a", "where": 'eventType == "a"', "times": 2},
            {"name": "b", "where": 'eventType == "b"'},
        ],
        "within": "60s",
        "action": {"type": "alert", "config": {"severity": "low", "title": "t"}}, **members,
    }  # fmt: skip
    return validate_pattern(document).plan


PLANS: Final = [rule("by-ip", ["ip"]), rule("by-user", ["user"], topics=["u"])]


def shown(made: Made) -> tuple[str, str, str]:
    alert = made.alert
    return str(alert.pattern), json.dumps(alert.key), alert.id


def by_key(found: list[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    sorted_out: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pattern, key, alert in found:
        sorted_out[pattern, key].append(alert)
    return dict(sorted_out)


class Cluster:
    """What is durable. Offsets of the exchange have gaps, as marks of transactions leave them."""

    def __init__(self) -> None:
        self.inputs: dict[tuple[str, int], list[bytes]] = {place: [] for place in INPUTS}
        self.exchange: list[list[tuple[int, bytes]]] = [[] for _ in range(KEY_GROUPS)]
        self.ends = [0] * KEY_GROUPS
        self.state: list[ConsumerRecord] = []
        self.read: dict[tuple[str, int], int] = {}
        self.frames_read: dict[int, int] = {}
        self.alerts: list[tuple[str, str, str]] = []


class Worker:
    """One worker; what is not committed dies with the object."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.runtime = Runtime()
        self.runtime.engine.set_rules(PLANS)
        self.runtime.clear()
        self.barrier: dict[int, int] = {}

    def acquire(self, groups: set[int]) -> None:
        cluster, runtime = self.cluster, self.runtime
        partitions = {state_partition(group) for group in groups}
        restored = Restored()
        restored.take(r for r in cluster.state if r.partition in partitions)
        states, times = restored.content(groups)
        runtime.hold({group: cluster.frames_read.get(group, 0) for group in groups}, states)
        self.barrier = {group: cluster.ends[group] for group in runtime.held}
        runtime.catch_up(begins=True)
        for place in INPUTS:
            name = "/".join(map(str, place))
            if carrier(*place) in groups:
                runtime.begin(name, cluster.read.get(place, 0), times.get(place, WATERMARK_UNKNOWN))
        runtime.watch(
            [f"{t}/{p}" for t, p in INPUTS if carrier(t, p) not in runtime.held]
        )  # fmt: skip

    def take_frames(self, most: int) -> int:
        taken = 0
        for group in sorted(self.runtime.held):
            at = self.runtime.exchange[group]
            for offset, value in self.cluster.exchange[group]:
                if offset >= at and taken < most:
                    self.runtime.take_frame(group, offset, decode_frame(value))
                    taken += 1
            if taken < most:
                self.runtime.reach_exchange(group, self.cluster.ends[group])
        if taken:
            self.runtime.advance()
        if self.barrier and all(
            self.runtime.exchange.get(group, end) >= end for group, end in self.barrier.items()
        ):
            self.barrier = {}
            self.runtime.catch_up(begins=False)
        return taken

    def poll(self, most: int, rand: random.Random) -> int:
        names = sorted(self.runtime.positions)
        if any(self.runtime.exchange.get(g, e) < e for g, e in self.barrier.items()) or not names:
            return 0
        if self.barrier:
            self.barrier = {}
            self.runtime.catch_up(begins=False)
        topic, _, partition = rand.choice(names).rpartition("/")
        place = (topic, int(partition))
        at = self.runtime.positions[f"{topic}/{partition}"]
        values = self.cluster.inputs[place][at : at + most]
        if values:
            offsets = list(range(at, at + len(values)))
            stamps = [T0 + 10**9] * len(values)
            self.runtime.take([Chunk(*place, offsets, stamps, values)])
        return len(values)

    def commit(self, *, tell_all: bool) -> None:
        cluster = self.cluster
        cut = self.runtime.cut(tell_all=tell_all)
        outputs = Outputs(cut, self.runtime.held, [], 0)
        touched = set()
        for record in outputs.others:
            if record.topic == EXCHANGE_TOPIC:
                assert record.value is not None
                cluster.exchange[record.partition].append(
                    (cluster.ends[record.partition], record.value)
                )
                cluster.ends[record.partition] += 1
                touched.add(record.partition)
            else:
                assert record.topic == STATE_TOPIC
                cluster.state.append(
                    ConsumerRecord(
                        topic=STATE_TOPIC, partition=record.partition, offset=0, timestamp=0,
                        key=record.key, value=record.value,
                    )
                )  # fmt: skip
        for group in touched:
            cluster.ends[group] += 1  # the mark
        for name, at in cut.positions.items():
            topic, _, partition = name.rpartition("/")
            cluster.read[topic, int(partition)] = at
        cluster.frames_read.update(cut.exchange)
        cluster.alerts += map(shown, cut.made)


class Play:
    """One run. The order of the steps is the seed's."""

    def __init__(self, seed: int, count: int) -> None:
        self.rand = random.Random(seed)
        self.cluster = Cluster()
        self.workers = [Worker(self.cluster) for _ in range(count)]
        self.owner: list[int | None] = [None] * KEY_GROUPS
        self.at_ms = T0
        self.expected: list[tuple[str, str, str]] = []
        self.alone = Engine()
        self.alone.set_rules(PLANS)

    def run(self, steps: int) -> None:
        self.share()
        for _ in range(steps):
            worker = self.rand.choice(self.workers)
            what = self.rand.random()
            if what < 0.30:
                self.produce()
            elif what < 0.60:
                worker.poll(self.rand.randint(1, 20), self.rand)
            elif what < 0.80:
                worker.take_frames(self.rand.randint(1, 10))
            elif what < 0.94:
                worker.commit(tell_all=self.rand.random() < 0.2)
            elif what < 0.97:
                self.share()
            else:
                self.crash(self.workers.index(worker))
        self.drain()

    def produce(self) -> None:
        place = self.rand.choice(INPUTS)
        number = INPUTS.index(place)
        values = []
        for _ in range(self.rand.randint(1, 15)):
            self.at_ms += self.rand.randint(0, 3_000)
            event = {
                "eventType": self.rand.choice("aab"),
                "timestamp": self.at_ms,
                "ip": f"{number}-{self.rand.randint(0, 9)}",
                "user": f"{number}-{self.rand.randint(0, 5)}",
            }
            values.append(json.dumps(event).encode())
        first = len(self.cluster.inputs[place])
        self.cluster.inputs[place] += values
        offsets = list(range(first, first + len(values)))
        chunk = Chunk(*place, offsets, [T0 + 10**9] * len(values), values)
        self.expected += map(shown, self.alone.apply([chunk]).made)

    def share(self) -> None:
        """A rebalance: some key groups, or all that nobody has, go to somebody else."""
        count = len(self.workers)
        for index, worker in enumerate(self.workers):
            gone = {
                group for group, owner in enumerate(self.owner)
                if owner == index and self.rand.random() < 0.3
            }  # fmt: skip
            if gone:
                worker.commit(tell_all=False)
                worker.runtime.release(gone)
                for group in gone:
                    self.owner[group] = None
        given: dict[int, set[int]] = defaultdict(set)
        for group, owner in enumerate(self.owner):
            if owner is None:
                self.owner[group] = self.rand.randrange(count)
                given[self.owner[group] or 0].add(group)
        for index, groups in given.items():
            self.workers[index].commit(tell_all=False)
            self.workers[index].acquire(groups)

    def crash(self, index: int) -> None:
        self.workers[index] = Worker(self.cluster)
        self.owner = [None if owner == index else owner for owner in self.owner]
        self.share()

    def drain(self) -> None:
        """Go on until nothing is left to be read."""
        for _ in range(3_000):
            moved = 0
            for worker in self.workers:
                moved += worker.take_frames(1_000)
                for _ in INPUTS:
                    moved += worker.poll(1_000, self.rand)
                worker.commit(tell_all=False)
            behind = sum(
                len(values) - self.cluster.read.get(place, 0)
                for place, values in self.cluster.inputs.items()
            )
            if not moved and not behind:
                return
        raise AssertionError("it never comes to an end")


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_schedule_finds_what_one_engine_finds(seed: int, count: int) -> None:
    play = Play(seed, count)
    play.run(250)
    assert len(play.expected) > 10
    assert by_key(play.cluster.alerts) == by_key(play.expected)
