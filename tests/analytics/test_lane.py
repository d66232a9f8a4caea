"""Queries as lanes of the processor: the same results as a runner's, late events told as such."""

from __future__ import annotations

import random

import pytest
from tests.analytics.queries import COUNT, FAR_MS, SUM, Row, event_of, plan_of, run

from summit.analytics.rule import QueryRule, Told
from summit.analytics.runner import QueryRunner
from summit.base.errors import Corrupt
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Late
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

WINDOWS = [
    {"type": "tumbling", "size": 10}, {"type": "hopping", "size": 20, "slide": 5},
    {"type": "sliding", "size": 15}, {"type": "session", "gap": 4}, {"type": "count", "count": 3},
    {"type": "global", "everyCount": 4},
]  # fmt: skip


def chunk(rows: list[Row], first: int = 0) -> Chunk:
    return Chunk(
        "t", 0, range(first, first + len(rows)), [FAR_MS] * len(rows), list(map(event_of, rows))
    )


def numbers(found: list[Told]) -> list[tuple[object, ...]]:
    return [(one.key, one.start_ms, one.end_ms, one.revision, one.metrics) for one in found]


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window["type"])
@pytest.mark.parametrize("seed", range(6))
def test_a_lane_tells_what_a_runner_tells(window: dict[str, object], seed: int) -> None:
    rng = random.Random(seed)
    plan = plan_of(window, COUNT, SUM)
    rows = [
        (n * 2 + rng.randint(0, 3) - rng.choice([0, 0, 0, 9]), rng.choice(["a", "b", None]), n)
        for n in range(120)
    ]
    want = run(QueryRunner(plan, topic="t"), rows, range(1, len(rows)), end=False)
    processor = Processor(make_rule_set([QueryRule(plan)]))
    found, late = [], []
    for start in range(0, len(rows), 7):
        outputs = processor.apply([chunk(rows[start : start + 7], start)]).outputs
        found += [one for one in outputs.found if isinstance(one, Told)]
        late += [one for one in outputs.found if isinstance(one, Late)]
    assert numbers(found) == numbers(want)  # type: ignore[arg-type]
    stats = processor.rule_stats()["query:q"]
    assert stats["late"] == len(late)
    assert stats["taken"] + len(late) == len(rows)


def test_a_late_event_is_told_with_its_place() -> None:
    processor = Processor(make_rule_set([QueryRule(plan_of(WINDOWS[0]))]))
    rows: list[Row] = [(5, "a", 1), (25, "a", 1), (6, "a", 1)]
    found = processor.apply([chunk(rows, 40)]).outputs.found
    (late,) = [one for one in found if isinstance(one, Late)]
    assert (late.topic, late.partition, late.offset, late.timestamp_ms) == ("t", 0, 42, 6)
    assert late.watermark_ms == 25


def test_groups_move_with_their_key_groups_and_bad_state_is_named() -> None:
    plan = plan_of(WINDOWS[0])
    keys = [1, True, "1", None, "x", 2.5]
    rows: list[Row] = [(n, key, n) for n, key in enumerate(keys)]
    first = Processor(make_rule_set([QueryRule(plan)]))
    first.hold(range(KEY_GROUPS))
    dirty = first.apply([chunk(rows)]).dirty
    assert len(dirty) == len(keys)
    second = Processor(make_rule_set([QueryRule(plan)]))
    for key in dirty:
        data = first.dump(key)
        assert data is not None
        assert second.load(key, data, first.state_version(key))
    told = second.apply([chunk([(30, "x", 0)], 10)]).outputs.found
    assert len(told) == len(keys)
    with pytest.raises(Corrupt, match="of version 9"):
        second.load(next(iter(dirty)), b"\x90", 9)
    with pytest.raises(Corrupt, match="cannot be read"):
        second.load(next(iter(dirty)), b"\x90", 1)
    first.hold(())
    assert first.rule_stats()["query:q"]["groups"] == 0
