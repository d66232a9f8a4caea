"""Late events of rules with `allowedLateness`: what stands in the end is what a run from scratch
over the events in the order of time gives, for rules of every kind."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest
from tests.cep.plans import by_time, chunk, event

from summit.base.errors import Corrupt
from summit.cep.late_keys import identity
from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Late
from summit.keyed.processor import Processor

T0 = 1_700_000_000_000
LATENESS, DELAY = 700, 100
STEPS: list[dict[str, Any]] = [
    {"name": "a", "where": "eventType == 'a'"},
    {"name": "b", "where": "eventType == 'b' && x >= a.last.x"},
]
SILENCE: list[dict[str, Any]] = [
    {"name": "a", "where": "eventType == 'a'"},
    {"name": "b", "relation": "notFollowedBy", "where": "eventType == 'b'"},
]
RULES: dict[str, dict[str, Any]] = {
    "tumbling": {"window": {"type": "tumbling", "size": 500}, "having": "count() >= 3"},
    "sum": {"window": {"type": "tumbling", "size": 500}, "having": "sum(x) < 60 && count() > 1"},
    "hop": {"window": {"type": "sliding", "size": 600, "slide": 200}, "having": "count() >= 3"},
    "hop after": {
        "window": {"type": "sliding", "size": 600, "slide": 200}, "having": "distinct(x) > 2",
        "rearm": {"after": 900},
    },
    "trailing": {"window": {"type": "sliding", "size": 600}, "having": "max(x) - min(x) > 30"},
    "always": {
        "window": {"type": "sliding", "size": 600}, "having": "count() >= 3", "rearm": "always",
    },
    "silence": {"window": {"type": "sliding", "size": 400}, "having": "count() == 0"},
    "empty": {"window": {"type": "tumbling", "size": 400}, "having": "count() == 0"},
    "session": {"window": {"type": "session", "gap": 200}, "having": "count() >= 3"},
    "rolled": {"window": {"type": "session", "gap": 200, "size": 500}, "having": "avg(x) > 20"},
    "groups": {
        "window": {"type": "tumbling", "size": 500}, "having": "zscore(sum(x), groups) > 0.5",
    },
    "sequence": {"steps": STEPS, "within": 500},
    "all": {"steps": STEPS, "within": 500, "afterMatch": "noSkip"},
    "strict": {
        "steps": [STEPS[0], {"name": "b", "relation": "next", "where": "eventType == 'b'"}],
        "within": 800,
    },
    "loop": {"steps": [{**STEPS[0], "times": {"min": 2}}, STEPS[1]], "within": 900},
    "absence": {"steps": SILENCE, "within": 300},
    "unbounded": {"steps": STEPS},
    "hop sequence": {
        "steps": STEPS, "windowConfig": {"type": "sliding", "size": 600, "slide": 200},
    },
    "session sequence": {
        "steps": STEPS, "windowConfig": {"type": "session", "gap": 300}, "afterMatch": "noSkip",
    },
    "session absence": {"steps": SILENCE, "windowConfig": {"type": "session", "gap": 200}},
    "expected": {
        "window": {"type": "tumbling", "size": 400}, "having": "count() == 0",
        "expectedKeys": ["u", "never"],
    },
    "expected sliding": {
        "window": {"type": "sliding", "size": 400}, "having": "count() == 0",
        "expectedKeys": ["v", "never"],
    },
    "expected session": {"window": {"type": "session", "gap": 300}, "expectedKeys": ["v", "never"]},
    "longest": {"steps": STEPS, "within": 400, "emit": "longest"},
}  # fmt: skip


def plan_of(name: str, **more: Any) -> PatternPlan:
    document = {
        "kind": "pattern", "id": "p", "groupBy": ["user"], "allowedLateness": LATENESS,
        "action": {"type": "alert"}, **RULES[name], **more,
    }  # fmt: skip
    if "window" in document:
        document["where"] = "eventType in ['a', 'b']"
    return validate_pattern(document).plan


def random_rows(
    rand: random.Random, count: int, *, between: bool = False
) -> list[tuple[int, bytes]]:
    """Times and events, many of them behind those before.

    Args:
        between: Events may be so late that they are in time for some windows only; else they are
            within the lateness, or far behind.
    """
    at, rows, most = T0, [], 1_500 if between else LATENESS + DELAY
    for number in range(count):
        at += rand.choice((0, 10, 60, 120, 200, 201, 450))
        own = at - (rand.randint(0, most) if rand.random() < 0.4 else 0)
        own -= 9_000 if rand.random() < 0.04 else 0
        body = {
            "eventType": rand.choice("aabbc"), "timestamp": own, "user": rand.choice("uv"),
            "x": rand.randint(0, 50), "n": number,
        }  # fmt: skip
        rows.append((own, json.dumps(body).encode()))
    return rows


def reloaded(processor: Processor, plan: PatternPlan) -> Processor:
    """Another one with its state and its times, as after a restart."""
    fresh = processor_of(plan)
    for key in processor.state_keys():
        data = processor.dump(key)
        if data is not None:
            assert fresh.load(key, data, processor.state_version(key))
    for name in processor.take_changed_waits() | waits_of(processor):
        data = processor.dump_wait(name)
        if data is not None:
            fresh.load_wait(name, data)
    fresh.set_watermarks(processor.watermarks())
    return fresh


def waits_of(processor: Processor) -> set[Any]:
    return set(processor._wait_log._events)


def processor_of(plan: PatternPlan, delay_ms: int = DELAY) -> Processor:
    processor = Processor(compile_rules([plan], [by_time(delay_ms)]))
    processor.hold(range(KEY_GROUPS))
    return processor


def standing(found: list[Any]) -> dict[Any, Match]:
    """What stands when corrections are applied; checks that they fit what was told."""
    revisions: dict[Any, int] = {}
    stands: dict[Any, Match] = {}
    for match in found:
        if isinstance(match, Late):
            continue
        name = identity(match)
        if match.revision:
            assert match.late
            assert revisions[name] == match.revision - 1, match
        else:
            assert name not in revisions, match
        revisions[name] = match.revision
        if match.withdrawn:
            before = stands.pop(name)
            assert before.captures == match.captures
        else:
            stands[name] = match
    return stands


def from_scratch(plan: PatternPlan, rows: list[tuple[int, bytes]], gone: set[int]) -> list[Match]:
    """What the rule without lateness makes of the events, put in order before."""
    places = sorted((own, n) for n, (own, _) in enumerate(rows) if n not in gone)
    values = [rows[n][1] for _, n in places]
    plain = dataclasses.replace(plan, lateness_ms=0)
    processor = Processor(compile_rules([plain], [by_time(DELAY)]))
    offsets = [n for _, n in places]
    whole = Chunk("t", 0, offsets, [T0 + 10**9] * len(values), values)
    found = processor.apply([whole]).outputs.found
    return found + processor.apply([], TIME_MS_MAX).outputs.found


def plain(match: Match) -> tuple[Any, ...]:
    values = {name: round(v, 9) if type(v) is float else v for name, v in match.values.items()}
    places = [(step, ref.offset) for step, ref in match.captures]
    return match.key, match.window, match.end_ms, match.count, match.timed_out, values, places


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_what_stands_is_what_a_run_from_scratch_gives(name: str, seed: int) -> None:
    rand = random.Random(f"{name} {seed}")
    plan = plan_of(name)
    rows = random_rows(rand, 90)
    if name.startswith("expected"):  # from when on keys are awaited is known by the first event
        rows = [(T0, event("a", T0, user="z", x=0)), *(row for row in rows if row[0] >= T0)]
    processor, found, outputs = processor_of(plan), [], []
    first = 0
    while first < len(rows):
        part = rows[first : first + rand.randint(1, 9)]
        values = [value for _, value in part]
        offsets = range(first, first + len(part))
        one = Chunk("t", 0, offsets, [T0 + 10**9] * len(part), values)
        outputs.append(processor.apply([one]).outputs)
        first += len(part)
        if rand.random() < 0.2:
            processor = reloaded(processor, plan)
    outputs.append(processor.apply([], TIME_MS_MAX).outputs)
    assert not any(each.late for each in outputs)
    found = [match for each in outputs for match in each.found]
    gone = {each.offset for each in found if isinstance(each, Late)}
    expected = from_scratch(plan, rows, gone)
    got = sorted(map(plain, standing(found).values()), key=repr)
    assert got == sorted(map(plain, expected), key=repr)


def run_parts(plan: PatternPlan, rows: list[tuple[int, bytes]], rand: random.Random) -> list[Any]:
    """What comes of events in batches of any size, then of the end of time."""
    processor, found, first = processor_of(plan), [], 0
    while first < len(rows):
        part = rows[first : first + rand.randint(1, 9)]
        found += processor.apply([as_chunk(part, first)]).outputs.found
        first += len(part)
    return found + processor.apply([], TIME_MS_MAX).outputs.found


def as_chunk(part: list[tuple[int, bytes]], first: int, partition: int = 0) -> Chunk:
    offsets, stamps = range(first, first + len(part)), [T0 + 10**9] * len(part)
    return Chunk("t", partition, offsets, stamps, [value for _, value in part])


@pytest.mark.parametrize(("size", "slide"), [(500, 500), (600, 200), (300, 300), (400, 100)])
@pytest.mark.parametrize("seed", range(3))
def test_an_event_counts_in_the_windows_that_it_is_in_time_for(
    size: int, slide: int, seed: int
) -> None:
    """Too late for a window: its end plus the lateness is at most F."""
    rand = random.Random(f"{size} {slide} {seed}")
    window = {"type": "sliding", "size": size, "slide": slide}
    plan = plan_of("tumbling", window=window, having="count() >= 2", rearm="always")
    rows = random_rows(rand, 120, between=True)
    counts: dict[tuple[str, int], int] = {}
    reached, gone, partly = -(10**18), set(), 0
    for number, (own, value) in enumerate(rows):
        body, frontier = json.loads(value), reached - DELAY
        reached = max(reached, own)
        if body["eventType"] == "c":
            continue
        last = own // slide * slide + size
        ends = [end for end in range(last - size + slide, last + 1, slide) if own < end]
        in_time = [end for end in ends if own >= frontier or end + LATENESS > frontier]
        partly += 0 < len(in_time) < len(ends)
        if not in_time:
            gone.add(number)
        for end in in_time:
            counts[body["user"], end] = counts.get((body["user"], end), 0) + 1
    found = run_parts(plan, rows, rand)
    assert {each.offset for each in found if isinstance(each, Late)} == gone
    assert gone
    assert partly or size == slide
    got = {(m.key[0], m.end_ms): m.count for m in standing(found).values()}
    assert got == {name: count for name, count in counts.items() if count >= 2}


@pytest.mark.parametrize("name", ["tumbling", "sequence", "absence", "silence"])
def test_batches_change_nothing(name: str) -> None:
    rand = random.Random(name)
    rows = random_rows(rand, 200)
    plan = plan_of(name)
    expected = run_parts(plan, rows, random.Random(1))
    assert run_parts(plan, rows, random.Random(2)) == expected
    assert any(isinstance(each, Match) and each.late for each in expected)


@pytest.mark.parametrize("name", ["tumbling", "session", "sequence", "absence", "trailing"])
def test_late_events_that_another_worker_has_read_count_too(name: str) -> None:
    """One worker reads and holds nothing, the other one holds all keys."""
    rand = random.Random(f"remote {name}")
    plan = plan_of(name)
    rows = random_rows(rand, 250)
    reader, holder = processor_of(plan), processor_of(plan)
    reader.hold(())
    found: list[Any] = []
    read_late = 0
    for number, row in enumerate(rows):
        outputs = reader.apply([as_chunk([row], number)]).outputs
        assert not outputs.found
        read_late += len(outputs.late)
        for one in outputs.remote:
            sent = Chunk("t", 0, [one.offset], [one.timestamp_ms], [one.value])
            found += holder.apply_remote(one.group, sent, [one.taken_ms]).outputs.found
        holder.set_watermarks(reader.watermarks())
        found += holder.apply([]).outputs.found
    found += holder.apply([], TIME_MS_MAX).outputs.found
    assert not read_late
    gone = {each.offset for each in found if isinstance(each, Late)}
    expected = from_scratch(plan, rows, gone)
    assert any(isinstance(each, Match) and each.late for each in found)
    got = sorted(map(plain, standing(found).values()), key=repr)
    assert got == sorted(map(plain, expected), key=repr)


def test_a_rule_without_lateness_beside_one_with_it_lets_late_events_go() -> None:
    tolerant = plan_of("tumbling")
    strict = dataclasses.replace(tolerant, id="q", lateness_ms=0)
    processor = Processor(compile_rules([tolerant, strict], [by_time(0)]))
    values = [event("a", at, user="u") for at in (0, 10, 600, 20)]
    outputs = processor.apply([chunk(*values)]).outputs
    assert [(m.pattern_id, m.late, m.count) for m in outputs.found] == [("p", True, 3)]
    (late,) = outputs.late
    assert (late.offset, late.rule, late.watermark_ms) == (3, None, 600)
    assert processor.stats()["late"] == 1


def test_in_arrival_order_nothing_is_late() -> None:
    plan = plan_of("tumbling")
    processor = Processor(compile_rules([plan]))
    values = [event("a", at, user="u") for at in (0, 10, 600, 20)]
    outputs = processor.apply([chunk(*values)], 5_000).outputs
    assert not outputs.found
    assert not outputs.late


def test_what_is_kept_goes_when_nothing_can_be_late_any_more() -> None:
    plan = plan_of("sequence")
    processor = processor_of(plan)
    more = event("c", 300, user="v")
    found = processor.apply(
        [chunk(event("a", 0, user="u", x=1), event("b", 5, user="u", x=2), more)]
    )
    assert len(found.outputs.found) == 1
    assert processor.state_keys()
    processor.apply([chunk(event("c", 60_000, user="v"), first=3)])
    assert not processor.state_keys()


def test_a_busy_key_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.cep.lateness.LATE_EVENTS_MAX", 20)
    processor = processor_of(plan_of("tumbling"))
    values = [event("a", n, user="u") for n in range(100)]
    processor.apply([chunk(*values)])
    processor.apply([chunk(event("c", 300, user="u"), first=100)])
    assert processor.rule_stats()["p"]["settled_early"] >= 4
    # Its window is open still, so that it counts with those that were let go.
    processor.apply([chunk(event("a", 20, user="u"), first=101)])
    assert processor.rule_stats()["p"]["late_taken"] == 1
    (match,) = processor.apply([], TIME_MS_MAX).outputs.found
    assert match.count == 101


def test_state_of_another_version_is_refused() -> None:
    plan = plan_of("sequence")
    processor = processor_of(plan)
    processor.apply([chunk(event("a", 0, user="u"), event("c", 900, user="u"))])
    (key,) = processor.state_keys()
    data = processor.dump(key)
    assert data is not None
    with pytest.raises(Corrupt, match="version 2"):
        processor.load(key, data, 2)
    with pytest.raises(Corrupt):
        processor.load(key, data[:-1], processor.state_version(key))


def test_a_silence_that_was_told_is_withdrawn() -> None:
    window = {"type": "tumbling", "size": 400}
    plan = plan_of("empty", window=window, expectedKeys=["u"])
    processor = processor_of(plan, delay_ms=0)
    stamps = [T0 + 10**9]
    processor.apply([chunk(event("a", T0, user="z"), stamps=stamps)])
    beyond = chunk(event("c", T0 + 450, user="z"), first=1, stamps=stamps)
    told = processor.apply([beyond]).outputs.found
    assert [(m.key, m.window, m.late) for m in told] == [(("u",), (T0, T0 + 400), False)]
    (gone,) = processor.apply(
        [chunk(event("a", T0 + 100, user="u"), first=2, stamps=stamps)]
    ).outputs.found
    assert (gone.withdrawn, gone.window, gone.revision) == (True, (T0, T0 + 400), 1)
