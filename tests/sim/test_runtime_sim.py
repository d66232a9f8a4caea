"""Workers in miniature: the real runtime, a pretended cluster, one seed for the whole schedule.

Topics are lists, a transaction is one step, time is the events'. Workers poll, take frames, commit,
crash without warning, and hand key groups over; as the session does it: commit before anything
goes or comes, restore from what is committed, frames that were sent before come before inputs.
What is committed in the end must be what one engine finds that reads everything: the same alerts
with the same ids, in the same order for each key, none lost, none twice.

Rules change meanwhile. Which ones saw an event is what the commit says that read it; from that
alone follows what must be found: a rule sees the events of its versions, and time as far as it had
come when all inputs had passed to the next one.
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
from summit.cep.rules import prepare_rule
from summit.client.types import ConsumerRecord
from summit.documents import validate_pattern
from summit.documents.stream import StreamPlan
from summit.flow.engine import Applied, Engine
from summit.flow.findings import Made
from summit.flow.kinds import Plan
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Runtime
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
SILENCE, SHORTER = [
    rule(
        "silence", ["user"], within=within,
        steps=[
            {"name": "b", "where": 'eventType == "b"'},
            {"name": "none", "where": 'eventType == "a"', "relation": "notFollowedBy"},
        ],
    )
    for within in ("20s", "15s")
]  # fmt: skip
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
Event = tuple[int, tuple[str, int], int, bytes]  # time, input, offset, value


class Rules(NamedTuple):
    plans: list[Plan]
    streams: list[StreamPlan]
    variants: tuple[list[Plan | None], ...] = ()


ARRIVAL: Final = Rules([*PLANS, WINDOWS[0]], [])  # timers go by the clock here
IN_ORDER: Final = Rules([*PLANS, SILENCE, *WINDOWS], [BY_TIME])


def titled(title: str) -> dict[str, Any]:
    return {"type": "alert", "config": {"severity": "low", "title": title}}


THREE: Final = [
    {"name": "a", "where": 'eventType == "a"', "times": 3},
    {"name": "b", "where": 'eventType == "b"'},
]
# Of each rule one variant or none is in force: with another meaning, or with another title only.
BY_IP: Final = [rule("by-ip", ["ip"], action=titled(t)) for t in ("t", "other")]
CHANGING: Final = Rules(
    [], [],
    (
        [*BY_IP, rule("by-ip", ["ip"], steps=THREE)],
        [None, PLANS[1], rule("by-user", ["user"], topics=["u"], within="30s")],
    ),
)  # fmt: skip
CHANGING_IN_ORDER: Final = Rules(
    [], [BY_TIME],
    (*CHANGING.variants, [None, SILENCE, SHORTER]),
)  # fmt: skip


def shown(made: Made) -> tuple[str, str, str]:
    alert = made.alert
    return str(alert.pattern), json.dumps(alert.key), f"{alert.id} {alert.title}"


def by_key(found: list[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    sorted_out: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pattern, key, alert in found:
        sorted_out[pattern, key].append(alert)
    return dict(sorted_out)


class Cluster:
    """What is durable. Offsets of the exchange have gaps, as marks of transactions leave them."""

    def __init__(self, rules: Rules) -> None:
        self.definitions = [rules]  # each one's place is the offset below which it acts
        self.acted: set[int] = set()
        self.stretches: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
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
        self.correlations: list[bytes] = []


class Worker:
    """One worker; what is not committed dies with the object."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.runtime = Runtime()
        self.runtime.clear()
        self.switch = Switch(self.runtime)
        self.known = 0
        self.barrier: dict[int, int] = {}

    def go_by(self, definitions: int) -> None:
        self.switch.acts(definitions)
        rules = self.cluster.definitions[definitions]
        self.runtime.set_rules(rules.plans, rules.streams)

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
        restored = Restored()
        restored.take(r for r in cluster.state if r.partition in partitions)
        content = restored.content(groups)
        self.known = len(cluster.definitions) - 1
        if not runtime.held:
            self.switch.forget()
        was = self.switch.acting
        at = acting_of(groups, content.acts, self.known, was)
        if at != was:
            self.go_by(at)
        self.switch.takes_up()
        starts = {group: cluster.frames_read.get(group, 0) for group in groups}
        runtime.hold(starts, content, tidy=True)
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
                    frame = decode_frame(value)
                    if frame.acting > self.switch.acting:
                        self.go_by(frame.acting)
                    self.switch.hear(frame)
                    self.runtime.take_frame(group, offset, frame)
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

    def commit(self, *, tell_all: bool) -> None:
        cluster = self.cluster
        cut = self.runtime.cut(tell_all=tell_all)
        outputs = Outputs(cut, self.runtime.held, [])
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
            cluster.stretches[topic, int(partition)].append((at, cut.acting))
        cluster.acted.add(cut.acting)
        cluster.frames_read.update(cut.exchange)
        cluster.alerts += map(shown, cut.made)
        for record in cut.records:
            assert record.value is not None
            told = {RESULTS_TOPIC: cluster.results, CORRELATIONS_TOPIC: cluster.correlations}
            told[record.topic].append(record.value)


class Changes:
    """What must be found where rules change: each meaning of a rule for itself, on one engine."""

    def __init__(
        self,
        cluster: Cluster,
        produced: list[tuple[tuple[str, int], bytes]],
        streams: list[StreamPlan],
    ) -> None:
        # Who is not asked for a while passes over some; what acted somewhere, acted everywhere.
        self.definitions = {n: cluster.definitions[n] for n in sorted(cluster.acted)}
        self.streams = streams
        self.events: dict[int, list[Event]] = defaultdict(list)
        reached: dict[int, dict[tuple[str, int], int]] = defaultdict(dict)
        ends = dict.fromkeys(INPUTS, 0)
        stretches = {place: list(found) for place, found in cluster.stretches.items()}
        for place, value in produced:
            offset = ends[place]
            ends[place] += 1
            while stretches[place][0][0] <= offset:
                stretches[place].pop(0)
            version = stretches[place][0][1]
            at_ms = json.loads(value)["timestamp"]
            self.events[version].append((at_ms, place, offset, value))
            reached[version][place] = max(at_ms, reached[version].get(place, at_ms))
        # How far time had come in each input at the end of each version.
        self.reached: dict[int, dict[tuple[str, int], int]] = {}
        before: dict[tuple[str, int], int] = {}
        for version in self.definitions:
            for place, at_ms in reached[version].items():
                before[place] = max(at_ms, before.get(place, at_ms))
            self.reached[version] = dict(before)

    def expected(self) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        alive: dict[str, Alone] = {}
        last = max(self.definitions)
        for version, rules in self.definitions.items():
            plans = {prepare_rule(plan).state_id: plan for plan in rules.plans}
            alive = {name: one for name, one in alive.items() if name in plans}
            for name, plan in plans.items():
                one = alive.setdefault(name, Alone(bool(self.streams)))
                one.take(plan, self.events[version])
                cut_ms = END_MS if version == last else self.cut_ms(plan, version)
                found += one.pass_to(cut_ms)
        return found

    def cut_ms(self, plan: Plan, version: int) -> int | None:
        """How far time had come for a rule when all inputs had passed to the next version."""
        places = [place for place in INPUTS if not plan.topics or place[0] in plan.topics]
        if not all(place in self.reached[version] for place in places):
            return None
        return min(self.reached[version][place] for place in places) - DISORDER_MS


class Alone:
    """One meaning of a rule, from when it comes into force until it goes."""

    def __init__(self, by_time: bool) -> None:
        self.engine = Engine()
        self.by_time = by_time
        self.waiting: list[Event] = []

    def take(self, plan: Plan, events: list[Event]) -> None:
        self.engine.set_rules([plan])
        self.waiting += events

    def pass_to(self, cut_ms: int | None) -> list[tuple[str, str, str]]:
        made: list[Made] = []
        if not self.by_time:
            due, self.waiting = self.waiting, []
        elif cut_ms is None:
            return []
        else:
            due = sorted(event for event in self.waiting if event[0] < cut_ms)
            self.waiting = [event for event in self.waiting if event[0] >= cut_ms]
        for at_ms, place, offset, value in due:
            if self.by_time:
                made += self.engine.apply([], at_ms).made
            made += self.engine.apply([Chunk(*place, [offset], [T0 + 10**9], [value])]).made
        if self.by_time and cut_ms is not None:
            made += self.engine.apply([], cut_ms).made
        return [shown(each) for each in made]


class Play:
    """One run. The order of the steps is the seed's."""

    def __init__(self, seed: int, count: int, rules: Rules) -> None:
        self.rand = random.Random(seed)
        self.rules = rules
        self.cluster = Cluster(self.drawn())
        self.workers = [Worker(self.cluster) for _ in range(count)]
        self.owner: list[int | None] = [None] * KEY_GROUPS
        self.at_ms = T0
        self.produced: list[tuple[tuple[str, int], bytes]] = []

    def drawn(self) -> Rules:
        """Some rules: always the same, or of each one variant."""
        if not self.rules.variants:
            return self.rules
        drawn = [self.rand.choice(variants) for variants in self.rules.variants]
        return Rules([plan for plan in drawn if plan is not None], self.rules.streams)

    def run(self, steps: int) -> None:
        self.share()
        for _ in range(steps):
            worker = self.rand.choice(self.workers)
            worker.follow()
            what = self.rand.random()
            if self.rules.variants and self.rand.random() < 0.02:
                self.cluster.definitions.append(self.drawn())
            if what < 0.30:
                self.produce()
            elif what < 0.60:
                worker.poll(self.rand.randint(1, 20), self.rand)
            elif what < 0.80:
                # Some of the many that all tell each other when rules change, or all.
                most = self.rand.choice([5, 1_000]) if self.rules.variants else 10
                worker.take_frames(self.rand.randint(1, most))
            elif what < 0.84 and not self.rules.variants:
                # No event to come has an earlier time than this, less the disorder.
                # With rules that change the clock would decide what the ones before still see.
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
        self.workers[index] = Worker(self.cluster)
        self.owner = [None if owner == index else owner for owner in self.owner]
        self.share()

    def drain(self) -> None:
        """Go on until nothing is left to be read."""
        quiet = 0
        for _ in range(3_000):
            moved = 0
            for worker in self.workers:
                worker.follow()
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
            opens = any(worker.switch.is_open for worker in self.workers if worker.runtime.held)
            quiet = 0 if moved or behind or waiting or opens else quiet + 1
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
    assert sorted(play.cluster.fired) == sorted(alert.split()[0] for _, _, alert in expected)
    assert play.cluster.suppressed == suppressed


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("rules", [CHANGING, CHANGING_IN_ORDER], ids=["arrival", "eventTime"])
def test_rules_may_change_at_any_time(rules: Rules, seed: int, count: int) -> None:
    play = Play(seed, count, rules)
    play.run(400)
    expected = Changes(play.cluster, play.produced, play.rules.streams).expected()
    assert len(play.cluster.acted) > 1
    assert by_key(play.cluster.alerts) == by_key(expected)
