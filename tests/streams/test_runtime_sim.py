"""Processes in miniature: the real runtime, a pretended cluster, one seed for the whole schedule.

Topics are lists, a transaction is one step. Processes poll, commit, crash without warning, and hand
slots over; as the session does it: commit before anything goes or comes, restore from what is
committed, frames that were sent before come before records of topics. What is committed in the end
must be what an independent reading finds, nothing lost, nothing twice.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from typing import Any, Final

import pytest
from tests.streams import reference
from tests.streams.apps import everything
from tests.streams.traffic import LAST, Events

from summit.client.types import ConsumerRecord, TopicPartition
from summit.streams.app import StreamApp
from summit.streams.plan import Plan, changelog_topic
from summit.streams.runtime import Runtime

SEEDS: Final = int(os.environ.get("SUMMIT_SIM_SEEDS", "12"))
COUNTS: Final = {"clicks": 2, "views": 3}


class Cluster:
    """What is committed."""

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
        self.offsets: dict[TopicPartition, int] = {}
        self.states: dict[int, dict[bytes, bytes]] = defaultdict(dict)

    def append(self, place: TopicPartition, key: bytes | None, value: bytes | None) -> None:
        log = self.logs[place]
        log.append(ConsumerRecord(*place, len(log), 1, key, value))


class Worker:
    """One process."""

    def __init__(self, cluster: Cluster, plan: Plan, rand: random.Random) -> None:
        self.cluster = cluster
        self.rand = rand
        self.runtime = Runtime(plan, self._refuse)
        self.barrier: list[dict[TopicPartition, int]] = []

    @staticmethod
    def _refuse(*_: Any) -> None:
        raise AssertionError

    def acquire(self, slots: set[int]) -> None:
        plan, logs = self.runtime.plan, self.cluster.logs
        self.commit()
        for slot in slots:
            places = [*plan.inputs(slot), *plan.sent(slot)]
            positions = {place: self.cluster.offsets.get(place, 0) for place in places}
            self.runtime.hold(slot, list(self.cluster.states[slot].items()), positions)
        stages = plan.before_inputs(sorted(self.runtime.held))
        self.barrier = [{place: len(logs[place]) for place in stage} for stage in stages]

    def release(self, slots: set[int]) -> None:
        self.commit()
        self.runtime.release(slots)

    def poll(self) -> bool:
        """Some records of some partitions; whether there were any."""
        at, logs = self.runtime.positions, self.cluster.logs
        while self.barrier and all(at.get(p, end) >= end for p, end in self.barrier[0].items()):
            del self.barrier[0]
        reading = self.barrier[0] if self.barrier else at
        places = [p for p in reading if p in at and at[p] < len(logs[p])]
        self.rand.shuffle(places)
        for place in places[: self.rand.randint(1, 3)]:
            start = at[place]
            self.runtime.take(place, logs[place][start : start + self.rand.randint(1, 40)])
        if not self.barrier:
            self.runtime.settle()
        return bool(places)

    def commit(self) -> bool:
        cut = self.runtime.cut()
        for record in cut.records:
            if record.topic == changelog_topic("sim"):
                assert record.key is not None
                state = self.cluster.states[record.partition]
                if record.value is None:
                    state.pop(record.key, None)
                else:
                    state[record.key] = record.value
            else:
                place = TopicPartition(record.topic, max(0, record.partition))
                self.cluster.append(place, record.key, record.value)
        self.cluster.offsets.update(cut.positions)
        return bool(cut.records)


def share_out(workers: list[Worker], slots: int, rand: random.Random) -> None:
    """Give every slot to some worker; what moves is released before it is acquired."""
    owners = [rand.choice(workers) for _ in range(slots)]
    for worker in workers:
        worker.release({s for s in worker.runtime.held if owners[s] is not worker})
    for worker in workers:
        mine = {slot for slot in range(slots) if owners[slot] is worker}
        if mine - worker.runtime.held:
            worker.acquire(mine - worker.runtime.held)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_schedule_gives_what_an_independent_reading_finds(seed: int) -> None:
    rand = random.Random(seed)
    app = StreamApp("sim")
    everything(app)
    plan = Plan("sim", app.graph, COUNTS, slots=3)
    cluster = Cluster()
    logs: dict[str, reference.Log] = {
        topic: {n: [] for n in range(count)} for topic, count in COUNTS.items()
    }
    events = {topic: Events(random.Random(f"{seed} {topic}")) for topic in COUNTS}

    def send(last: bool = False) -> None:
        for topic, log in logs.items():
            for partition in log:
                for event in [LAST] if last else events[topic].some(20):
                    log[partition].append(event)
                    value = json.dumps(event).encode()
                    cluster.append(TopicPartition(topic, partition), b"", value)

    workers = [Worker(cluster, plan, rand) for _ in range(rand.choice((1, 2, 3)))]
    share_out(workers, plan.slots, rand)
    for _ in range(200):
        worker = rand.choice(workers)
        what = rand.random()
        if what < 0.2:
            send()
        elif what < 0.7:
            worker.poll()
        elif what < 0.9:
            worker.commit()
        elif what < 0.95:
            share_out(workers, plan.slots, rand)
        else:
            workers.remove(worker)
            workers.append(Worker(cluster, plan, rand))
            share_out(workers, plan.slots, rand)
    send(last=True)
    while sum(worker.poll() or worker.commit() for worker in workers):
        pass
    found: dict[str, list[Any]] = defaultdict(list)
    for place, log in cluster.logs.items():
        found[place.topic] += [json.loads(r.value or b"") for r in log if r.value[:1] == b"{"]
    wanted = reference.expected(logs["clicks"], logs["views"])
    for topic, values in wanted.items():
        assert reference.seen(topic, found[topic]) == values, topic
    reference.check_numbered(found["numbered"], logs["clicks"], delay=2)
    assert all(wanted.values())
    assert all(state == {} for state in map(kept, cluster.states.values()))


def kept(state: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What is left at the end beside times and the counts of `numbering`."""
    return {k: v for k, v in state.items() if b"time" not in k[:8] and b"numbering" not in k}
