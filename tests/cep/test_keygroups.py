"""Key groups: matchers that hold some of them give together what one matcher gives."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from summit.base.errors import Invalid
from summit.cep.chunks import Chunk
from summit.cep.keygroups import KEY_GROUPS, key_group
from summit.cep.match import Match
from summit.cep.matcher import Matcher
from summit.cep.ruleset import compile_rules
from summit.cep.state import STATE_VERSION
from summit.documents import validate_pattern

T0 = 1_700_000_000_000
PLACES = [("t", 0), ("t", 1), ("u", 0)]


def rule(rule_id: str, key: list[str], steps: list[dict[str, Any]]) -> Any:
    document = {
        "kind": "pattern", "id": rule_id, "groupBy": key, "steps": steps, "within": "60s",
        "action": {"type": "alert", "config": {"severity": "low", "title": "t"}},
    }  # fmt: skip
    return validate_pattern(document).plan


def step(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "where": f'eventType == "{name}"', **members}


RULES = compile_rules(
    [
        rule("by-ip", ["ip"], [step("a", times=2), step("b")]),
        rule("by-user", ["user"], [step("a"), {**step("b"), "contiguity": "strict"}]),
        rule("by-both", ["ip", "n"], [step("b"), step("a")]),
    ]
)


def test_the_group_of_a_key_is_written_in_the_logs_and_never_changes() -> None:
    keys = ("", "10.0.0.1", ((1, "number"),), ("a", (True, "truth")))
    assert [key_group(key) for key in keys] == [0, 19, 56, 57]
    assert KEY_GROUPS == 64


def streams(rand: random.Random) -> list[Chunk]:
    """Chunks of several partitions; each address and user lives in one of them."""
    chunks = []
    ends = dict.fromkeys(PLACES, 0)
    at = T0
    for _ in range(40):
        place = rand.choice(PLACES)
        number = PLACES.index(place)
        values = []
        for _ in range(rand.randint(1, 12)):
            at += rand.randint(0, 4_000)
            event = {
                "eventType": rand.choice("aabc"),
                "timestamp": at - rand.choice((0, 0, 0, 9_000)),
                "ip": f"{number}-{rand.randint(0, 6)}",
                "user": f"{number}-{rand.randint(0, 4)}",
                "n": rand.randint(0, 1),
            }
            if rand.random() < 0.05:
                del event["user"]
            values.append(json.dumps(event).encode())
        first = ends[place]
        ends[place] += len(values)
        offsets = list(range(first, ends[place]))
        chunks.append(Chunk(*place, offsets, [T0 + 10**9] * len(values), values))
    return chunks


def shown(matches: list[Match]) -> list[Any]:
    return [
        (m.pattern_id, m.key, [(s, e.topic, e.partition, e.offset) for s, e in m.captures])
        for m in matches
    ]


def by_key(matches: list[Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for each in matches:
        found.setdefault(each[:2], []).append(each)
    return found


class Shared:
    """Some matchers; each key group is held by one, each partition read by one."""

    def __init__(self, rand: random.Random, count: int) -> None:
        self.rand = rand
        self.matchers = [Matcher(RULES) for _ in range(count)]
        self.owner = [rand.randrange(count) for _ in range(KEY_GROUPS)]
        self.reader = {place: rand.randrange(count) for place in PLACES}
        self.matches: list[Any] = []
        self.rejected = 0
        for index in range(count):
            self._hold(index)

    def _hold(self, index: int) -> None:
        held = [group for group, owner in enumerate(self.owner) if owner == index]
        self.matchers[index].hold(held)

    def take(self, chunk: Chunk) -> None:
        index = self.reader[chunk.topic, chunk.partition]
        reader = self.matchers[index]
        outputs = reader.apply([chunk]).outputs
        self.matches += shown(outputs.matches)
        self.rejected += len(outputs.rejected)
        for remote in outputs.remote:
            owner = self.owner[remote.group]
            assert owner != index
            one = Chunk(
                remote.topic, remote.partition, [remote.offset], [remote.timestamp_ms],
                [remote.value], [remote.headers], [remote.key],
            )  # fmt: skip
            applied = self.matchers[owner].apply_remote(remote.group, one, [remote.taken_ms])
            self.matches += shown(applied.outputs.matches)
        for other in self.matchers:
            if other is not reader:
                other.set_watermarks(reader.watermarks())

    def move(self) -> None:
        """Give a key group, or a partition, to another matcher."""
        if self.rand.random() < 0.3:
            self.reader[self.rand.choice(PLACES)] = self.rand.randrange(len(self.matchers))
            return
        group = self.rand.randrange(KEY_GROUPS)
        old, new = self.owner[group], self.rand.randrange(len(self.matchers))
        states = {
            key: self.matchers[old].dump(key)
            for key in self.matchers[old].state_keys()
            if key_group(key.key) == group
        }
        self.owner[group] = new
        self._hold(old)
        self._hold(new)
        for key, state in states.items():
            assert state is not None
            self.matchers[new].load(key, state, STATE_VERSION)


@pytest.mark.parametrize("seed", range(30))
def test_together_they_find_what_one_finds(seed: int) -> None:
    rand = random.Random(seed)
    chunks = streams(rand)
    alone = Matcher(RULES)
    expected: list[Any] = []
    rejected = 0
    shared = Shared(rand, rand.randint(1, 4))
    for chunk in chunks:
        outputs = alone.apply([chunk]).outputs
        expected += shown(outputs.matches)
        rejected += len(outputs.rejected)
        shared.take(chunk)
        if rand.random() < 0.5:
            shared.move()
    for matcher in (alone, *shared.matchers):
        matcher.apply([])  # what is over is forgotten
    assert expected
    assert by_key(shared.matches) == by_key(expected)
    assert shared.rejected == rejected
    assert sum(matcher.live_runs for matcher in shared.matchers) == alone.live_runs


def test_while_keys_catch_up_nothing_is_over() -> None:
    """A key whose events come late through others must not be forgotten by the inputs' time."""
    chunk = Chunk(
        "t", 0, [0, 1], [T0 + 10**9] * 2,
        [json.dumps({"eventType": "b", "timestamp": T0 + s, "ip": "x", "n": 1}).encode()
         for s in (0, 0)],
    )  # fmt: skip
    later = json.dumps({"eventType": "a", "timestamp": T0 + 10, "ip": "x", "n": 1}).encode()
    remote = Chunk("t", 0, [2], [T0 + 10**9], [later])
    for catches_up, found in ((True, 1), (False, 0)):
        matcher = Matcher(RULES)
        matcher.apply([chunk])
        matcher.catch_up(begins=catches_up)
        matcher.set_watermarks({("t", 0): T0 + 100_000})
        group = key_group(("x", (1, "number")))
        first = matcher.apply_remote(group, Chunk("t", 0, [], [], []), [])
        outputs = matcher.apply_remote(group, remote, [T0 + 10]).outputs
        assert first.outputs.matches == []
        assert len([m for m in outputs.matches if m.pattern_id == "by-both"]) == found


def test_event_time_order_is_not_shared() -> None:
    with pytest.raises(Invalid):
        Matcher(RULES, order="eventTime").hold(range(3))
