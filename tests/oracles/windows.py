"""Windows by their definitions: every window is looked at from scratch, with exact fractions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple


class Plain(NamedTuple):
    """An event: its time, its type, the value of its field `x` (None = it has none)."""

    at: int
    kind: str
    x: Any


class Asked(NamedTuple):
    """A rule, in plain words; `rearm` is `window`, `always` or a number of milliseconds."""

    kind: str
    size: int | None
    slide: int | None
    gap: int | None
    having: Callable[[dict[str, Any]], bool]
    rearm: Any
    scores: dict[str, int]
    forget: int = 1_000


class Answer(NamedTuple):
    """What is told."""

    at: int
    events: int
    values: dict[str, Any]


def figures(events: Sequence[Plain], asked: Asked, span_ms: int | None = None) -> dict[str, Any]:
    """Every figure of some events."""
    there = [event.x for event in events if event.x is not None]
    numbers = [Fraction(x) for x in there if type(x) in (int, float)]
    count = len(numbers)
    total = sum(numbers, Fraction(0))
    mean = total / count if count else None
    kinds = {event.kind for event in events} & asked.scores.keys()
    return {
        "count()": len(events),
        "count(x)": len(there),
        "sum(x)": _plain(total),
        "avg(x)": None if mean is None else _plain(mean),
        "min(x)": None if not count else _plain(min(numbers)),
        "max(x)": None if not count else _plain(max(numbers)),
        "stddev(x)": None if mean is None else math.sqrt(
            sum((n - mean) ** 2 for n in numbers) / count
        ),
        "percentile(x, 90)": _percentile(sorted(numbers), Fraction(90, 100)),
        "distinct(x)": len({_same(x) for x in there}),
        "rate()": len(events) * 1000 / (span_ms or asked.size or 1),
        "score()": sum(asked.scores[kind] for kind in kinds),
    }  # fmt: skip


def _plain(value: Fraction) -> Any:
    return int(value) if value.denominator == 1 else float(value)


def _same(value: Any) -> Any:
    if type(value) in (int, float):
        return ("number", Fraction(value))
    return (type(value).__name__, str(value))


def _percentile(numbers: list[Fraction], share: Fraction) -> float | None:
    if not numbers:
        return None
    place = (len(numbers) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(numbers) - 1)
    return float(numbers[low] + (numbers[high] - numbers[low]) * (place - low))


class _Told:
    """When a key was told, and whether it may be told again."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.below = True
        self.at: int | None = None
        self.answers: list[Answer] = []

    def look(self, events: Sequence[Plain], at: int, span_ms: int | None = None) -> bool:
        asked = self.asked
        values = figures(events, asked, span_ms)
        if not asked.having(values):
            self.below = True
            return False
        if asked.rearm == "always":
            told = True
        elif asked.rearm == "window":
            again = bool(events) and self.at is not None and asked.size is not None
            told = self.below or (again and at >= self.at + asked.size)  # type: ignore[operator]
            told = told or (bool(events) and asked.kind != "sliding")
        else:
            told = self.at is None or at >= self.at + asked.rearm
        if told:
            self.at, self.below = at, False
            self.answers.append(Answer(at, len(events), values))
        return told


def answers(events: Sequence[Plain], asked: Asked, end: int) -> list[Answer]:
    """What one key's events lead to; events in the order of time, which goes on to `end`."""
    if asked.kind == "session":
        return _sessions(events, asked)
    if asked.slide is None and asked.kind == "sliding":
        return _trailing(events, asked, end)
    return _aligned(events, asked, end)


def _trailing(events: Sequence[Plain], asked: Asked, end: int) -> list[Answer]:
    size = asked.size
    assert size is not None
    told = _Told(asked)
    silence = asked.having(figures([], asked))
    for number, event in enumerate(events):
        window = [one for one in events[: number + 1] if one.at > event.at - size]
        told.look(window, event.at)
        if not silence:
            continue
        until = events[number + 1].at if number + 1 < len(events) else end
        at = event.at + size
        while at <= until:
            told.look([], at)
            if asked.rearm == "window":
                break
            at += size if asked.rearm == "always" else asked.rearm
    return told.answers


def _aligned(events: Sequence[Plain], asked: Asked, end: int) -> list[Answer]:
    size, slide = asked.size, asked.slide or asked.size
    assert size is not None
    assert slide is not None
    told = _Told(asked)
    silence = asked.having(figures([], asked))
    if not events:
        return []
    start = (events[0].at - size) // slide * slide + slide
    silent = False
    while start + size <= end:
        window = [event for event in events if start <= event.at < start + size]
        if window:
            silent = False
            told.look(window, start + size)
        elif silence and not (silent and asked.rearm == "window"):
            silent = True
            told.look([], start + size)
        elif not silence:
            told.below = True
        start += slide
    return told.answers


def _sessions(events: Sequence[Plain], asked: Asked) -> list[Answer]:
    gap = asked.gap
    assert gap is not None
    told = _Told(asked)
    session: list[Plain] = []
    for event in [*events, None]:
        if session and (event is None or event.at > session[-1].at + gap):
            at = session[-1].at + gap
            told.look(session, at, at - session[0].at)
            session = []
        if event is not None:
            if session and asked.size is not None and event.at - session[0].at >= asked.size:
                session = []
            session.append(event)
    return told.answers
