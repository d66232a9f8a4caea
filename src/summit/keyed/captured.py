"""What a lane keeps of an event: its place, its times, its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from summit.events.event import Transport
from summit.keyed.chunks import header_texts, source_of

# Topic, partition, offset and source of an event; gives the offset and source it has now.
Move = Callable[[str, int, int, str | None], tuple[int, str | None]]
# An event and its value; gives the bytes to keep, and whether they are the whole value.
Keep = Callable[[Any, Any], tuple[bytes, bool]]


class EventRef(msgspec.Struct, frozen=True, gc=False):
    """One captured event.

    Attributes:
        src: Position in the source it came from (header `summit.src`), or None.
        timestamp_ms: Its own time, else the record's; milliseconds since 1970 UTC.
        taken_ms: The time at which the pattern took it: never before the watermark that its
            partition had reached, so usually equal to `timestamp_ms`.
        value: The record's value. None when it was longer than `CAPTURED_BYTES_MAX`: read it
            from the log at (topic, partition, offset) where it is needed.
        projection: Then, JSON with only the fields that rules read; else None.
    """

    topic: str
    partition: int
    offset: int
    src: str | None
    timestamp_ms: int
    taken_ms: int
    value: bytes | None
    projection: bytes | None = None


class Origin(msgspec.Struct, frozen=True, gc=False):
    """A topic partition; one object for all events that came from it."""

    topic: str
    partition: int


class Captured(msgspec.Struct, gc=False):
    """One event that a lane has taken.

    Attributes:
        sequence: Number within the key, rising with every event the key has seen.
        time_ms: The time at which it was taken (never before its partition's watermark).
        own_ms: Its own time.
        src: The header `summit.src`, or None.
        value: The record's value or, when that is too large to keep, JSON of the fields that
            rules read.
        whole: Whether `value` is the record's.
        fields: The decoded event for predicates that look at captured events; None = not
            decoded yet, or never needed.
    """

    sequence: int
    time_ms: int
    own_ms: int
    origin: Origin
    offset: int
    src: str | None
    value: bytes
    whole: bool = True
    fields: Any = None


class Origins:
    """One `Origin` object per topic partition, shared by all events that came from it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Origin] = {}

    def of(self, topic: str, partition: int) -> Origin:
        """The object that stands for a topic partition."""
        found = self._known.get((topic, partition))
        if found is None:
            found = self._known[topic, partition] = Origin(topic, partition)
        return found


def capture(
    event: Any,
    value: Any,
    headers: Any,
    times_ms: tuple[int, int],
    place: tuple[Origin, int],
    keep: Keep,
) -> Captured:
    """An event as a lane keeps it: its value whole, or of a long one what rules read.

    Args:
        event: The decoded event.
        times_ms: When it is taken, and its own time.
        place: Its partition and offset.
        keep: See `RuleSet.keep`.
    """
    kept, whole = keep(event, value)
    source = source_of(headers) if headers else None
    return Captured(0, *times_ms, *place, source, kept, whole, event)


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


def event_ref(event: Captured, taken_ms: int | None = None) -> EventRef:
    """The event as it is told.

    Args:
        taken_ms: When it was taken, where that is not when it came.
    """
    return EventRef(
        event.origin.topic,
        event.origin.partition,
        event.offset,
        event.src,
        event.own_ms,
        event.time_ms if taken_ms is None else taken_ms,
        event.value if event.whole else None,
        None if event.whole else event.value,
    )
