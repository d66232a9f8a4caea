"""What becomes of corrections where a rule suppresses, and what is counted of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from summit.base.errors import Invalid
from summit.documents import validate_pattern
from summit.documents.stream import StreamPlan
from summit.events.times import TIME_MS_MAX
from summit.flow.engine import Applied, Engine
from summit.keyed.chunks import Chunk

RULE: dict[str, Any] = {
    "kind": "pattern", "id": "p", "groupBy": ["user"], "where": "eventType == 'a'",
    "window": {"type": "tumbling", "size": 1_000}, "having": "sum(x) >= 2",
    "allowedLateness": "1m", "action": {"type": "alert", "config": {"title": "${user}"}},
    "suppress": {"by": ["user"], "for": "10s"},
}  # fmt: skip


class World:
    """An engine, and events one by one."""

    def __init__(self, **more: Any) -> None:
        self.engine = Engine()
        self.use(**more)
        self.offset = 0
        self.matches = 0

    def use(self, **more: Any) -> None:
        """Go by the rule with these members."""
        plan = validate_pattern({**RULE, **more}).plan
        self.engine.set_rules([plan], [StreamPlan("s", ("*",), is_ordered=True, delay_ms=0)])

    def give(self, at: int, x: int, user: str = "u") -> Applied:
        """What comes of an event, and of the time it brings."""
        body = {"eventType": "a", "timestamp": at, "user": user, "x": x}
        one = Chunk("t", 0, [self.offset], [TIME_MS_MAX], [msgspec.json.encode(body)])
        self.offset += 1
        applied = self.engine.apply([one])
        self.matches += applied.counts["p"]
        return applied

    def told(self, at: int, x: int, user: str = "u") -> list[str]:
        """The titles of the alerts."""
        return [made.alert.title for made in self.give(at, x, user).made if made.alert]


def test_an_alert_that_stands_is_corrected_and_withdrawn() -> None:
    world = World()
    world.give(0, 2)
    assert world.told(1_500, 0, "v") == ["u"]
    assert world.told(500, 1) == ["Corrected: u"]
    assert world.told(600, -2) == ["Withdrawn: u"]
    assert world.told(700, 5) == ["Corrected: u"]
    assert world.matches == 1


def test_what_was_suppressed_is_not_corrected() -> None:
    world = World()
    world.give(0, 2)
    world.give(1_000, 2)
    assert [each.match.count for each in world.give(2_500, 0, "v").suppressed if each.match] == [1]
    assert world.told(1_500, 1) == []
    assert world.told(1_600, -3) == []
    assert world.told(500, 1) == ["Corrected: u"]


def test_what_was_withdrawn_stands_for_nothing() -> None:
    world = World()
    world.give(0, 2)
    assert world.told(1_500, 0, "v") == ["u"]
    assert world.told(500, -1) == ["Withdrawn: u"]
    world.give(2_000, 2)
    assert world.told(3_500, 0, "v") == ["u"]


def test_alerts_that_may_be_corrected_crowd_out_none_that_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are kept of a key, each with a limit of its own, and survive being saved."""
    monkeypatch.setattr("summit.flow.suppressing.CORRECTABLE_VALUES_MAX", 100)
    world = World(suppress={"by": ["user", "x"], "for": "1h"}, allowedLateness="1h")
    for second in range(600):
        world.give(second * 1_000, 2 + second)
    world.give(600_000, 0)
    suppressor = world.engine.suppressor
    ((_, rule, key),) = suppressor.take_dirty()
    assert (suppressor.evicted, suppressor.made_evicted) == (0, 500)
    saved = suppressor.dump(rule, key)
    assert saved is not None
    suppressor.forget(rule, key)
    assert suppressor.dump(rule, key) is None
    suppressor.load(rule, key, saved)
    assert suppressor.dump(rule, key) == saved
    world.give(601_000, 2)  # the very first alert stands still
    assert [each.alert_id for each in world.give(603_000, 0).suppressed] != []
    world.give(599_500, 1)
    assert world.engine.suppressor.made_evicted == 500


def test_suppress_that_is_added_later_keeps_corrections_of_what_was_told() -> None:
    world = World(suppress=None)
    world.give(0, 2)
    assert world.told(1_500, 0, "v") == ["u"]
    for _, rule, key in world.engine.suppressor.take_dirty():  # what a worker saves
        assert world.engine.suppressor.dump(rule, key) is not None
    world.use()
    assert world.told(500, 1) == ["Corrected: u"]
    assert world.told(600, -3) == ["Withdrawn: u"]


def test_of_groups_that_are_compared_nothing_is_kept() -> None:
    world = World(suppress=None, having="zscore(sum(x), groups) > 1")
    for number, x in enumerate((1, 1, 1, 1, 90)):
        world.give(0, x, f"u{number}")
    assert world.told(1_500, 0) == ["u4"]
    assert world.engine.suppressor.names() == []


def test_suppress_that_is_taken_away_tells_no_correction_of_what_was_suppressed() -> None:
    world = World()
    world.give(0, 2)
    world.give(1_000, 2)
    assert world.give(2_500, 0, "v").suppressed
    world.use(suppress={"by": ["user"], "for": "20s"})
    assert world.told(1_500, 1) == []


def test_a_query_shares_nothing_with_a_pattern_of_its_id() -> None:
    """What stands for a query is named `query:ID`, which no pattern may be called."""
    with pytest.raises(Invalid, match="name of another kind"):
        validate_pattern({**RULE, "id": "query:q"})
