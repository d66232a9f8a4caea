"""The short way of events of a topic that is read in the order of time: they are on time, and this
worker has their keys. Anything else about them is for the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from summit.events.times import TIME_MS_MIN
from summit.keyed.decisions import Found
from summit.keyed.keygroups import key_group
from summit.keyed.reading import Reading
from summit.keyed.scan import Concern
from summit.keyed.scopes import Scope
from summit.keyed.waiting import Interest, WaitingEvent, WaitLog

_NEVER: Final = float("inf")


class Way:
    """Where the events of a rule wait, ready to be asked for each of them."""

    __slots__ = ("add", "lane", "rule_id")

    def __init__(self, scope: Scope, lane: Any) -> None:
        self.add = scope.waiting.add
        self.lane = lane
        self.rule_id = lane.rule.id


def order(
    reading: Reading,
    ways: Sequence[Way],
    log: WaitLog,
    lacks_key: Callable[[int, Any, int], None],
    otherwise: Concern,
) -> Concern:
    """What puts the events of a chunk among those that wait.

    Args:
        ways: By rule number.
        lacks_key: Told of an event without a key: its position, the lane, the mask.
        otherwise: Takes events that are late, or that nobody may want.
    """
    chunk, origin = reading.chunk, reading.origin
    place = reading.place
    delay_ms = reading.stream.delay_ms
    offsets, stamps, values = chunk.offsets, chunk.timestamps_ms, chunk.values
    keys, headers = chunk.keys, chunk.headers
    new, saves, note = tuple.__new__, log.is_on, log.note

    def concern(n: int, event: Any, own_ms: int, watermark_ms: int, found: Found) -> float:
        if own_ms < watermark_ms - delay_ms or own_ms < TIME_MS_MIN or not found:
            return otherwise(n, event, own_ms, watermark_ms, found)
        offset = offsets[n]
        waiting = WaitingEvent(
            origin, offset, own_ms, stamps[n], values[n] or b"",
            None if keys is None else keys[n], None if headers is None else headers[n], event,
        )  # fmt: skip
        for rule, mask, key_of in found:
            way = ways[rule]
            key = key_of(event)
            if key is None:
                lacks_key(n, way.lane, mask)
                continue
            group = key_group(key) if saves else 0
            item = new(
                Interest,
                (own_ms, place, offset, way.rule_id, way.lane, key, mask, waiting, group),
            )
            way.add(item)
            if saves:
                note(item)
        return _NEVER

    return concern
