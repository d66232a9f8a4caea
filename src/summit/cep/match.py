"""What comes out of the matcher."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from summit.cep.keys import Key
from summit.cep.waiting import WaitKey


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


class Match(msgspec.Struct, frozen=True, gc=False):
    """One match of one pattern.

    Attributes:
        key: Values of the pattern's `groupBy`, in its order.
        captures: (step name, event) in the order in which the events were taken.
        start_ms: Earliest time at which one of its events was taken.
        end_ms: Latest such time; for an absence, the time at which it was certain.
        timed: True when time completed it, not its last event.
    """

    pattern_id: str
    key: tuple[Any, ...]
    captures: list[tuple[str, EventRef]]
    start_ms: int
    end_ms: int
    timed: bool = False


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """An event that could not be processed; the caller sends it to a dead letter.

    Attributes:
        code: `event.empty`, `event.not_json`, `event.not_object`, `event.bad_time`,
            `event.no_type` (no rule could use it without one) or `event.no_key` (the rule that it
            satisfies groups by a field that it lacks; `rule` says which).
    """

    topic: str
    partition: int
    offset: int
    code: str
    message: str
    rule: str | None = None


class Late(msgspec.Struct, frozen=True, gc=False):
    """An event that came after its time was closed; only in event-time order."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    watermark_ms: int


class Remote(NamedTuple):
    """An event that a key group of another worker needs.

    Attributes:
        group: The key group.
        taken_ms: The time at which patterns take the event.
    """

    group: int
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    taken_ms: int
    key: bytes | None
    value: bytes
    headers: Any


class StateKey(NamedTuple):
    """Names the state of one key of one rule.

    Attributes:
        rule: `Rule.state_id`: the same for as long as the rule means the same.
        key: The key; `keys.key_text` and `keys.parse_key` make it text and back.
    """

    rule: str
    key: Key


class Outputs(msgspec.Struct, gc=False):
    """What one `apply` gave, each list in order."""

    matches: list[Match]
    rejected: list[Rejected]
    late: list[Late]
    remote: list[Remote]


class Applied(NamedTuple):
    """Answer of `Matcher.apply`.

    Attributes:
        dirty: Keys whose state changed, so that `dump` may give something new (or None).
        next_timer_ms: The frontier at which something is due even without events: an absence
            to report, or state to forget; None = nothing.
        waits: Names under which `dump_wait` may give something new (or None).
    """

    outputs: Outputs
    dirty: set[StateKey]
    next_timer_ms: int | None
    waits: set[WaitKey]
