"""The open groups of one key as bytes: what is saved in a changelog.

MessagePack list, version 1 (the version travels beside the bytes, not in them):

    [base time,
     [[topic, partition], ...],
     [[start, end, count, seen, told,
       [[index of its topic partition, offset, src, own time, time taken, value, projection], ...]],
      ...]]

Times are milliseconds after the base time, own times after the time at which the event was taken.
`told` is 1 for a group that had enough events. Groups and events stand in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from summit.base.errors import Corrupt
from summit.cep.groups import Group
from summit.keyed.captured import EventRef, Move

GROUP_STATE_VERSION: Final = 1

_EventRow = tuple[int, int, str | None, int, int, bytes | None, bytes | None]
_GroupRow = tuple[int, int, int, int, int, list[_EventRow]]
_Rows = tuple[int, list[tuple[str, int]], list[_GroupRow]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Rows).decode


def dump_groups(groups: Sequence[Group]) -> bytes:
    """The open groups of a key as bytes."""
    base = min((group.start_ms for group in groups), default=0)
    places: dict[tuple[str, int], int] = {}
    rows: list[_GroupRow] = []
    for group in groups:
        events: list[_EventRow] = []
        for event in group.events:
            place = places.setdefault((event.topic, event.partition), len(places))
            own, taken = event.timestamp_ms - event.taken_ms, event.taken_ms - base
            events.append(
                (place, event.offset, event.src, own, taken, event.value, event.projection)
            )
        start, end = group.start_ms - base, group.end_ms - base
        rows.append((start, end, group.count, group.seen, int(group.is_told), events))
    return _encode((base, list(places), rows))


def load_groups(data: bytes, version: int) -> list[Group]:
    """The groups that `dump_groups` wrote.

    Raises: Corrupt("correlation.state") for another version or bytes that are none of ours.
    """
    if version != GROUP_STATE_VERSION:
        known = f"version {GROUP_STATE_VERSION} is known here"
        raise Corrupt("correlation.state", reason=f"it is of version {version}, and {known}")
    try:
        base, places, rows = _decode(data)
        return [_group(row, base, places) for row in rows]
    except (msgspec.MsgspecError, IndexError) as error:
        raise Corrupt("correlation.state", reason=str(error)) from error


def move_groups(data: bytes, version: int, move: Move) -> bytes:
    """The same groups with their events at the places where another cluster has them.

    Raises: as `load_groups`.
    """
    groups = load_groups(data, version)
    for group in groups:
        group.events = [_moved(event, move) for event in group.events]
    return dump_groups(groups)


def _moved(event: EventRef, move: Move) -> EventRef:
    offset, source = move(event.topic, event.partition, event.offset, event.src)
    return EventRef(
        event.topic, event.partition, offset, source, event.timestamp_ms, event.taken_ms,
        event.value, event.projection,
    )  # fmt: skip


def _group(row: _GroupRow, base: int, places: list[tuple[str, int]]) -> Group:
    start, end, count, seen, told, events = row
    group = Group(base + start)
    group.end_ms, group.count, group.seen, group.is_told = base + end, count, seen, bool(told)
    group.events = [
        EventRef(*places[place], offset, src, base + taken + own, base + taken, value, projection)
        for place, offset, src, own, taken, value, projection in events
    ]
    return group
