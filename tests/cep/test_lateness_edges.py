"""Rules with `allowedLateness` at their limits: large keys, quiet keys, partitions that rest."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from tests.cep.plans import by_time, event
from tests.cep.test_lateness import (
    as_chunk,
    from_scratch,
    plain,
    random_rows,
    reloaded,
    standing,
)
from tests.cep.test_lateness import plan_of as random_plan
from tests.cep.test_lateness import processor_of as delayed

from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.events.times import TIME_MS_MAX
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import Late
from summit.keyed.processor import Processor
from summit.log.settings import LogConfig

MINUTE = 60_000
HOUR = 60 * MINUTE


def plan_of(**more: Any) -> PatternPlan:
    document = {
        "kind": "pattern", "id": "p", "groupBy": ["user"], "allowedLateness": MINUTE,
        "action": {"type": "alert"}, **more,
    }  # fmt: skip
    return validate_pattern(document).plan


def chunk(*values: bytes, partition: int = 0, first: int = 0) -> Chunk:
    offsets = range(first, first + len(values))
    return Chunk("t", partition, offsets, [TIME_MS_MAX] * len(values), values)


def processor_of(plan: PatternPlan) -> Processor:
    processor = Processor(compile_rules([plan], [by_time(0)]))
    processor.hold(range(KEY_GROUPS))
    return processor


def tumbling(having: str, size: str = "1h") -> dict[str, Any]:
    return {
        "where": "eventType == 'a'",
        "window": {"type": "tumbling", "size": size},
        "having": having,
    }


SINGLE: dict[str, Any] = {"steps": [{"name": "a", "where": "eventType == 'a'"}]}


@pytest.mark.parametrize("rule", [tumbling("count() >= 3"), SINGLE], ids=["window", "steps"])
@pytest.mark.parametrize("apart_ms", [1, 0])
def test_a_key_fits_in_a_record(rule: dict[str, Any], apart_ms: int) -> None:
    plan = plan_of(**rule)
    processor = processor_of(plan)
    body = {"eventType": "a", "user": "u", "x": "y" * 150}
    values = [
        json.dumps({**body, "timestamp": 1_000 + apart_ms * n}).encode() for n in range(9_000)
    ]
    found = processor.apply([chunk(*values[:-1])]).outputs.found
    found += processor.apply([chunk(event("c", 20_000, user="v"), first=8_999)]).outputs.found
    data = [processor.dump(key) for key in processor.state_keys()]
    assert max(len(each) for each in data if each) < LogConfig().max_message_bytes * 0.8
    assert processor.rule_stats()["p"]["settled_early"] > 0
    # A late event still counts among those that are kept.
    found += processor.apply([chunk(values[-1], first=9_000)]).outputs.found
    found += processor.apply([], TIME_MS_MAX).outputs.found
    assert processor.rule_stats()["p"]["late_taken"] == 1
    assert not any(match.withdrawn or match.revision for match in found)
    assert (len(found) == 9_000) if plan.window is None else (found[-1].count == 9_000)


QUIET: dict[str, dict[str, Any]] = {
    "window": tumbling("count() >= 3"),
    "told": tumbling("count() >= 2"),
    "sequence": {
        "steps": [
            {"name": "a", "where": "eventType == 'a'", "times": 2},
            {"name": "b", "where": "eventType == 'a'"},
        ],
        "within": "1h",
    },
    "absence": {
        "steps": [
            {"name": "a", "where": "eventType == 'a'", "times": 2},
            {"name": "b", "relation": "notFollowedBy", "where": "eventType == 'b'"},
        ],
        "within": "1h",
    },
}


@pytest.mark.parametrize("name", QUIET)
def test_a_key_that_was_quiet_for_longer_than_the_lateness_is_corrected(name: str) -> None:
    processor = processor_of(plan_of(**QUIET[name]))
    found = processor.apply([chunk(event("a", 0, user="u"), event("a", 1, user="u"))]).outputs.found
    offset = 2
    for at in range(30_000, HOUR + 1, 30_000):
        tick = chunk(event("c", at, user="v"), first=offset)
        found += processor.apply([tick]).outputs.found
        offset += 1
    found += processor.apply(
        [chunk(event("c", HOUR + 5_000, user="v"), first=offset)]
    ).outputs.found
    kind = "b" if name == "absence" else "a"
    late = chunk(event(kind, HOUR - 10_000, user="u"), first=offset + 1)
    corrections = processor.apply([late]).outputs.found
    assert processor.rule_stats()["p"]["late_taken"] == 1
    first = {"window": [], "told": [2], "sequence": [], "absence": [False]}[name]
    assert [m.count or m.timed_out for m in found] == first
    told = [(m.late, m.revision, m.withdrawn, m.count) for m in corrections]
    assert (
        told
        == {
            "window": [(True, 0, False, 3)],
            "told": [(True, 1, False, 3)],
            "sequence": [(True, 0, False, 0)],
            "absence": [(True, 1, True, 0)],
        }[name]
    )
    processor.apply([chunk(event("c", 3 * HOUR, user="v"), first=offset + 2)])
    assert not processor.state_keys()


@pytest.mark.parametrize(("having", "told"), [("count() >= 2", [(4, 0)]), ("count() >= 5", [])])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_partition_that_speaks_again_corrects_what_was_told(
    having: str, told: list[tuple[int, int]], *, restarts: bool
) -> None:
    """Its events are in order there, and behind the windows that were told without it."""
    plan = plan_of(**tumbling(having, "20s"))
    processor = processor_of(plan)
    processor.open_input("t", 0)
    processor.open_input("t", 1)
    processor.rest("t", 1, 0, idle=True)
    values = [event("a", at, user="u") for at in (1_000, 2_000, 3_000, 4_000)]
    found = processor.apply([chunk(*values, event("c", 40_000, user="v"))]).outputs.found
    assert [(match.count, match.revision) for match in found] == told
    if restarts:
        before, processor = processor, processor_of(plan)
        for key in before.state_keys():
            data = before.dump(key)
            assert data is not None
            processor.load(key, data, before.state_version(key))
        processor.set_watermarks(before.watermarks())
    late = [event("a", 5_000, user="u"), event("a", 6_000, user="u"), event("c", 30_000, user="v")]
    found += processor.apply([chunk(*late, partition=1)]).outputs.found
    found += processor.apply([], TIME_MS_MAX).outputs.found
    revised = [(5, len(told)), (6, len(told) + 1)]
    assert [(match.count, match.revision) for match in found] == told + revised
    assert not any(match.withdrawn for match in found)


def test_a_partition_that_speaks_again_begins_keys_in_order() -> None:
    """What only it knows is as late as it is, and not too late."""
    processor = processor_of(plan_of(**tumbling("count() >= 2", "20s")))
    processor.open_input("t", 0)
    processor.open_input("t", 1)
    processor.rest("t", 1, 0, idle=True)
    processor.apply([chunk(event("a", 0, user="u"), event("a", HOUR, user="u"))])
    again = [event("a", at, user="w") for at in (1_000, 2_000, 90_000)]
    (match,) = processor.apply([chunk(*again, partition=1)]).outputs.found
    assert (match.key, match.count, match.late) == (("w",), 2, False)


@pytest.mark.parametrize("name", ["tumbling", "session", "sequence", "absence", "trailing"])
@pytest.mark.parametrize("seed", range(2))
def test_late_events_count_for_keys_that_catch_up(name: str, seed: int) -> None:
    """Another worker takes over a key, and gets what has come since, when time is further."""
    rand = random.Random(f"catch up {name} {seed}")
    plan = random_plan(name)
    rows = random_rows(rand, 160)
    reader, holder = delayed(plan), delayed(plan)
    reader.hold(())
    found: list[Any] = []
    for number, row in enumerate(rows[:60]):
        give(reader, holder, row, number, found)
        holder.set_watermarks(reader.watermarks())
        found += holder.apply([]).outputs.found
    holder = reloaded(holder, plan)
    holder.set_watermarks({("t", 0): max(own for own, _ in rows)})
    holder.catch_up(begins=True)
    for number, row in enumerate(rows[60:], 60):
        give(reader, holder, row, number, found)
    holder.catch_up(begins=False)
    found += holder.apply([]).outputs.found
    found += holder.apply([], TIME_MS_MAX).outputs.found
    gone = {each.offset for each in found if isinstance(each, Late)}
    expected = from_scratch(plan, rows, gone)
    assert expected
    got = sorted(map(plain, standing(found).values()), key=repr)
    assert got == sorted(map(plain, expected), key=repr)


def test_what_is_too_late_is_so_for_keys_that_catch_up() -> None:
    """Nothing is kept of the key; how late the event was when it was read says that it is."""
    plan = plan_of(**tumbling("count() >= 1", "1s"))
    rows = [(HOUR, event("a", HOUR, user="v")), (0, event("a", 0, user="u"))]
    rows += [(HOUR - 500, event("a", HOUR - 500, user="w"))]
    told = []
    for catches_up in (False, True):
        reader, holder = processor_of(plan), processor_of(plan)
        reader.hold(())
        found: list[Any] = []
        holder.catch_up(begins=catches_up)
        for number, row in enumerate(rows):
            give(reader, holder, row, number, found)
            holder.set_watermarks(reader.watermarks())
            found += [] if catches_up else holder.apply([]).outputs.found
        holder.catch_up(begins=False)
        found += holder.apply([], TIME_MS_MAX).outputs.found
        assert [each.offset for each in found if isinstance(each, Late)] == [1]
        told.append(sorted(map(plain, standing(found).values()), key=repr))
    assert told[0] == told[1]
    assert len(told[0]) == 2


def give(
    reader: Processor, holder: Processor, row: tuple[int, bytes], number: int, found: list[Any]
) -> None:
    for one in reader.apply([as_chunk([row], number)]).outputs.remote:
        sent = Chunk("t", 0, [one.offset], [one.timestamp_ms], [one.value])
        found += holder.apply_remote(one.group, sent, [one.taken_ms]).outputs.found


def test_in_arrival_order_nothing_is_kept_until_a_stream_is_in_order_of_time() -> None:
    plan = plan_of(**tumbling("count() >= 3"))
    processor = Processor(compile_rules([plan]))
    processor.apply([chunk(*(event("a", at, user="u") for at in range(500)))])
    (key,) = processor.state_keys()
    small = processor.dump(key)
    assert small is not None
    assert len(small) < 10_000
    processor.replace_rules(compile_rules([plan], [by_time(0)]))
    processor.apply([chunk(event("a", 1_000, user="u"), event("c", HOUR, user="v"), first=500)])
    found = processor.apply([chunk(event("a", 900, user="u"), first=502)]).outputs.found
    assert [(match.count, match.late, match.revision) for match in found] == [(502, True, 1)]
    large = processor.dump(key)
    processor.replace_rules(compile_rules([plan]))
    assert key in processor.apply([]).dirty
    assert processor.dump(key) is None or len(processor.dump(key) or b"") < len(large or b"")
