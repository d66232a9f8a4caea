"""Near-misses: how close partial matches came, in data and in one line of text each. Only data.

kind            what was in the way
condition       an event of the awaited step came, but parts of its predicate did not hold
outsideWindow   the awaited event came too late
order           the awaited event came before the ones that it must follow
otherKey        the awaited event came, with other values of groupBy
noKey           an event of a step lacks a field of groupBy
outsideStream   an event of a step is not in the rule's stream (`where`)
interrupted     another event came where a strict step must be the next one
forbidden       an event came that must not
missing         no awaited event came
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from summit.cep.parts import FailedPart
from summit.keyed.captured import Captured

NEAR_MISSES_MAX: Final = 10
_KEPT: Final = 64  # while events come
Kind = Literal[
    "condition", "outsideWindow", "order", "otherKey", "noKey", "outsideStream", "interrupted",
    "forbidden", "missing",
]  # fmt: skip
Bound = Literal["step", "window", "session"]
_decode = msgspec.json.Decoder().decode


class SeenEvent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An event by its place, and what it says of itself.

    Attributes:
        timestamp: The time at which patterns take it, milliseconds since 1970 UTC.
        step: The step that took it; None = none did.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    event_type: Any = None
    event_id: Any = None
    step: str | None = None


class NearMiss(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What kept a partial match from being a match.

    Attributes:
        text: All this in one line.
        key: Values of `groupBy`; None where the event has none.
        step: The step that was awaited, or that must not come; empty = none.
        taken: What the partial match has.
        event: The event that nearly was the awaited one, or ended it.
        failed: The parts of the predicate that did not hold, and their values.
        missing: How many events it lacks, at the least.
        late_ms: By how much sooner the event must have come; only for `outsideWindow`.
        expires_ms: The event time at which the partial match is over; None = never.
        open: Whether it still waits.
    """

    kind: Kind
    text: str
    key: tuple[Any, ...] | None
    step: str
    taken: list[SeenEvent]
    event: SeenEvent | None = None
    failed: list[FailedPart] = []
    missing: int = 0
    late_ms: int | None = None
    expires_ms: int | None = None
    open: bool = False


class Collection:
    """The nearest of the near-misses; each run tells the same only once."""

    def __init__(self) -> None:
        self._found: dict[Any, tuple[float, int, NearMiss]] = {}
        self._count = 0
        self._worst = float("inf")

    def wants(self, distance: float) -> bool:
        """Whether one so far off would be kept."""
        return distance < self._worst

    def add(self, distance: float, found: NearMiss) -> None:
        """Keep one, if it is near enough."""
        self._count += 1
        last = found.event or (found.taken[-1] if found.taken else None)
        about = (found.key, found.kind, found.step, last and (last.topic, last.partition,
                 last.offset))  # fmt: skip
        before = self._found.get(about)
        if before is None or distance < before[0]:
            self._found[about] = (distance, self._count, found)
        if len(self._found) > 2 * _KEPT:
            kept = heapq.nsmallest(_KEPT, self._found.items(), key=_nearness)
            self._found = dict(kept)
            self._worst = kept[-1][1][0]

    def nearest(self) -> list[NearMiss]:
        """The nearest, nearest first."""
        kept = heapq.nsmallest(NEAR_MISSES_MAX, self._found.items(), key=_nearness)
        return [found for _, (_, _, found) in kept]


def _nearness(item: tuple[Any, tuple[float, int, NearMiss]]) -> tuple[float, int]:
    return item[1][:2]


def seen_event(event: Captured, step: str | None = None) -> SeenEvent:
    """What is shown of an event."""
    body = _decode(event.value)
    known = body if isinstance(body, dict) else {}
    return SeenEvent(
        event.origin.topic, event.origin.partition, event.offset, event.time_ms,
        known.get("eventType"), known.get("eventId"), step,
    )  # fmt: skip


def too_late_text(step: str, late_ms: int, after_ms: int, limit_ms: int, bound: Bound) -> str:
    """The line of `outsideWindow`."""
    since, window = {
        "step": ("the event before it", f"its step's window of {limit_ms} ms"),
        "window": ("the first event", f"the window of {limit_ms} ms"),
        "session": ("the session's last event", f"its gap of {limit_ms - 1} ms"),
    }[bound]
    return f"'{step}' came {late_ms} ms too late: {after_ms} ms after {since}, outside {window}"


def condition_text(step: str, failed: Sequence[FailedPart]) -> str:
    """The line of `condition`."""
    return f"an event came that is nearly '{step}', but " + _all(failed)


def outside_text(step: str, failed: Sequence[FailedPart]) -> str:
    """The line of `outsideStream`."""
    return f"an event for '{step}' is not in the rule's stream: " + _all(failed)


def interrupted_text(steps: Sequence[str], failed: Sequence[FailedPart]) -> str:
    """The line of `interrupted`."""
    text = f"{_any(steps)} had to be the very next event, but another one came"
    return text + (f": {_all(failed)}" if failed else "")


def missing_text(waits: str, hint: str) -> str:
    """The line of `missing`."""
    return f"{waits}; no such event came{hint}"


def _all(failed: Sequence[FailedPart]) -> str:
    return "; ".join(part.text for part in failed)


def _any(steps: Sequence[str]) -> str:
    return " or ".join(f"'{step}'" for step in steps)
