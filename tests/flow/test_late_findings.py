"""What becomes of corrections where a rule suppresses, and what is counted of them."""

from __future__ import annotations

from typing import Any

import msgspec

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
        plan = validate_pattern({**RULE, **more}).plan
        self.engine.set_rules([plan], [StreamPlan("s", ("*",), is_ordered=True, delay_ms=0)])
        self.offset = 0
        self.matches = 0

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
