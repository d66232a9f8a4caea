"""The engine: chunks in, alerts out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.flow.world import failure, five_failures

from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.flow.engine import Engine
from summit.keyed.chunks import Chunk


def engine(*documents: dict[str, Any]) -> Engine:
    made = Engine({"t": "the-id"}.__getitem__)
    made.set_rules([validate_pattern(document).plan for document in documents])
    return made


def chunk(offset: int, *events: Any, headers: Any = None) -> Chunk:
    values = [json.dumps(event).encode() for event in events]
    offsets = range(offset, offset + len(values))
    return Chunk("t", 0, offsets, [-1] * len(values), values, headers)


def test_a_batch_may_complete_several_alerts_of_several_rules() -> None:
    found = engine(five_failures("a"), five_failures("b", groupBy=["ip", "user"]))
    events = [failure(n, user=7) for n in range(10)]
    made = found.apply([chunk(0, *events)]).made
    assert [(m.alert.pattern, m.alert.evidence[-1].offset) for m in made] == [
        ("a", 4), ("b", 4), ("a", 9), ("b", 9),
    ]  # fmt: skip
    assert made[1].alert.key == {"ip": "a", "user": 7}
    assert len({m.alert.id for m in made}) == 4


def test_batches_change_nothing() -> None:
    events = [failure(n) for n in range(10)]
    one = engine(five_failures()).apply([chunk(0, *events)]).made
    many = engine(five_failures())
    each = [m for n, e in enumerate(events) for m in many.apply([chunk(n, e)]).made]
    assert [m.alert for m in one] == [m.alert for m in each]


def test_a_source_position_takes_the_place_of_the_offset() -> None:
    headers = [[("summit.src", f"file:x:{n}:0".encode())] for n in range(5)]
    ids = set()
    for offset in (0, 700):
        events = [failure(n) for n in range(5)]
        (made,) = engine(five_failures()).apply([chunk(offset, *events, headers=headers)]).made
        assert [e.src for e in made.alert.evidence] == [f"file:x:{n}:0" for n in range(5)]
        ids.add(made.alert.id)
    assert len(ids) == 1


def test_a_very_long_event_is_kept_as_the_fields_that_rules_read() -> None:
    events = [failure(n, text="x" * 70_000, user="root") for n in range(5)]
    title = {"type": "alert", "config": {"title": "From ${ip}"}}
    (made,) = engine(five_failures(action=title)).apply([chunk(0, *events)]).made
    assert made.alert.title == "From a"
    assert made.alert.metadata == {"eventsCut": 5}
    assert "text" not in made.alert.events[0]


def test_what_a_rule_has_begun_for_a_key_can_be_dropped() -> None:
    found = engine(five_failures("a"), five_failures("b"))
    found.apply([chunk(0, *(failure(n) for n in range(4)), *(failure(n, "z") for n in range(4)))])
    found.forget("a", ["a"])
    found.forget("no such", ["a"])
    found.forget("a", ["nobody"])
    made = found.apply([chunk(8, failure(4), failure(4, "z"))]).made
    assert [(m.alert.pattern, m.alert.key["ip"]) for m in made] == [
        ("b", "a"), ("a", "z"), ("b", "z"),
    ]  # fmt: skip


def test_rules_that_do_not_go_together_leave_the_old_ones() -> None:
    found = engine(five_failures())
    plan = validate_pattern(five_failures("twice")).plan
    with pytest.raises(Invalid):
        found.set_rules([plan, plan])
    assert [p.id for p in found.plans] == ["brute"]
    assert len(found.apply([chunk(0, *(failure(n) for n in range(5)))]).made) == 1
