"""Temporal relations as guards: how the intervals of two steps' events lie to each other.

An event with `startTime` and `endTime`, or with one of them and `duration` (milliseconds, or a text
such as `5s`), is an interval; where there is no `startTime` it begins at its time. Any other event
is a point. The eight relations of Allen that have no inverse of their own:

    before    A ends before B starts         after     the inverse
    meets     A ends when B starts           overlaps  A starts, B starts, A ends, B ends
    during    B starts before A, ends after  equals    both start and end together
    starts    together, A ends first         finishes  together, B starts first
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.base.units import parse_duration_ms
from summit.cep.references import RunLayout
from summit.cep.runs import Captures, Guard
from summit.documents.plan import TemporalKind, TemporalPlan
from summit.events.times import epoch_ms
from summit.keyed.captured import Captured


class Interval(NamedTuple):
    """From start to end, milliseconds since 1970 UTC, both inclusive."""

    start: int
    end: int


_HOLDS: Final[dict[TemporalKind, Callable[[Interval, Interval], bool]]] = {
    "before": lambda a, b: a.end < b.start,
    "after": lambda a, b: b.end < a.start,
    "meets": lambda a, b: a.end == b.start,
    "overlaps": lambda a, b: a.start < b.start < a.end < b.end,
    "during": lambda a, b: b.start < a.start and a.end < b.end,
    "starts": lambda a, b: a.start == b.start and a.end < b.end,
    "finishes": lambda a, b: a.end == b.end and a.start > b.start,
    "equals": lambda a, b: a == b,
}


def holds(kind: TemporalKind, first: Interval, second: Interval, diff_ms_max: int | None) -> bool:
    """Whether two intervals lie to each other as a relation says.

    Args:
        diff_ms_max: Most that lies between them; see `TemporalPlan`.
    """
    if not _HOLDS[kind](first, second):
        return False
    if diff_ms_max is None:
        return True
    if kind == "before":
        return second.start - first.end <= diff_ms_max
    if kind == "after":
        return first.start - second.end <= diff_ms_max
    return abs(first.start - second.start) <= diff_ms_max


def interval_of(start: Any, end: Any, duration: Any, time_ms: int) -> Interval:
    """The interval of an event.

    Args:
        start, end, duration: Its members, None where they are missing; what is no time and no
            duration counts as missing.
        time_ms: Its time.
    """
    first, last, length = epoch_ms(start), epoch_ms(end), _duration_ms(duration)
    if first is None:
        first = time_ms if last is None or length is None else last - length
    if last is None:
        last = first if length is None else first + length
    return Interval(first, max(first, last))


def relation_guards(relation: TemporalPlan, layout: RunLayout) -> list[tuple[str, Guard]]:
    """The guards of a relation: for either step, what must hold with what the other has taken."""
    interval = _interval_reader(layout)
    kind, diff_ms = relation.kind, relation.diff_ms_max

    def of(step: str, other: str, *, is_first: bool) -> tuple[str, Guard]:
        number = layout.number(other)

        def guard(event: Captured, captures: Captures) -> bool:
            own: Interval | None = None
            for place in range(0, len(captures), 2):
                if captures[place] != number:
                    continue
                own = own or interval(event)
                pair = (own, interval(captures[place + 1]))
                first, second = pair if is_first else pair[::-1]
                if not holds(kind, first, second, diff_ms):
                    return False
            return True

        return step, guard

    return [
        of(relation.first, relation.second, is_first=True),
        of(relation.second, relation.first, is_first=False),
    ]


def _interval_reader(layout: RunLayout) -> Callable[[Captured], Interval]:
    start, end, duration = (
        layout.value_of((name,)) for name in ("startTime", "endTime", "duration")
    )

    def interval(event: Captured) -> Interval:
        return interval_of(start(event), end(event), duration(event), event.own_ms)

    return interval


def _duration_ms(value: Any) -> int | None:
    if type(value) is float:
        return int(value) if 0 <= value < 2**53 else None
    if type(value) is int:
        return value if value >= 0 else None
    if type(value) is not str:
        return None
    try:
        return parse_duration_ms(value)
    except Invalid:
        return None
