"""Correlations in the simulated cluster: crashes, handed-over key groups, frames; exactly once.

What is committed in the end must be what one engine tells that reads every event in order: the same
groups with the same ids, events, entities and links, none lost, none twice, byte for byte.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.sim.runtime_cluster import CORRELATIONS as TOLD
from tests.sim.runtime_cluster import INPUTS, T0, Rules
from tests.sim.test_runtime_sim import BY_TIME, END_MS, PLANS, SEEDS, Play

from summit.documents import validate_correlation
from summit.documents.correlation import CorrelationPlan
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk


def correlation(name: str, **members: object) -> CorrelationPlan:
    return validate_correlation({"id": name, "minEvents": 2, **members}).plan


ENTITIES = {"user": "user", "address": "ip"}
CORRELATIONS = (
    correlation("users", correlationKey="user", window="session", gap="6s", maxEvents=6),
    # One key group has all of its groups; they merge, and go from worker to worker.
    correlation("linked", linkedBy=ENTITIES, timeWindow="20s", maxEvents=40, topics=["u"]),
    correlation("chains", linkedBy=ENTITIES, window="session", gap="4s", hubs={"links": 2}),
    correlation("tenants", linkedBy={"user": "user"}, correlationKey="ip", timeWindow="90s"),
)


def expected(play: Play) -> Counter[bytes]:
    alone = Engine()
    alone.set_rules(CORRELATIONS)
    ends = dict.fromkeys(INPUTS, 0)
    events = []
    for place, value in play.produced:
        events.append((json.loads(value)["timestamp"], place, ends[place], value))
        ends[place] += 1
    told: list[bytes | None] = []
    for at_ms, place, offset, value in sorted(events) if play.rules.streams else events:
        if play.rules.streams:
            told += [record.value for record in alone.apply([], at_ms).records]
        chunk = Chunk(*place, [offset], [T0 + 10**9], [value])
        told += [record.value for record in alone.apply([chunk]).records]
    told += [record.value for record in alone.apply([], END_MS).records]
    return Counter(value for value in told if value is not None)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", SEEDS[::2])
@pytest.mark.parametrize("is_ordered", [False, True], ids=["arrival", "eventTime"])
def test_any_schedule_tells_each_group_once(is_ordered: bool, seed: int, count: int) -> None:
    rules = Rules([*PLANS, *CORRELATIONS], [BY_TIME] if is_ordered else [])
    play = Play(2_000 + seed, count, rules)
    play.run(200)
    want = expected(play)
    assert Counter(play.cluster.committed(TOLD)) == want
    reasons = Counter(json.loads(value)["closeReason"] for value in want)
    assert reasons["merged"]
    assert sum(reasons.values()) > 50
