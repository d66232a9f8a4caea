"""Windows of random rules and streams against the definitions in `tests/oracles/windows.py`."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.cep.plans import by_time
from tests.oracles.windows import Answer, Asked, Plain, answers

from summit.cep.match import Match
from summit.cep.rules import compile_rules
from summit.cep.window_state import WINDOW_STATE_VERSION
from summit.documents import validate_pattern
from summit.documents.plan import PatternPlan
from summit.keyed.chunks import Chunk
from summit.keyed.processor import Processor

T0 = 1_700_000_000_000
KINDS = ("a", "b", "c")
FIGURES = (
    "count()", "count(x)", "sum(x)", "avg(x)", "min(x)", "max(x)", "stddev(x)",
    "percentile(x, 90)", "distinct(x)", "rate()", "score()",
)  # fmt: skip
HAVINGS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "count() >= 3": lambda v: v["count()"] >= 3,
    "count() == 0": lambda v: v["count()"] == 0,
    "sum(x) > 100": lambda v: v["sum(x)"] > 100,
    "has(avg(x)) && avg(x) < 20": lambda v: v["avg(x)"] is not None and v["avg(x)"] < 20,
    "distinct(x) > 2 || max(x) - min(x) > 60":
        lambda v: v["distinct(x)"] > 2 or (v["max(x)"] or 0) - (v["min(x)"] or 0) > 60,
    "percentile(x, 90) > 50": lambda v: (v["percentile(x, 90)"] or 0) > 50,
    "score() >= 30 && stddev(x) > 1": lambda v: v["score()"] >= 30 and (v["stddev(x)"] or 0) > 1,
    "count() < 3": lambda v: v["count()"] < 3,
}  # fmt: skip
WINDOWS: dict[str, dict[str, Any]] = {
    "tumbling": {"type": "tumbling", "size": 1_000},
    "hop": {"type": "sliding", "size": 1_000, "slide": 250},
    "trailing": {"type": "sliding", "size": 1_000},
    "long": {"type": "sliding", "size": 20_000},
    "session": {"type": "session", "gap": 300},
    "rolled": {"type": "session", "gap": 300, "size": 900},
}
REARMS: dict[str, Any] = {"window": "window", "always": "always", "after": {"after": 1_700}}


class Rule(NamedTuple):
    """A rule as a document, and for the reference."""

    plan: PatternPlan
    asked: Asked


def make_rule(window: str, having: str, rearm: str, **limits: int) -> Rule:
    scores = {"a": 10, "b": 20}
    shape = WINDOWS[window]
    document = {
        "kind": "pattern", "id": "w", "groupBy": ["user"], "where": "eventType in ['a', 'b', 'c']",
        "window": shape, "having": f"({having}) && score() >= 0", "rearm": REARMS[rearm],
        "score": scores, "limits": limits or None,
        "action": {"type": "alert", "config": {"title": " ".join(f"${{{f}}}" for f in FIGURES)}},
    }  # fmt: skip
    again = 1_700 if rearm == "after" else rearm
    asked = Asked(
        shape["type"], shape.get("size"), shape.get("slide"), shape.get("gap"),
        HAVINGS[having], again, scores,
    )  # fmt: skip
    return Rule(validate_pattern(document).plan, asked)


def random_value(rand: random.Random) -> Any:
    return rand.choice(
        (None, True, "text", [1, "b"], rand.randint(-5, 60), rand.randint(0, 3),
         float(rand.randint(0, 3)), rand.random() * 100, 0.1, 1e15 + 0.5, "1")
    )  # fmt: skip


def random_events(rand: random.Random, count: int) -> list[tuple[str, Plain]]:
    at, found = T0, []
    for _ in range(count):
        pause = 2_500 if rand.random() < 0.3 else 5
        at += rand.choice((0, 0, 1, 50, 100, 200, 300, 301, 700, 1_000, pause))
        found.append((rand.choice("uvw"), Plain(at, rand.choice(KINDS), random_value(rand))))
    return found


def as_value(user: str, event: Plain) -> bytes:
    body: dict[str, Any] = {"eventType": event.kind, "timestamp": event.at, "user": user}
    if event.x is not None:
        body["x"] = event.x
    return json.dumps(body).encode()


def as_chunks(events: list[tuple[str, Plain]], rand: random.Random) -> Iterator[Chunk]:
    first = 0
    while first < len(events):
        count = rand.randint(1, 20)
        part = events[first : first + count]
        values = [as_value(user, event) for user, event in part]
        yield Chunk("t", 0, range(first, first + len(part)), [T0 + 10**8] * len(part), values)
        first += len(part)


def check(found: list[Match], expected: list[Answer], where: str) -> None:
    assert [(m.end_ms, m.count) for m in found] == [(a.at, a.events) for a in expected], where
    for match, answer in zip(found, expected, strict=True):
        for name in FIGURES:
            got, wanted = match.values[name], answer.values[name]
            if name == "stddev(x)" and wanted is not None:
                assert math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9), (where, name)
            elif name == "percentile(x, 90)" and wanted is not None:
                assert math.isclose(got, wanted, rel_tol=1e-14), (where, name)
            else:
                assert got == wanted, (where, name)


def of_user(found: list[Match], user: str) -> list[Match]:
    return [match for match in found if match.key == (user,)]


CASES = [
    (window, having, rearm)
    for window in WINDOWS for having in HAVINGS for rearm in REARMS
    if not (having == "count() == 0" and WINDOWS[window]["type"] == "session")
]  # fmt: skip


@pytest.mark.parametrize(("window", "having", "rearm"), CASES)
def test_every_window_is_as_if_it_were_looked_at_from_scratch(
    window: str, having: str, rearm: str
) -> None:
    rule = make_rule(window, having, rearm)
    told = 0
    for seed in range(1):
        rand = random.Random(f"{window} {having} {rearm} {seed}")
        events = random_events(rand, 90)
        end = events[-1][1].at + 50_000
        processor = Processor(compile_rules([rule.plan]))
        found: list[Match] = []
        for chunk in as_chunks(events, rand):
            found += processor.apply([chunk]).outputs.found
            if rand.random() < 0.3:
                processor = reloaded(processor, rule.plan)
        found += processor.apply([], end).outputs.found
        for user in "uvw":
            mine = [event for name, event in events if name == user]
            expected = answers(mine, rule.asked, end)
            told += len(expected)
            check(of_user(found, user), expected, f"{window} {having} {rearm} {seed} {user}")
    assert told


def reloaded(processor: Processor, plan: PatternPlan) -> Processor:
    """Another processor that goes on from what this one would save."""
    other = Processor(compile_rules([plan]))
    other.set_watermarks(processor.watermarks())
    for key in processor.state_keys():
        data = processor.dump(key)
        assert data is not None
        assert other.load(key, data, WINDOW_STATE_VERSION)
        assert other.dump(key) == data
    return other


@pytest.mark.parametrize(("window", "having", "rearm"), CASES)
def test_in_the_order_of_time_disorder_changes_nothing(
    window: str, having: str, rearm: str
) -> None:
    rule = make_rule(window, having, rearm)
    rand = random.Random(f"{window} {having} {rearm}")
    events = random_events(rand, 90)
    end = events[-1][1].at + 50_000
    jumbled = sorted(events, key=lambda pair: pair[1].at + rand.randint(0, 1_500))
    processor = Processor(compile_rules([rule.plan], [by_time(1_501)]))
    found: list[Match] = []
    for chunk in as_chunks(jumbled, rand):
        found += processor.apply([chunk]).outputs.found
    found += processor.apply([], end).outputs.found
    in_order = sorted(jumbled, key=lambda pair: pair[1].at)  # stable: equal times by offset
    for user in "uvw":
        mine = [event for name, event in in_order if name == user]
        check(of_user(found, user), answers(mine, rule.asked, end), user)
