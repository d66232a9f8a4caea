"""The engine: chunks in, alerts out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.flow.world import failure, five_failures

from summit.base.errors import Invalid
from summit.cep.state import STATE_VERSION
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


SUPPRESS = {"by": ["ip", "user"], "for": "20s"}


def test_an_alert_stands_for_those_like_it() -> None:
    found = engine(five_failures(suppress=SUPPRESS))
    users = ["root"] * 10 + ["ann"] * 5 + ["root"] * 15
    applied = found.apply([chunk(0, *(failure(n, user=user) for n, user in enumerate(users)))])
    first, other, later = (each.alert for each in applied.made)
    assert [a.evidence[-1].offset for a in (first, other, later)] == [4, 14, 24]
    # Those at 9 and 19 s stand behind the one at 4 s, whose 20 s are over at 24; that at 29 s
    # behind the one at 24.
    assert [each.alert_id for each in applied.suppressed] == [first.id, first.id, later.id]
    assert applied.suppressed[0].last_seen_ms == failure(9)["timestamp"]


def test_without_by_the_key_makes_alerts_alike_and_a_missing_value_none() -> None:
    by_key = engine(five_failures(suppress={"for": "1h"}))
    by_user = engine(five_failures(suppress=SUPPRESS))
    events = [failure(n, ip=ip) for n in range(10) for ip in ("a", "b")]
    assert len(by_key.apply([chunk(0, *events)]).made) == 2
    assert len(by_user.apply([chunk(0, *events)]).made) == 4  # nobody has a user


def test_suppression_may_be_dumped_and_loaded_between_any_two_batches() -> None:
    document = five_failures(suppress=SUPPRESS)
    events = [failure(3 * n, user="root") for n in range(60)]
    whole = engine(document).apply([chunk(0, *events)])
    for cut in range(1, len(events)):
        first, second = engine(document), engine(document)
        before = first.apply([chunk(0, *events[:cut])])
        for key in first.processor.state_keys():
            data = first.processor.dump(key)
            assert data is not None
            second.processor.load(key, data, STATE_VERSION)
        for _, rule, key in first.suppressor.take_dirty():
            data = first.suppressor.dump(rule, key)
            if data is not None:
                second.suppressor.load(rule, key, data)
        second.processor.set_watermarks(first.processor.watermarks())
        after = second.apply([chunk(cut, *events[cut:])])
        made = [each.alert for each in before.made + after.made]
        assert made == [each.alert for each in whole.made]
        assert len(before.suppressed + after.suppressed) == len(whole.suppressed)


def test_what_is_over_is_forgotten() -> None:
    found = engine(five_failures(suppress={"for": "20s"}))
    found.apply([chunk(0, *(failure(n) for n in range(5)))])
    assert len(found.suppressor.take_dirty()) == 1
    found.apply([chunk(5, failure(23, ip="z"))])
    assert found.suppressor.take_dirty() == []
    found.apply([chunk(6, failure(24, ip="z"))])
    ((_, rule, key),) = found.suppressor.take_dirty()
    assert found.suppressor.dump(rule, key) is None


def test_a_rule_without_suppress_any_more_suppresses_nothing() -> None:
    found = engine(five_failures(suppress={"for": "1h"}))
    found.apply([chunk(0, *(failure(n) for n in range(5)))])
    found.set_rules([validate_pattern(five_failures()).plan])
    assert len(found.apply([chunk(5, *(failure(n) for n in range(5, 10)))]).made) == 1
