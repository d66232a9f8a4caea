"""What comes out of the processor."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from summit.keyed.keys import Key
from summit.keyed.waiting import WaitKey


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
    """An event that came after its time was closed.

    Attributes:
        watermark_ms: How far time had come.
        rule: The rule that it is too late for; None = all that do not allow for late events.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    watermark_ms: int
    rule: str | None = None


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
    """What one `apply` gave, each list in order.

    Attributes:
        found: What the lanes made, of each kind what its engine makes (`cep.making.Match`, ...).
    """

    found: list[Any]
    rejected: list[Rejected]
    late: list[Late]
    remote: list[Remote]


class Applied(NamedTuple):
    """Answer of `Processor.apply`.

    Attributes:
        dirty: Keys whose state changed, so that `dump` may give something new (or None).
        waits: Names under which `dump_wait` may give something new (or None).
    """

    outputs: Outputs
    dirty: set[StateKey]
    waits: set[WaitKey]
