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
from collections import Counter, defaultdict
from typing import Any, Final, NamedTuple

import pytest

from summit.alerts.entries import Fired, Repeated, decode_entry
from summit.base.limits import WATERMARK_UNKNOWN
from summit.client.types import ConsumerRecord
from summit.documents import validate_pattern
from summit.documents.stream import StreamPlan
from summit.flow.engine import Applied, Engine
from summit.flow.findings import Made
from summit.flow.kinds import Plan
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Runtime
from summit.journal.exchange_log import decode_frame
from summit.journal.state_log import Restored, state_partition
from summit.journal.topics import ALERT_STATE_TOPIC, EXCHANGE_TOPIC, RESULTS_TOPIC, STATE_TOPIC
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS

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


PLANS: Final = [
    rule("by-ip", ["ip"]), rule("by-user", ["user"], topics=["u"]),
    rule("once", ["ip"], suppress={"by": ["ip", "user"], "for": "5m"}),
]  # fmt: skip
SILENCE: Final = rule(
    "silence", ["user"], within="20s",
    steps=[
        {"name": "b", "where": 'eventType == "b"'},
        {"name": "none", "where": 'eventType == "a"', "relation": "notFollowedBy"},
    ],
)  # fmt: skip
WINDOWS: Final = [
    rule("trailing", ["ip"], steps=None, within=None, where="eventType in ['a', 'b']",
         window={"type": "sliding", "size": "60s"}, having="count() >= 3"),
    rule("minute", ["user"], steps=None, within=None, where="eventType in ['a', 'b']",
         window={"type": "tumbling", "size": "60s"}, having="count() > 1"),
    rule("session", ["ip"], steps=None, within=None, where="eventType == 'a'", topics=["u"],
         window={"type": "session", "gap": "20s"}),
]  # fmt: skip
DISORDER_MS: Final = 4_000
BY_TIME: Final = StreamPlan("s", ("*",), is_ordered=True, delay_ms=DISORDER_MS)
END_MS: Final = T0 + 10**10


class Rules(NamedTuple):
    plans: list[Plan]
    streams: list[StreamPlan]


ARRIVAL: Final = Rules([*PLANS, WINDOWS[0]], [])  # timers go by the clock here
IN_ORDER: Final = Rules([*PLANS, SILENCE, *WINDOWS], [BY_TIME])


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
        self.fired: list[str] = []
        self.suppressed: Counter[str] = Counter()
        self.results: list[bytes] = []


class Worker:
    """One worker; what is not committed dies with the object."""

    def __init__(self, cluster: Cluster, rules: Rules) -> None:
        self.cluster = cluster
        self.runtime = Runtime()
        self.runtime.engine.set_rules(*rules)
        self.runtime.clear()
        self.barrier: dict[int, int] = {}

    def acquire(self, groups: set[int]) -> None:
        cluster, runtime = self.cluster, self.runtime
        partitions = {state_partition(group) for group in groups}
        restored = Restored()
        restored.take(r for r in cluster.state if r.partition in partitions)
        content = restored.content(groups)
        runtime.hold({group: cluster.frames_read.get(group, 0) for group in groups}, content)
        self.barrier = {group: cluster.ends[group] for group in runtime.held}
        runtime.catch_up(begins=True)
        for place in INPUTS:
            name = "/".join(map(str, place))
            if carrier(*place) in groups:
                runtime.begin(
                    name, cluster.read.get(place, 0), content.times.get(place, WATERMARK_UNKNOWN)
                )
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

    def rest(self, clock_ms: int, *, idle: bool) -> int:
        """The clock goes on for inputs that are read to their ends."""
        if self.barrier:
            return 0
        for name, at in self.runtime.positions.items():
            topic, _, partition = name.rpartition("/")
            if at == len(self.cluster.inputs[topic, int(partition)]):
                self.runtime.rest(name, clock_ms, idle=idle)
        return self.runtime.advance()

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
            elif record.topic == ALERT_STATE_TOPIC:
                entry = decode_entry(record.value or b"")
                if isinstance(entry, Repeated):
                    cluster.suppressed[entry.id] += entry.count
                else:
                    assert isinstance(entry, Fired)
                    cluster.fired.append(entry.id)
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
        cluster.results += [
            record.value for record in cut.records
            if record.topic == RESULTS_TOPIC and record.value is not None
        ]  # fmt: skip


class Play:
    """One run. The order of the steps is the seed's."""

    def __init__(self, seed: int, count: int, rules: Rules) -> None:
        self.rand = random.Random(seed)
        self.rules = rules
        self.cluster = Cluster()
        self.workers = [Worker(self.cluster, rules) for _ in range(count)]
        self.owner: list[int | None] = [None] * KEY_GROUPS
        self.at_ms = T0
        self.produced: list[tuple[tuple[str, int], bytes]] = []

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
            elif what < 0.84:
                # No event to come has an earlier time than this, less the disorder.
                # Nobody is idle yet: of who speaks again some event could be passed over in time.
                worker.rest(self.at_ms, idle=False)
            elif what < 0.94:
                worker.commit(tell_all=self.rand.random() < 0.2)
            elif what < 0.97:
                self.share()
            else:
                self.crash(self.workers.index(worker))
        self.drain()

    def produce(self) -> None:
        place = self.rand.choice(INPUTS)
        # In arrival order each key lives in one partition; in the order of time anywhere.
        number = 0 if self.rules.streams else INPUTS.index(place)
        values = []
        for _ in range(self.rand.randint(1, 15)):
            self.at_ms += self.rand.randint(0, 3_000)
            early = self.rand.randint(0, DISORDER_MS) if self.rules.streams else 0
            event = {
                "eventType": self.rand.choice("aab"),
                "timestamp": self.at_ms - early,
                "ip": f"{number}-{self.rand.randint(0, 9)}",
                "user": f"{number}-{self.rand.randint(0, 5)}",
            }
            values.append(json.dumps(event).encode())
        self.cluster.inputs[place] += values
        self.produced += [(place, value) for value in values]

    def expected(self) -> tuple[list[tuple[str, str, str]], Counter[str]]:
        """What one engine finds that is given one event after the other, and suppresses."""
        alone = Engine()
        alone.set_rules(self.rules.plans)
        ends = dict.fromkeys(INPUTS, 0)
        events = []
        for place, value in self.produced:
            events.append((json.loads(value)["timestamp"], place, ends[place], value))
            ends[place] += 1
        applied: list[Applied] = []
        for at_ms, place, offset, value in sorted(events) if self.rules.streams else events:
            if self.rules.streams:
                applied.append(alone.apply([], at_ms))
            applied.append(alone.apply([Chunk(*place, [offset], [T0 + 10**9], [value])]))
        if self.rules.streams:
            applied.append(alone.apply([], END_MS))
        suppressed = Counter(held.alert_id for each in applied for held in each.suppressed)
        return [shown(made) for each in applied for made in each.made], suppressed

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
        self.workers[index] = Worker(self.cluster, self.rules)
        self.owner = [None if owner == index else owner for owner in self.owner]
        self.share()

    def drain(self) -> None:
        """Go on until nothing is left to be read."""
        quiet = 0
        for _ in range(3_000):
            moved = 0
            for worker in self.workers:
                worker.take_frames(10_000)
                for _ in INPUTS:
                    moved += worker.poll(1_000, self.rand)
                moved += worker.rest(END_MS, idle=True)
                worker.commit(tell_all=True)
            behind = sum(
                len(values) - self.cluster.read.get(place, 0)
                for place, values in self.cluster.inputs.items()
            )
            waiting = sum(worker.runtime.engine.processor.waiting for worker in self.workers)
            quiet = 0 if moved or behind or waiting else quiet + 1
            if quiet == 4:  # what was told has been read, and what came of it was told
                return
        raise AssertionError("it never comes to an end")


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("rules", [ARRIVAL, IN_ORDER], ids=["arrival", "eventTime"])
def test_any_schedule_finds_what_one_engine_finds(rules: Rules, seed: int, count: int) -> None:
    play = Play(seed, count, rules)
    play.run(250)
    expected, suppressed = play.expected()
    assert len(expected) > 10
    assert by_key(play.cluster.alerts) == by_key(expected)
    assert sorted(play.cluster.fired) == sorted(alert for _, _, alert in expected)
    assert play.cluster.suppressed == suppressed
