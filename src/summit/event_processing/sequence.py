"""The matched events as the guide's listeners get them."""

from __future__ import annotations

import msgspec

from summit.cep.match import Match
from summit.event_processing.given import result_event
from summit.events.event import Event, Transport, decode_value
from summit.keyed.captured import EventRef


class EventSequence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a pattern has matched.

    Attributes:
        id: That of the alert it leads to.
        pattern: Id of the pattern.
        events: In the order in which they were taken.
        captures: (step, event) in the same order.
        start_time, end_time: Event times of the first and the last, milliseconds since 1970 UTC;
            of an absence and of a time-out, the end is when time was over.
        key: Values of the pattern's `groupBy`.
        matched: False for a partial match.
        waits_for: Of a partial match that is alive: the steps whose events take it on.
        expires_at: Then, the event time at which it is over; None = nothing bounds it.
    """

    id: str
    pattern: str
    events: list[Event]
    captures: list[tuple[str, Event]]
    start_time: int
    end_time: int
    key: list[object]
    matched: bool = True
    waits_for: list[str] = []
    expires_at: int | None = None


def make_sequence(match: Match, alert_id: str) -> EventSequence:
    """The sequence of a match."""
    captures = [(step, _event(ref)) for step, ref in match.captures]
    return EventSequence(
        id=alert_id,
        pattern=match.pattern_id,
        events=[event for _, event in captures],
        captures=captures,
        start_time=match.start_ms,
        end_time=match.end_ms,
        key=list(match.key),
        matched=not match.timed_out,
    )


def _event(ref: EventRef) -> Event:
    value = ref.value if ref.value is not None else ref.projection
    transport = Transport(
        topic=ref.topic,
        partition=ref.partition,
        offset=ref.offset,
        timestamp=ref.timestamp_ms,
    )
    return result_event(decode_value(value or b"{}"), transport)
