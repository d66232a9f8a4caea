"""Key groups: matchers that hold some of them give together what one matcher gives."""

from __future__ import annotations

import json
import random
from itertools import islice
from typing import Any

import pytest
from tests.cep.plans import by_time

from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.documents import validate_pattern
from summit.keyed.chunks import Chunk
from summit.keyed.keygroups import KEY_GROUPS, key_group, keys_of_group
from summit.keyed.outputs import Applied, Outputs
from summit.keyed.processor import Processor
from summit.keyed.ruleset import RuleSet
from summit.keyed.waiting import WaitKey

T0 = 1_700_000_000_000
PLACES = [("t", 0), ("t", 1), ("u", 0)]


def rule(rule_id: str, key: list[str], steps: list[dict[str, Any]], **members: Any) -> Any:
    document = {
        "kind": "pattern", "id": rule_id, "groupBy": key, "steps": steps, "within": "60s",
        "action": {"type": "alert", "config": {"severity": "low", "title": "t"}}, **members,
    }  # fmt: skip
    return validate_pattern(document).plan


def window(rule_id: str, key: list[str], having: str | None, **members: Any) -> Any:
    document = {
        "kind": "pattern", "id": rule_id, "groupBy": key, "where": "eventType in ['a', 'b']",
        "having": having, **members,
    }  # fmt: skip
    return validate_pattern(document).plan


def step(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "where": f'eventType == "{name}"', **members}


PLANS = [
    rule("by-ip", ["ip"], [step("a", times=2), step("b")]),
    rule("by-user", ["user"], [step("a"), {**step("b"), "contiguity": "strict"}]),
    rule("by-both", ["ip", "n"], [step("b"), step("a")]),
]
MINUTE = {"type": "tumbling", "size": "60s"}
WINDOWS = [
    window("trailing", ["ip"], "count() >= 3 && distinct(user) > 1",
           window={"type": "sliding", "size": "60s"}),
    window("minute", ["user"], "count() > 2 && avg(n) < 0.8", window=MINUTE),
    window("hops", ["ip"], "sum(n) > 2", window={"type": "sliding", "size": "60s", "slide": "20s"}),
    window("session", ["ip", "n"], None, window={"type": "session", "gap": "20s"}),
]  # fmt: skip
RULES = compile_rules([*PLANS, *WINDOWS])
BY_TIME = compile_rules(
    [
        *PLANS,
        *WINDOWS,
        window("compared", ["ip"], "zscore(sum(n), groups) > 1", window=MINUTE),
        window("absent", ["user"], "count() == 0", window={"type": "sliding", "size": "30s"}),
        window(
            "never",
            ["user"],
            "count() == 0",
            window={"type": "sliding", "size": "1h"},
            expectedKeys=[f"{number}-9" for number in range(9)],
        ),
        rule("silent", ["user"], [step("b"), {**step("a"), "relation": "notFollowedBy"}]),
        rule("of-u", ["ip"], [step("a"), step("b")], topics=["u"]),
    ],
    [by_time(5_000)],
)


def test_the_group_of_a_key_is_written_in_the_logs_and_never_changes() -> None:
    keys = ("", "10.0.0.1", ((1, "number"),), ("a", (True, "truth")))
    assert [key_group(key) for key in keys] == [0, 19, 56, 57]
    assert KEY_GROUPS == 64


def streams(rand: random.Random, *, mixed: bool = False) -> list[Chunk]:
    """Chunks of several partitions; each address and user lives in one of them, or in any."""
    chunks = []
    ends = dict.fromkeys(PLACES, 0)
    at = T0
    for _ in range(40):
        place = rand.choice(PLACES)
        number = 0 if mixed else PLACES.index(place)
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
        (
            m.pattern_id,
            m.key,
            [(s, e.topic, e.partition, e.offset) for s, e in m.captures],
            m.window and (m.window, m.count, sorted(m.values.items())),
        )
        for m in matches
    ]


def by_key(matches: list[Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for each in matches:
        found.setdefault(each[:2], []).append(each)
    return found


class Shared:
    """Some matchers; each key group is held by one, each partition read by one."""

    def __init__(self, rand: random.Random, count: int, rules: RuleSet) -> None:
        self.rand = rand
        self.matchers = [Processor(rules) for _ in range(count)]
        self.waits: dict[WaitKey, bytes] = {}
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
        outputs = self.note(reader, reader.apply([chunk]))
        self.rejected += len(outputs.rejected) + len(outputs.late)
        for remote in outputs.remote:
            owner = self.owner[remote.group]
            assert owner != index
            one = Chunk(
                remote.topic, remote.partition, [remote.offset], [remote.timestamp_ms],
                [remote.value], [remote.headers], [remote.key],
            )  # fmt: skip
            held = self.matchers[owner]
            self.note(held, held.apply_remote(remote.group, one, [remote.taken_ms]))
        for other in self.matchers:
            if other is not reader:
                other.set_watermarks(reader.watermarks())
                self.note(other, other.apply([]))

    def note(self, matcher: Processor, applied: Applied) -> Outputs:
        self.matches += shown(applied.outputs.found)
        for name in applied.waits:
            data = matcher.dump_wait(name)
            self.waits.pop(name, None)
            if data is not None:
                self.waits[name] = data
        return applied.outputs

    def end(self) -> None:
        for matcher in self.matchers:
            self.note(matcher, matcher.apply([], T0 + 10**9))

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
            version = self.matchers[old].state_version(key)
            self.matchers[new].load(key, state, version)
        if old != new:
            for name, data in self.waits.items():
                if name.group == group:
                    assert self.matchers[new].load_wait(name, data)
                    assert self.matchers[new].dump_wait(name) == data


@pytest.mark.parametrize("seed", range(30))
def test_together_they_find_what_one_finds(seed: int) -> None:
    rand = random.Random(seed)
    chunks = streams(rand)
    alone = Processor(RULES)
    expected: list[Any] = []
    rejected = 0
    shared = Shared(rand, rand.randint(1, 4), RULES)
    for chunk in chunks:
        outputs = alone.apply([chunk]).outputs
        expected += shown(outputs.found)
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


@pytest.mark.parametrize("seed", range(30))
def test_in_the_order_of_time_they_find_what_one_finds_in_order(seed: int) -> None:
    rand = random.Random(seed)
    chunks = streams(rand, mixed=True)
    shared = Shared(rand, rand.randint(1, 4), BY_TIME)
    for chunk in chunks:
        shared.take(chunk)
        if rand.random() < 0.5:
            shared.move()
    shared.end()
    assert not shared.waits
    expected, late = in_order(chunks)
    assert {name for name, *_ in expected} >= {
        "by-ip", "by-both", "silent", "of-u", "compared", "absent", "never",
        *(plan.id for plan in WINDOWS),
    }  # fmt: skip
    assert late
    assert by_key(shared.matches) == by_key(expected)
    for matcher in shared.matchers:  # keys that are expected stay
        live = {name: each["live_runs"] for name, each in matcher.rule_stats().items()}
        assert {name for name, runs in live.items() if runs} <= {"never"}


def in_order(chunks: list[Chunk]) -> tuple[list[Any], int]:
    """What one matcher finds that is given the events that are not late, in order, one by one."""
    events = []
    late = 0
    largest = dict.fromkeys(PLACES, 0)
    for chunk in chunks:
        place = (chunk.topic, chunk.partition)
        for n, value in enumerate(chunk.values):
            at = json.loads(value or b"")["timestamp"]
            largest[place] = max(largest[place], at)
            if at < largest[place] - 5_000:
                late += 1
            else:
                events.append((at, *place, chunk.offsets[n], value))
    alone = Processor(compile_rules(rule.plan for rule in BY_TIME.rules))
    found: list[Any] = []
    for at, topic, partition, offset, value in sorted(events):
        # Time has come as far in all partitions, or timers would wait for the others.
        found += shown(alone.apply([], at).outputs.found)
        one = Chunk(topic, partition, [offset], [T0 + 10**9], [value])
        found += shown(alone.apply([one]).outputs.found)
    return found + shown(alone.apply([], T0 + 10**9).outputs.found), late


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
        matcher = Processor(compile_rules(PLANS))
        matcher.apply([chunk])
        matcher.catch_up(begins=catches_up)
        matcher.set_watermarks({("t", 0): T0 + 100_000})
        group = key_group(("x", (1, "number")))
        first = matcher.apply_remote(group, Chunk("t", 0, [], [], []), [])
        outputs = matcher.apply_remote(group, remote, [T0 + 10]).outputs
        assert first.outputs.found == []
        assert len([m for m in outputs.found if m.pattern_id == "by-both"]) == found


@pytest.mark.parametrize(
    "parts", [("t", (0, "number"), (12, "number")), ('é"', (True, "truth")), ()]
)
def test_keys_that_begin_alike_and_are_of_a_group(parts: tuple[Any, ...]) -> None:
    for group in (0, 5, 63):
        found = list(islice(keys_of_group(group, parts), 5))
        assert {key_group(key) for key in found} == {group}
        assert len(set(found)) == 5
        assert all(key[: len(parts)] == parts for key in found)
