"""Workers in miniature: the real runtime, a pretended cluster, one seed for the whole schedule.

Topics are lists, time is the events'. Workers poll, take frames, commit, crash without warning, are
taken for dead while they go on, and hand key groups over; as the session does it: commit before
anything goes or comes, restore from what is committed, frames that were sent before come before
inputs. Transactions end when they like: the next batch is taken meanwhile, an end is answered
before its markers are there or not at all, and each partition gets its marker at another time
(`runtime_cluster.py`).
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
from typing import Any, Final

import pytest
from tests.sim.runtime_cluster import ALERTS, FIRED, INPUTS, T0, Cluster, Rules, Worker, shown

from summit.alerts.entries import Fired, Repeated
from summit.cep.rules import prepare_rule
from summit.documents import validate_pattern
from summit.documents.stream import StreamPlan
from summit.flow.engine import Applied, Engine
from summit.flow.findings import Made
from summit.flow.kinds import Plan
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS

FIRST: Final = int(os.environ.get("SUMMIT_SIM_FIRST", "0"))
SEEDS: Final = range(FIRST, FIRST + int(os.environ.get("SUMMIT_SIM_SEEDS", "12")))


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


def by_key(found: list[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    sorted_out: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pattern, key, alert in found:
        sorted_out[pattern, key].append(alert)
    return dict(sorted_out)


class Changes:
    """What must be found where rules change: each meaning of a rule for itself, on one engine."""

    def __init__(
        self,
        cluster: Cluster,
        produced: list[tuple[tuple[str, int], bytes]],
        streams: list[StreamPlan],
    ) -> None:
        # Who is not asked for a while passes over some; what acted somewhere, acted everywhere.
        self.definitions = {n: cluster.definitions[n] for n in sorted(cluster.acted) if n}
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
        self.cluster = Cluster(self.drawn(), self.rand)
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

    def agree(self) -> None:
        """All go by the first rules; without this some begin while others change them."""
        for _ in range(50):
            if all(worker.switch.acting for worker in self.workers if worker.runtime.held):
                return
            for worker in self.workers:
                worker.follow()
                worker.take_frames(10_000)
                worker.commit(tell_all=True)
        raise AssertionError("they never agree")

    def run(self, steps: int) -> None:
        self.share()
        self.begins_agreed = self.rand.random() < 0.8
        if self.begins_agreed:
            self.agree()
        for _ in range(steps):
            worker = self.rand.choice(self.workers)
            worker.follow()
            if self.rand.random() < 0.3:
                self.cluster.mark_some()
            what = self.rand.random()
            # Seldom before the last ones act: with many workers none ever would.
            is_open = any(each.switch.is_open for each in self.workers if each.runtime.held)
            if self.rules.variants and self.rand.random() < (0.003 if is_open else 0.03):
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
                worker.begin(tell_all=self.rand.random() < 0.2)
            elif what < 0.96:
                self.share()
            elif what < 0.98:
                self.lose(self.workers.index(worker))
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

    @property
    def alerts(self) -> list[tuple[str, str, str]]:
        """Those committed, in the order of their log."""
        return self.cluster.committed(ALERTS)

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
        living = [n for n, worker in enumerate(self.workers) if not worker.is_dead]
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
                self.owner[group] = self.rand.choice(living)
                given[self.owner[group] or 0].add(group)
        for index, groups in given.items():
            self.workers[index].commit(tell_all=False)
            self.workers[index].acquire(groups)

    def lose(self, index: int) -> None:
        """A worker is slow and the group takes it for dead; it goes on, and does not know."""
        if sum(not worker.is_dead for worker in self.workers) > 1:
            self.workers[index].is_dead = True
            self.owner = [None if owner == index else owner for owner in self.owner]
            self.share()

    def crash(self, index: int) -> None:
        self.workers[index].is_dead = True
        self.workers[index] = Worker(self.cluster)
        self.owner = [None if owner == index else owner for owner in self.owner]
        self.share()

    def drain(self) -> None:
        """Go on until nothing is left to be read."""
        quiet = 0
        for worker in {made.worker for made in self.cluster.open if made.worker.is_dead}:
            self.cluster.end_all(worker)
        for _ in range(3_000):
            moved = 0
            begun_anew = self.cluster.begun_anew
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
            # Who has begun anew takes frames once more, and has told nothing of them yet.
            moved += self.cluster.begun_anew - begun_anew
            quiet = 0 if moved or behind or waiting or opens else quiet + 1
            if quiet == 4:  # what was told has been read, and what came of it was told
                return
        raise AssertionError("it never comes to an end")


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rules", [ARRIVAL, IN_ORDER], ids=["arrival", "eventTime"])
def test_any_schedule_finds_what_one_engine_finds(rules: Rules, seed: int, count: int) -> None:
    play = Play(seed, count, rules)
    play.run(250)
    expected, suppressed = play.expected()
    assert len(expected) > 10
    assert by_key(play.alerts) == by_key(expected)
    entries = play.cluster.committed(FIRED)
    fired = [entry.id for entry in entries if isinstance(entry, Fired)]
    assert sorted(fired) == sorted(alert.split()[0] for _, _, alert in expected)
    found: Counter[str] = Counter()
    for entry in entries:
        if isinstance(entry, Repeated):
            found[entry.id] += entry.count
    assert found == suppressed


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rules", [CHANGING, CHANGING_IN_ORDER], ids=["arrival", "eventTime"])
def test_rules_may_change_at_any_time(rules: Rules, seed: int, count: int) -> None:
    play = Play(seed, count, rules)
    play.run(400)
    expected = Changes(play.cluster, play.produced, play.rules.streams).expected()
    assert len(play.cluster.acted - {0}) > play.begins_agreed
    assert by_key(play.alerts) == by_key(expected)
