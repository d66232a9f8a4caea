"""Window rules as lanes: keys, limits, expected keys, comparisons of groups, replaced rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from summit.base.errors import Corrupt
from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.cep.window_state import WINDOW_STATE_VERSION, move_windows
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS, key_group
from summit.keyed.outputs import StateKey
from summit.keyed.processor import Processor

T0 = 1_700_000_040_000
SECOND = 1_000


def plan(**fields: Any) -> PatternPlan:
    return validate_pattern(
        {
            "id": "w", "groupBy": ["ip"], "where": "eventType == 'x'",
            "window": {"type": "sliding", "size": "60s"}, "having": "count() >= 3", **fields,
        }
    ).plan  # fmt: skip


def event(ip: str | None, at: int, **fields: Any) -> bytes:
    body = {"eventType": "x", "timestamp": T0 + at, "ip": ip, **fields}
    return json.dumps(body).encode()


class World:
    """A processor and the next offset."""

    def __init__(self, *plans: PatternPlan) -> None:
        self.processor = Processor(compile_rules(plans))
        self.offset = 0

    def take(self, *values: bytes, until: int | None = None) -> list[Match]:
        first, self.offset = self.offset, self.offset + len(values)
        chunk = Chunk("t", 0, range(first, self.offset), [T0 + 10**9] * len(values), values)
        applied = self.processor.apply([chunk], None if until is None else T0 + until)
        return list(applied.outputs.found)

    def stats(self) -> dict[str, int]:
        return self.processor.stats()


def told(found: list[Match]) -> list[tuple[Any, int, int]]:
    return [(match.key, match.end_ms - T0, match.count) for match in found]


def test_keys_that_are_over_are_forgotten() -> None:
    for window in (
        {"type": "sliding", "size": "60s"}, {"type": "tumbling", "size": "60s"},
        {"type": "session", "gap": "60s"}, {"type": "sliding", "size": "60s", "slide": "20s"},
    ):  # fmt: skip
        world = World(plan(window=window))
        world.take(*(event(f"k{n}", n) for n in range(50)))
        assert world.stats()["keys"] == 50
        world.take(until=200 * SECOND)
        assert world.stats()["keys"] == 0
        assert world.processor.state_keys() == []


def test_limits_cut_and_count() -> None:
    world = World(plan(limits={"keys": 10}))
    world.take(*(event(f"k{n}", n) for n in range(25)))
    stats = world.stats()
    assert (stats["keys"], stats["keys_dropped"]) == (10, 15)
    world = World(plan(limits={"eventsPerKey": 5}, having="count() >= 6 || sum(n) > 100"))
    assert world.take(*(event("a", n, n=1) for n in range(9))) == []
    assert world.stats()["events_dropped"] == 4
    (match,) = world.take(event("a", 9, n=97))
    assert match.values["sum(n)"] == 101  # the last five
    tumbling = {"type": "tumbling", "size": "60s"}
    world = World(plan(limits={"eventsPerKey": 5}, window=tumbling, having="distinct(n) > 2"))
    (match,) = world.take(*(event("a", n, n=n % 8) for n in range(20)), until=60 * SECOND)
    assert (match.count, match.values["distinct(n)"]) == (20, 5)
    assert world.stats()["values_dropped"] > 0


def test_an_extreme_whose_events_are_dropped_by_number() -> None:
    world = World(plan(limits={"eventsPerKey": 40}, having="count() > 0", rearm="always",
                       aggregates=[{"name": "top", "field": "n", "function": "max"},
                                   {"name": "low", "field": "n", "function": "min"}]))  # fmt: skip
    numbers = [(n * 7919) % 101 for n in range(400)]
    found = world.take(*(event("a", n // 5, n=number) for n, number in enumerate(numbers)))
    for n, match in enumerate(found):
        last = numbers[max(0, n - 39) : n + 1]
        assert (match.values["top"], match.values["low"]) == (max(last), min(last))


def test_events_without_their_key_are_counted() -> None:
    world = World(plan())
    world.take(event(None, 0))
    assert world.stats()["without_key"] == 1
    world = World(plan(window={"type": "tumbling", "size": "60s"},
                       having="zscore(sum(n), groups) > 3"))  # fmt: skip
    world.take(event(None, 0, n=1))
    assert world.stats()["without_key"] == 1


def test_an_event_older_than_the_window_of_its_key_is_late() -> None:
    world = World(plan(having="count() >= 2"))
    world.take(event("a", 100 * SECOND))
    old = Chunk("t", 1, [0], [T0 + 10**9], [event("a", 40 * SECOND)])
    assert world.processor.apply([old]).outputs.found == []
    assert world.stats()["late"] == 1
    inside = Chunk("t", 2, [0], [T0 + 10**9], [event("a", 40 * SECOND + 1)])
    (match,) = world.processor.apply([inside]).outputs.found
    assert (match.count, match.end_ms) == (2, T0 + 100 * SECOND)


@pytest.mark.parametrize(
    ("window", "first", "again"),
    [
        ({"type": "sliding", "size": "60s"}, 60, 60),
        ({"type": "tumbling", "size": "60s"}, 60, 120),
        ({"type": "session", "gap": "60s"}, 60, 61),
    ],
)
def test_silence_of_expected_keys(window: dict[str, Any], first: int, again: int) -> None:
    having = None if window["type"] == "session" else "count() == 0"
    silent = plan(window=window, having=having, expectedKeys=["a", "b"])
    world = World(silent)
    world.take(event("a", 0))
    found = world.take(until=first * SECOND + 1)
    assert (("b",), first * SECOND, 0) in told(found)
    found += world.take(until=1_000 * SECOND)
    assert sorted(match.key for match in found) == [("a",), ("b",)]
    assert world.take(until=10_000 * SECOND) == []  # a silence is told once
    assert world.stats()["keys"] == 2  # and stays in mind
    world.take(event("b", 10_000 * SECOND))
    (back,) = world.take(until=20_000 * SECOND)
    assert back.key == ("b",)
    del again


def test_a_silence_that_is_told_again() -> None:
    world = World(plan(having="count() == 0", rearm={"after": "100s"}))
    world.take(event("a", 0))
    found = world.take(until=300 * SECOND)
    assert told(found) == [(("a",), at * SECOND, 0) for at in (60, 160, 260)]
    tumbling = {"type": "tumbling", "size": "60s"}
    world = World(plan(having="count() == 0", rearm="always", window=tumbling))
    world.take(event("a", 0))
    found = world.take(until=240 * SECOND)
    assert [at // SECOND for _, at, _ in told(found)] == [120, 180, 240]


def test_expected_keys_begin_where_their_key_group_is() -> None:
    silent = plan(having="count() == 0", expectedKeys=[f"k{n}" for n in range(40)])
    owners = [{group for group in range(KEY_GROUPS) if group % 3 == n} for n in range(3)]
    found: list[Match] = []
    worlds = [World(silent) for _ in owners]
    for world, groups in zip(worlds, owners, strict=True):
        world.processor.hold(groups)
        world.take(event("z", 0))
    # One of them goes; another takes over with what it has saved.
    gone, heir = worlds[2], worlds[0]
    states = {key: gone.processor.dump(key) for key in gone.processor.state_keys()}
    heir.processor.hold(owners[0] | owners[2])
    for key, data in states.items():
        assert data is not None
        assert heir.processor.load(key, data, WINDOW_STATE_VERSION)
    for world in (heir, worlds[1]):
        found += world.take(until=60 * SECOND)
    expected = [match for match in found if match.key != ("z",)]
    assert sorted(match.key for match in expected) == sorted((f"k{n}",) for n in range(40))
    assert {match.end_ms for match in expected} == {T0 + 60 * SECOND}


def test_an_expected_key_that_is_forgotten_is_awaited_anew() -> None:
    world = World(plan(having="count() == 0", expectedKeys=["a"]))
    world.take(event("a", 0))
    (key,) = world.processor.state_keys()
    world.processor.forget(key)
    assert told(world.take(until=SECOND)) == []
    assert told(world.take(until=300 * SECOND)) == [(("a",), 120 * SECOND, 0)]
    others = {group for group in range(KEY_GROUPS) if group != key_group(key.key)}
    world.processor.hold(others)
    assert told(world.take(until=900 * SECOND)) == []
    assert not world.processor.state_keys()


def test_groups_are_compared_in_one_place() -> None:
    document = plan(
        window={"type": "tumbling", "size": "60s"}, having="zscore(sum(n), groups) > 3",
        limits={"keys": 5},
    )  # fmt: skip
    world = World(document)
    world.take(*(event(f"g{n}", n, n=100 + n) for n in range(4)), event("g9", 9, n=5_000))
    assert world.stats()["keys"] == 1
    assert world.stats()["live_runs"] == 5
    (key,) = world.processor.state_keys()
    data = world.processor.dump(key)
    assert data is not None
    other = World(document)
    assert other.processor.load(key, data, WINDOW_STATE_VERSION)
    assert other.processor.dump(key) == data
    other.take(event("g10", 10, n=1))  # a sixth group
    assert other.stats()["keys_dropped"] == 1
    (match,) = other.take(until=60 * SECOND)
    assert (match.key, match.values["sum(n)"], match.values["groups"]) == (("g9",), 5_000, 5)
    assert other.stats()["keys"] == 0


def test_a_rule_that_tells_later_keeps_its_windows() -> None:
    world = World(plan())
    assert world.take(event("a", 0), event("a", 1)) == []
    dropped = world.processor.replace_rules(compile_rules([plan(having="count() >= 4")]))
    assert dropped == set()
    assert world.take(event("a", 2)) == []
    assert len(world.take(event("a", 3))) == 1
    dropped = world.processor.replace_rules(compile_rules([plan(groupBy=["other"])]))
    assert [key.key for key in dropped] == ["a"]


def test_a_rule_that_rests_tells_nothing_of_what_was_due() -> None:
    beat = plan(window={"type": "session", "gap": "60s"}, having=None)
    world = World(beat)
    world.take(event("a", 0))
    world.processor.replace_rules(compile_rules([beat], paused=["w"]))
    assert world.take(until=100 * SECOND) == []
    world.processor.replace_rules(compile_rules([beat]))
    assert world.take(until=200 * SECOND) == []


def test_saved_events_move_with_their_log() -> None:
    world = World(plan())
    world.take(event("a", 0), event("a", 1))
    key = StateKey(world.processor.rules.rules[0].state_id, "a")
    data = world.processor.dump(key)
    assert data is not None
    moved = move_windows(
        data, WINDOW_STATE_VERSION, lambda topic, n, offset, src: (offset + 700, f"{topic}-{n}")
    )
    other = World(plan())
    other.offset = 900
    assert other.processor.load(key, moved, WINDOW_STATE_VERSION)
    (match,) = other.take(event("a", 2))
    places = [(ref.offset, ref.src) for _, ref in match.captures]
    assert places == [(700, "t-0"), (701, "t-0"), (900, None)]


def test_a_state_that_is_none_of_ours_is_corrupt() -> None:
    world = World(plan())
    world.take(event("a", 0))
    key = StateKey(world.processor.rules.rules[0].state_id, "a")
    data = world.processor.dump(key)
    assert data is not None
    for bad, version in (
        (data, WINDOW_STATE_VERSION + 1), (b"\xc1", 1), (data[:-2], 1), (b"\x94\x90\x00\x90\x90", 1)
    ):  # fmt: skip
        with pytest.raises(Corrupt):
            world.processor.load(key, bad, version)
        if bad != b"\x94\x90\x00\x90\x90":
            with pytest.raises(Corrupt):
                move_windows(bad, version, lambda topic, n, offset, src: (offset, src))


def test_more_keys_than_are_kept_as_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.cep.window_lane.WINDOW_KEYS_UNPACKED_MAX", 8)
    for window in ({"type": "sliding", "size": "60s"}, {"type": "tumbling", "size": "60s"}):
        world = World(plan(window=window, having="sum(n) >= 3"))
        found: list[Match] = []
        for round_ in range(3):
            for n in range(40):
                found += world.take(event(f"k{n}", round_, n=1))
        found += world.take(until=60 * SECOND)
        assert sorted(match.key for match in found) == sorted((f"k{n}",) for n in range(40))
        world.take(until=200 * SECOND)
        assert world.stats()["keys"] == 0


def test_many_keys_that_are_over_go_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("summit.cep.window_lane._SLICE", 10)
    world = World(plan(window={"type": "sliding", "size": "60s"}, having="count() > 9"))
    for n in range(40):
        world.take(event(f"k{n}", 0))
    left = []
    while not left or left[-1]:
        world.take(until=200 * SECOND + len(left))
        left.append(world.stats()["keys"])
    assert left == [30, 20, 10, 0]


def test_key_groups_of_the_expected() -> None:
    assert len({key_group(f"k{n}") for n in range(40)}) > 20  # or the test above says little
