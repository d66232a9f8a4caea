"""Queries over topics in the order of time: late events correct windows that are still kept."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.analytics.queries import COUNT, FAR_MS, SUM, Row, event_of, plan_of

from summit.analytics.rule import QueryRule, Told
from summit.documents.stream import StreamPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Late
from summit.keyed.processor import Processor
from summit.keyed.ruleset import make_rule_set

LATENESS, DELAY = 15, 2
ORDERED = StreamPlan("s", ("*",), is_ordered=True, delay_ms=DELAY)


def processor_of(plan: Any) -> Processor:
    processor = Processor(make_rule_set([QueryRule(plan)], [ORDERED]))
    processor.hold(range(KEY_GROUPS))
    return processor


def chunk(rows: list[Row], first: int) -> Chunk:
    offsets, stamps = range(first, first + len(rows)), [FAR_MS] * len(rows)
    return Chunk("t", 0, offsets, stamps, list(map(event_of, rows)))


def last_told(found: list[Any]) -> dict[tuple[Any, int, int], dict[str, Any]]:
    """The metrics of each window as they were told last; what was replaced is gone."""
    stands: dict[tuple[Any, int, int], dict[str, Any]] = {}
    for one in found:
        if isinstance(one, Told):
            for start, end in one.replaces:
                del stands[one.key, start, end]
            stands[one.key, one.start_ms, one.end_ms] = one.metrics
    return stands


def run_parts(plan: Any, rows: list[Row], rand: random.Random) -> list[Any]:
    processor, found, first = processor_of(plan), [], 0
    while first < len(rows):
        part = rows[first : first + rand.randint(1, 7)]
        found += processor.apply([chunk(part, first)]).outputs.found
        first += len(part)
        if rand.random() < 0.2:
            processor = reloaded(processor, plan)
    return found + processor.apply([], TIME_MS_MAX).outputs.found


def reloaded(processor: Processor, plan: Any) -> Processor:
    fresh = processor_of(plan)
    for key in processor.state_keys():
        data = processor.dump(key)
        if data is not None:
            assert fresh.load(key, data, processor.state_version(key))
    for name in list(processor._wait_log._events):
        waiting = processor.dump_wait(name)
        assert waiting is not None
        fresh.load_wait(name, waiting)
    fresh.set_watermarks(processor.watermarks())
    return fresh


def random_rows(rand: random.Random) -> list[Row]:
    at, rows = 1_000, []
    for number in range(150):
        at += rand.choice((0, 1, 3, 6))
        own = at - (rand.randint(0, 40) if rand.random() < 0.4 else 0)
        rows.append((own, rand.choice("ab"), number))
    return rows


@pytest.mark.parametrize(("size", "slide"), [(10, 10), (20, 5), (6, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_the_last_result_of_a_window_is_that_of_all_events_in_time_for_it(
    size: int, slide: int, seed: int
) -> None:
    """Too late for a window: its end plus the lateness is at most F, the largest time less the
    delay. Events that are behind F count at all only where the query says a lateness."""
    rand = random.Random(f"{size} {slide} {seed}")
    window = {"type": "hopping", "size": size, "slide": slide}
    plan = plan_of(window, COUNT, SUM, allowedLateness=LATENESS)
    rows = random_rows(rand)
    expected: dict[tuple[Any, int, int], list[int]] = {}
    gone: set[int] = set()
    reached = 0
    for number, (own, key, value) in enumerate(rows):
        frontier = reached - DELAY
        reached = max(reached, own)
        last = own // slide * slide + size
        ends = [end for end in range(last - size + slide, last + 1, slide) if own < end]
        if last + LATENESS <= frontier:
            gone.add(number)
            continue
        for end in ends:
            if end + LATENESS > frontier:
                expected.setdefault((key, end - size, end), []).append(value)
    found = run_parts(plan, rows, rand)
    assert {each.offset for each in found if isinstance(each, Late)} == gone
    assert gone
    assert any(isinstance(each, Told) and each.revision for each in found)
    names = [metric.name for metric in plan.metrics]
    wanted = {name: dict(zip(names, (len(v), sum(v)), strict=True)) for name, v in expected.items()}
    assert last_told(found) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_sessions_that_grow_say_what_they_replace(seed: int) -> None:
    rand = random.Random(seed)
    plan = plan_of({"type": "session", "gap": 4}, COUNT, SUM, allowedLateness=LATENESS)
    rows = [row for row in random_rows(rand) if row]
    found = run_parts(plan, rows, rand)
    gone = {each.offset for each in found if isinstance(each, Late)}
    counts = [metrics[plan.metrics[0].name] for metrics in last_told(found).values()]
    assert sum(counts) == len(rows) - len(gone)  # each event is in one session, none is lost
    assert any(isinstance(each, Told) and each.replaces for each in found)


def test_without_lateness_what_is_behind_its_partition_is_late() -> None:
    plan = plan_of({"type": "tumbling", "size": 10}, COUNT)
    processor = processor_of(plan)
    rows: list[Row] = [(1, "a", 1), (20, "a", 1), (15, "a", 1)]
    outputs = processor.apply([chunk(rows, 0)]).outputs
    assert [late.offset for late in outputs.late] == [2]
    assert processor.stats()["late"] == 1


def test_a_partition_that_speaks_again_corrects_what_was_told() -> None:
    """Its events are in order there, and behind the windows that were told without it."""
    processor = processor_of(plan_of({"type": "tumbling", "size": 20}, COUNT, allowedLateness=100))
    processor.open_input("t", 0)
    processor.open_input("t", 1)
    processor.rest("t", 1, 0, idle=True)
    rows: list[Row] = [(1, "a", 1), (2, "a", 1), (42, "b", 1)]
    found = processor.apply([chunk(rows, 0)]).outputs.found
    again = list(map(event_of, [(5, "a", 1), (6, "a", 1), (32, "b", 1)]))
    found += processor.apply([Chunk("t", 1, range(3), [FAR_MS] * 3, again)]).outputs.found
    told = [(one.count, one.revision) for one in found if one.key == "a"]
    assert told == [(2, 0), (3, 1), (4, 2)]
