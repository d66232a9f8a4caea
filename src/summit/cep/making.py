"""What a rule keeps of an event, and what comes out of its runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from summit.base.limits import CAPTURED_BYTES_MAX
from summit.cep.chunks import header_texts, source_of
from summit.cep.keys import Key, key_values
from summit.cep.lane import Lane
from summit.cep.match import EventRef, Match
from summit.cep.runs import Captured, Origin, Run
from summit.events.event import Transport


def capture(
    event: Any,
    value: Any,
    headers: Any,
    times_ms: tuple[int, int],
    place: tuple[Origin, int],
    project: Callable[[Any], bytes],
) -> Captured:
    """An event as a run keeps it: its value whole, or of a long one what rules read.

    Args:
        event: The decoded event.
        times_ms: When it is taken, and its own time.
        place: Its partition and offset.
        project: See `RuleSet.project`.
    """
    whole = len(value) <= CAPTURED_BYTES_MAX
    kept = bytes(value) if whole else project(event)
    source = source_of(headers) if headers else None
    return Captured(0, *times_ms, *place, source, kept, whole, event)


def make_match(lane: Lane, key: Key, run: Run, at_ms: int | None) -> Match:
    """The match that a run is.

    Args:
        at_ms: The time that completed it, where no event did.
    """
    names = lane.rule.automaton.step_names
    captures = run.captures
    times = [event.time_ms for event in captures[1::2]]
    return Match(
        lane.rule.plan.id,
        key_values(key),
        [(names[captures[n]], _event_ref(captures[n + 1])) for n in range(0, len(captures), 2)],
        min(times),
        max(times) if at_ms is None else at_ms,
        at_ms is not None,
    )


def transport_of(
    topic: str, partition: int, offset: int, key: Any, stamp_ms: int, headers: Any
) -> Transport:
    """The record around an event, as rules read it."""
    return Transport(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key.decode(errors="replace") if isinstance(key, bytes) else key,
        timestamp=stamp_ms,
        headers=header_texts(headers),
    )


def _event_ref(event: Captured) -> EventRef:
    return EventRef(
        event.origin.topic,
        event.origin.partition,
        event.offset,
        event.src,
        event.own_ms,
        event.time_ms,
        event.value if event.whole else None,
        None if event.whole else event.value,
    )
